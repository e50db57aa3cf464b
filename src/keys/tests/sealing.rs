use proptest::prelude::*;

use super::*;
use crate::embed::ContractId;

fn key() -> SubjectKey {
    SubjectKey::random().expect("random bytes")
}

fn binding() -> Binding {
    Binding::template(&subject(1), &ContractId::new("sface:01"), 7)
}

#[test]
fn what_was_sealed_opens_in_its_place_only() {
    let (key, text) = (key(), b"a template");
    let sealed = seal(&key, &binding(), text).expect("sealed");
    assert_eq!(sealed.ciphertext.len(), text.len() + 16);
    let opened = open(&key, &binding(), &sealed).expect("opens");
    assert_eq!(opened.as_slice(), text);
    let contract = ContractId::new("sface:01");
    let places = [
        ("subject", Binding::template(&subject(2), &contract, 7)),
        (
            "contract",
            Binding::template(&subject(1), &ContractId::new("sface:02"), 7),
        ),
        ("version", Binding::template(&subject(1), &contract, 8)),
        ("kind", Binding::portrait(&subject(1), 7)),
        (
            "kind with a name",
            Binding::reply(&subject(1), "sface:01", 7),
        ),
    ];
    for (what, place) in places {
        let found = open(&key, &place, &sealed);
        assert_eq!(found, Err(SealError::DoesNotOpen), "another {what}");
    }
    let found = open(&super::sealing::key(), &binding(), &sealed);
    assert_eq!(found, Err(SealError::DoesNotOpen), "another key");
}

#[test]
fn two_sealings_of_one_text_share_nothing() {
    let key = key();
    let [one, other] = [(); 2].map(|()| seal(&key, &binding(), &[0; 64]).expect("sealed"));
    assert_ne!(one.nonce, other.nonce);
    assert_ne!(one.ciphertext, other.ciphertext);
    // The nonce of one does not open the other.
    let mixed = Sealed {
        nonce: one.nonce,
        ciphertext: other.ciphertext,
    };
    assert_eq!(open(&key, &binding(), &mixed), Err(SealError::DoesNotOpen));
}

#[test]
fn every_flipped_bit_and_every_truncation_is_found() {
    let key = key();
    let sealed = seal(&key, &binding(), b"a template").expect("sealed");
    for bit in 0..sealed.ciphertext.len() * 8 {
        let mut flipped = sealed.clone();
        flipped.ciphertext[bit / 8] ^= 1 << (bit % 8);
        let found = open(&key, &binding(), &flipped);
        assert_eq!(found, Err(SealError::DoesNotOpen), "bit {bit}");
    }
    for bit in 0..96 {
        let mut flipped = sealed.clone();
        flipped.nonce[bit / 8] ^= 1 << (bit % 8);
        let found = open(&key, &binding(), &flipped);
        assert_eq!(found, Err(SealError::DoesNotOpen), "bit {bit} of the nonce");
    }
    for length in 0..sealed.ciphertext.len() {
        let mut cut = sealed.clone();
        cut.ciphertext.truncate(length);
        let found = open(&key, &binding(), &cut);
        assert_eq!(found, Err(SealError::DoesNotOpen), "{length} bytes");
    }
}

proptest! {
    #[test]
    fn any_text_comes_back(text: Vec<u8>, byte: u8, contract in ".{0,40}", version: u64) {
        let key = key();
        let place = Binding::template(&subject(byte), &ContractId::new(&contract), version);
        let sealed = seal(&key, &place, &text).expect("sealed");
        let opened = open(&key, &place, &sealed).expect("opens");
        prop_assert_eq!(opened.as_slice(), text.as_slice());
    }

    /// Places are equal exactly when everything about them is.
    #[test]
    fn bindings_are_unambiguous(a in (0..3_u8, "[a:0]{0,3}", 0..3_u64), b in (0..3_u8, "[a:0]{0,3}", 0..3_u64)) {
        let place = |(byte, name, version): &(u8, String, u64)| {
            Binding::template(&subject(*byte), &ContractId::new(name), *version)
        };
        prop_assert_eq!(place(&a) == place(&b), a == b);
    }

    #[test]
    fn no_bytes_open_by_chance(ciphertext: Vec<u8>, nonce: [u8; 12]) {
        let found = open(&key(), &binding(), &Sealed { nonce, ciphertext });
        prop_assert_eq!(found, Err(SealError::DoesNotOpen));
    }
}
