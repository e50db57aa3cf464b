//! The shapes in which secret bytes could have been written, and a search for all of them at once.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use padan::digest;

/// What must not be found, by what it is.
#[derive(Clone)]
pub struct Needle {
    pub what: String,
    pub bytes: Vec<u8>,
}

impl Needle {
    pub fn new(what: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            what: what.to_owned(),
            bytes: bytes.into(),
        }
    }
}

/// The shapes of `slice`, a part of something longer that may have been written as a whole.
pub fn forms(what: &str, slice: &[u8]) -> Vec<Needle> {
    let mut needles = vec![Needle::new(what, slice)];
    let mut add = |form: &str, text: String| {
        needles.push(Needle::new(&format!("{what} {form}"), text));
    };
    // A text in base64 is one of three, by where in the whole the slice begins.
    for shift in 0..3 {
        let whole_groups = (slice.len() - shift) / 3 * 3;
        let part = &slice[shift..shift + whole_groups];
        add("in base64", STANDARD_NO_PAD.encode(part));
        add("in base64 of addresses", URL_SAFE_NO_PAD.encode(part));
    }
    let hexadecimal = digest::hex(slice);
    add("in hexadecimal capitals", hexadecimal.to_uppercase());
    add("in hexadecimal", hexadecimal);
    let numbers = format!("{slice:?}");
    let numbers = numbers.trim_matches(['[', ']']);
    add("as a list", numbers.to_owned());
    add("as a list of JSON", numbers.replace(' ', ""));
    let escaped = format!("{:?}", Bytes::copy_from_slice(slice));
    let escaped = escaped.trim_start_matches("b\"").trim_end_matches('"');
    add("escaped", escaped.to_owned());
    let twice = serde_json::to_string(escaped).expect("JSON");
    add("escaped in JSON", twice.trim_matches('"').to_owned());
    needles
}

/// Finds many needles in one pass: whole databases are looked through.
pub struct Sieve {
    needles: Vec<Needle>,
    /// Which of them begin with a pair of bytes, by that pair.
    starts: Vec<Vec<usize>>,
}

impl Sieve {
    pub fn new(needles: Vec<Needle>) -> Self {
        let mut starts = vec![Vec::new(); 1 << 16];
        for (number, needle) in needles.iter().enumerate() {
            let pair = [needle.bytes[0], needle.bytes[1]];
            starts[usize::from(u16::from_be_bytes(pair))].push(number);
        }
        Self { needles, starts }
    }

    /// What of the needles is in `haystack`.
    pub fn found(&self, haystack: &[u8]) -> Vec<&str> {
        let mut found = Vec::new();
        for (at, pair) in haystack.windows(2).enumerate() {
            let candidates = &self.starts[usize::from(u16::from_be_bytes([pair[0], pair[1]]))];
            for needle in candidates.iter().map(|&number| &self.needles[number]) {
                if haystack[at..].starts_with(&needle.bytes) {
                    found.push(needle.what.as_str());
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

#[test]
fn a_slice_is_found_in_whatever_shape_the_whole_was_written() {
    // All kinds of bytes, and many that have to be escaped.
    let byte = |n: u32| match (n % 7, n % 11) {
        (3, _) => b'"',
        (_, 5) => b'\\',
        _ => u8::try_from((n * 31 + n / 8) % 256).expect("a byte"),
    };
    let whole: Vec<u8> = (0..600).map(byte).collect();
    let hexadecimal = digest::hex(&whole);
    let escaped = format!("{:?}", Bytes::copy_from_slice(&whole));
    let writings = [
        whole.clone(),
        STANDARD_NO_PAD.encode(&whole).into(),
        URL_SAFE_NO_PAD.encode(&whole).into(),
        STANDARD_NO_PAD.encode(&whole[1..]).into(),
        STANDARD_NO_PAD.encode(&whole[2..]).into(),
        hexadecimal.to_uppercase().into(),
        hexadecimal.into(),
        format!("{whole:?}").into(),
        serde_json::to_vec(&whole).expect("JSON"),
        serde_json::to_vec(&escaped).expect("JSON"),
        escaped.into(),
    ];
    for at in [200, 201, 202, 301] {
        let sieve = Sieve::new(forms("a slice", &whole[at..at + 32]));
        for (number, writing) in writings.iter().enumerate() {
            assert!(!sieve.found(writing).is_empty(), "{number} from {at} on");
            let other: Vec<u8> = writing.iter().map(|byte| byte ^ 1).collect();
            assert!(sieve.found(&other).is_empty(), "{number} from {at} on");
        }
    }
}
