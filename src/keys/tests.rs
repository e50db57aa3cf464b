mod damage;
mod making;
mod reading;
mod sealing;
mod wrapping;

use std::path::Path;

use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::*;
use crate::subject::{Nik, SubjectHash};

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_800_000_000).expect("a time")
}

fn subject(byte: u8) -> SubjectHash {
    SubjectHash::from_bytes([byte; 32])
}

fn ring() -> KeyRing {
    KeyRing::ephemeral(now()).expect("random bytes")
}

fn made() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = folder.path().join("keys");
    create_keys(&keys, now()).expect("made");
    (folder, keys)
}

fn read(folder: &Path) -> Result<KeyRing, KeyError> {
    KeyRing::read(&[KeySource::Folder(folder.to_owned())], &|_| None, now())
}

fn read_text(text: &str) -> Result<KeyRing, KeyError> {
    let source = KeySource::Environment("PADAN_KEYS".to_owned());
    let value = |name: &str| (name == "PADAN_KEYS").then(|| Zeroizing::new(text.to_owned()));
    KeyRing::read(&[source], &value, now())
}

/// All key files in one text.
fn all_text(folder: &Path) -> String {
    let files = names(folder).into_iter().map(|name| folder.join(name));
    files
        .map(|file| std::fs::read_to_string(file).expect("readable"))
        .collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = names
        .map(|name| name.into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

/// The error says all of `parts`, and no part of the keys in `folder`.
fn assert_says(error: &KeyError, parts: &[&str], folder: &Path) {
    let text = format!("{error} {error:?}");
    for part in parts {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    for line in all_text(folder).lines() {
        let key = line.rsplit(' ').next().expect("a word");
        assert!(key.len() < 20 || !text.contains(&key[..20]), "{text}");
    }
}

#[test]
fn a_subject_hash_is_the_hmac_of_the_sixteen_digits() {
    // printf 3174092112900001 | openssl dgst -sha256 -mac HMAC -macopt hexkey:0b0b…0b (32 bytes)
    let secret = secret::Secret::from_slice(&[11; 32]).expect("32 bytes");
    let nik = Nik::parse("3174092112900001").expect("a NIK");
    let expected = "8f10105567f7a9d4bdca1a8830ee7d40cfd4a2cefe8f88089b2d82368383f6ed";
    assert_eq!(NikKey::new(secret).hash(&nik).to_string(), expected);
}

#[test]
fn another_nik_or_another_key_is_another_hash() {
    let (one, other) = (ring(), ring());
    let niks = ["3174092112900001", "3174092112900002"].map(|it| Nik::parse(it).expect("a NIK"));
    assert_eq!(one.subject_hash(&niks[0]), one.subject_hash(&niks[0]));
    assert_ne!(one.subject_hash(&niks[0]), one.subject_hash(&niks[1]));
    assert_ne!(one.subject_hash(&niks[0]), other.subject_hash(&niks[0]));
    assert_ne!(one.nik_key().id(), other.nik_key().id());
}

#[test]
fn debug_prints_no_byte_of_any_key() {
    // The bytes of this key, in every way they could be printed; the last one differs, so that it
    // is no placeholder.
    let mut bytes = [171; 32];
    bytes[31] = 172;
    let secret = || secret::Secret::from_slice(&bytes).expect("32 bytes");
    let key = SubjectKey::from_slice(&[171; 32]).expect("32 bytes");
    let binding = Binding::template(&subject(171), &crate::embed::ContractId::new("m:1"), 171);
    let sealed = seal(&key, &binding, &[171; 32]).expect("sealed");
    let wrapper = LocalWrapper::new(secret());
    let bytes = wrapper.wrap(&key, &[]).expect("wrapped");
    let wrapped = WrappedKey {
        master_key_id: wrapper.id().clone(),
        bytes,
    };
    let line = line::read_lines(&line_of(&secret()), "memory").expect("a key");
    let printed = [
        format!("{:?}", secret()),
        format!("{key:?} {binding:?} {sealed:?} {wrapper:?} {wrapped:?} {line:?}"),
        format!("{:?}", NikKey::new(secret())),
        format!("{:?}", SigningKey::new(KeyKind::Audit, &secret())),
    ]
    .join("\n");
    for forbidden in ["171", "abab", "ABAB", "q6ur", "0xab", "\\xab"] {
        assert!(!printed.contains(forbidden), "{forbidden} in {printed}");
    }
    assert!(printed.contains("Secret(…)"), "{printed}");
}

/// The line of a master key with these bytes.
fn line_of(secret: &secret::Secret) -> String {
    use base64::Engine as _;
    let key = base64::engine::general_purpose::STANDARD.encode(secret.expose());
    let id = KeyId::of(KeyKind::Master, secret);
    format!("padan-key-1 master {id} 2026-11-22T00:00:00Z {key}\n")
}

#[test]
fn a_public_key_is_its_text_and_weak_ones_are_refused() {
    let ring = ring();
    let public = ring.audit_key().public();
    assert_eq!(public.to_string().parse(), Ok(public));
    assert_eq!(public.id(KeyKind::Audit), *ring.audit_key().id());
    assert_ne!(public.id(KeyKind::Token), *ring.audit_key().id());
}

#[test]
fn keys_are_read_from_hexadecimal_digits_and_from_pem() {
    // RFC 8410, section 10.1.
    let pem = "-----BEGIN PUBLIC KEY-----\n\
               MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
               -----END PUBLIC KEY-----\n";
    let hex = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
    let key = PublicKey::from_file_text(pem).expect("a key");
    assert_eq!(key.to_string(), hex);
    assert_eq!(PublicKey::from_file_text(&format!("{hex}\n")), Ok(key));
    let other_curve = pem.replace("VwAyEA", "V3AyEA");
    for wrong in ["", "abc", &hex.to_uppercase(), &other_curve] {
        let error = PublicKey::from_file_text(wrong);
        assert_eq!(error, Err(PublicKeyError::Form), "{wrong}");
    }
    // The neutral element: everybody's signature.
    let neutral = format!("01{}", "00".repeat(31));
    assert_eq!(neutral.parse::<PublicKey>(), Err(PublicKeyError::Weak));
}

#[test]
fn a_signature_is_of_one_message_and_one_key() {
    let (one, other) = (ring(), ring());
    let signature = one.audit_key().sign(b"checkpoint");
    let public = one.audit_key().public();
    assert!(public.has_signed(b"checkpoint", &signature));
    assert!(!public.has_signed(b"checkpoinT", &signature));
    assert!(
        !other
            .audit_key()
            .public()
            .has_signed(b"checkpoint", &signature)
    );
    assert!(
        !one.token_key()
            .public()
            .has_signed(b"checkpoint", &signature)
    );
    for bit in 0..512 {
        let mut flipped = signature;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!public.has_signed(b"checkpoint", &flipped), "bit {bit}");
    }
}

#[test]
fn key_ids_are_short_printable_words() {
    for text in ["", " ", "a b", "é", "a\n", &"x".repeat(257)] {
        assert_eq!(KeyId::new(text), Err(NotAKeyId), "{text:?}");
    }
    let name = "arn:aws:kms:ap-southeast-3:1:key/2";
    assert_eq!(KeyId::new(name).expect("a name").as_str(), name);
}
