use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn damaged_lines_are_refused_and_their_key_is_not_repeated() {
    let (_folder, keys) = made();
    let text = all_text(&keys);
    let line = text.lines().last().expect("a line");
    let words: Vec<_> = line.split(' ').collect();
    let [format, kind, id, time, key] = words[..] else {
        panic!("five words");
    };
    let other = if key.starts_with('A') { "B" } else { "A" };
    let cases = [
        (format!("{format} {kind} {id} {time}"), "not a key"),
        (format!("{line} more"), "not a key"),
        (format!("padan-key-2 {kind} {id} {time} {key}"), "not a key"),
        (key.to_owned(), "not a key"),
        (format!("{format} root {id} {time} {key}"), "does not know"),
        (
            format!("{format} {kind} {id} yesterday {key}"),
            "2026-01-31T00:00:00Z",
        ),
        (
            format!("{format} {kind} {id} {time} {}", &key[1..]),
            "base64",
        ),
        (
            format!("{format} {kind} {id} {time} {}", &key[4..]),
            "29 bytes instead of 32",
        ),
        (format!("{format} {kind} {id} {time} {key}{key}"), "base64"),
        (
            format!("{format} {kind} {id} {time} {}", "AAAA".repeat(12)),
            "36 bytes instead of 32",
        ),
        (
            format!("{format} {kind} {id} {time} {}", "AAAA".repeat(100)),
            "300 bytes instead of 32",
        ),
        (
            format!("{format} {kind} {id} {time} {}A=", "A".repeat(42)),
            "placeholder",
        ),
        (
            format!("{format} {kind} {id} {time} {other}{}", &key[1..]),
            "damaged or mislabelled",
        ),
        (
            format!("{format} nik {id} {time} {key}"),
            "damaged or mislabelled",
        ),
        (
            format!("{format} {kind} 0000000000000000 {time} {key}"),
            "damaged or mislabelled",
        ),
        (format!("{format} {kind} {key} {time} {key}"), "not a key"),
    ];
    for (changed, says) in cases {
        let error = read_text(&format!("# comment\n\n{changed}\n")).expect_err("is damaged");
        assert_says(&error, &["PADAN_KEYS, line 3", says], &keys);
    }
}

#[test]
fn every_flipped_bit_of_a_key_is_found() {
    let (_folder, keys) = made();
    let whole = read(&keys).expect("read");
    let path = keys.join("nik.key");
    let bytes = std::fs::read(&path).expect("readable");
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, flipped).expect("written");
        // A digit of the time may become another; it is not the key.
        if let Ok(ring) = read(&keys) {
            assert_eq!(ring.nik_key().id(), whole.nik_key().id(), "bit {bit}");
        }
    }
    for length in 0..bytes.len() - 1 {
        std::fs::write(&path, &bytes[..length]).expect("written");
        read(&keys).expect_err("is cut");
    }
}

#[test]
fn endless_and_binary_files_are_refused() {
    let (_folder, keys) = made();
    let more = keys.join("more.key");
    let write = |content: &[u8]| {
        std::fs::write(&more, content).expect("written");
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&more, mode).expect("set");
    };
    write(&vec![b'#'; 1 << 20]);
    let error = read(&keys).expect_err("too long");
    assert!(matches!(error, KeyError::TooLong(_)), "{error}");
    write(&[0xff, 0xfe, 0, 1]);
    let error = read(&keys).expect_err("no text");
    assert!(error.to_string().contains("no text"), "{error}");
    let error = read_text(&"#".repeat(1 << 20)).expect_err("too long");
    assert!(matches!(error, KeyError::TooLong(_)), "{error}");
}

#[test]
fn two_keys_where_one_must_be_are_refused() {
    let (_folder, keys) = made();
    let (_other_folder, other) = made();
    std::fs::copy(other.join("nik.key"), keys.join("nik-2.key")).expect("copied");
    let error = read(&keys).expect_err("two NIK keys");
    assert_says(&error, &["two nik keys", "nik.key", "nik-2.key"], &keys);
    std::fs::copy(keys.join("nik.key"), keys.join("nik-2.key")).expect("copied");
    let error = read(&keys).expect_err("the same one twice");
    assert!(matches!(error, KeyError::Twice { .. }), "{error}");
}

#[test]
fn one_key_for_two_purposes_is_refused() {
    let secret = secret::Secret::random().expect("random bytes");
    let master = line_of(&secret);
    let audit = KeyId::of(KeyKind::Audit, &secret);
    let words: Vec<_> = master.split_whitespace().collect();
    let audit = format!("{} audit {audit} {} {}", words[0], words[3], words[4]);
    let error = read_text(&format!("{master}{audit}")).expect_err("one key");
    assert!(matches!(error, KeyError::Shared { .. }), "{error}");
}
