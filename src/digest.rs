//! Bytes as hexadecimal digits, SHA-256 in them, and parts in a row.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Not that many hexadecimal digits in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} hexadecimal digits in lower case are expected")]
pub struct HexError(pub usize);

/// `bytes` as hexadecimal digits in lower case.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// `N` bytes from their hexadecimal digits in lower case.
///
/// # Errors
/// When the text is anything else.
pub fn bytes_of_hex<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let wrong = HexError(2 * N);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return Err(wrong);
    }
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(wrong),
    };
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Ok(bytes)
}

/// Parts in a row, each behind its length (8 bytes, the most significant first): no two lists of
/// parts give the same bytes, so no part can lend bytes to its neighbour.
#[must_use]
pub fn length_prefixed(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        // A length of memory fits in 64 bits.
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// SHA-256 of all that `reader` gives, as hexadecimal digits.
///
/// # Errors
/// Those of reading.
pub fn sha256_hex_of(mut reader: impl std::io::Read) -> std::io::Result<String> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = reader.read(&mut buffer)?;
        let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else {
            return Ok(hex(&digest.finalize()));
        };
        digest.update(chunk);
    }
}

/// SHA-256 of `bytes`, 64 hexadecimal digits in lower case.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_digest_of_nothing_is_the_published_one() {
        let published = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256_hex(b""), published);
    }

    #[test]
    fn bytes_have_one_spelling() {
        assert_eq!(bytes_of_hex::<2>("0aff"), Ok([10, 255]));
        for wrong in ["0AFF", "0af", "0aff00", "", "0agg", "é", "+1+1"] {
            assert_eq!(bytes_of_hex::<2>(wrong), Err(HexError(4)), "{wrong}");
        }
    }

    #[test]
    fn no_two_lists_of_parts_have_one_encoding() {
        let encode = length_prefixed;
        assert_eq!(encode(&[b"a"]), b"\0\0\0\0\0\0\0\x01a");
        assert_ne!(encode(&[b"ab", b"c"]), encode(&[b"a", b"bc"]));
        assert_ne!(encode(&[b"ab"]), encode(&[b"ab", b""]));
        assert_ne!(encode(&[b"", b"ab"]), encode(&[b"ab", b""]));
    }

    proptest! {
        #[test]
        fn bytes_are_read_as_they_are_written(bytes: [u8; 32]) {
            prop_assert_eq!(bytes_of_hex(&hex(&bytes)), Ok(bytes));
        }
    }
}
