//! Whom a reference belongs to: the NIK as it comes in, and the keyed hash that stands for it
//! everywhere else.

mod nik;

use std::fmt::Write as _;

pub use nik::{Biodata, Nik, NikError, NikWarning, Sex};

/// The keyed hash of a NIK (HMAC-SHA-256 under the NIK key, see `keys`): the only
/// form in which a subject is stored, logged or exported.
///
/// Without the key nobody can find the NIK, and nobody can try all of them. Its text is 64
/// hexadecimal digits.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct SubjectHash([u8; 32]);

impl SubjectHash {
    /// A hash from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Display for SubjectHash {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl std::fmt::Debug for SubjectHash {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "SubjectHash({self})")
    }
}

/// A text that is no subject hash. Does not repeat it: somebody may have typed a NIK instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a subject hash has 64 hexadecimal digits (it is not the NIK)")]
pub struct NotASubjectHash;

impl std::str::FromStr for SubjectHash {
    type Err = NotASubjectHash;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return Err(NotASubjectHash);
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let (high, low) = (hex_digit(*high)?, hex_digit(*low)?);
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

fn hex_digit(digit: u8) -> Result<u8, NotASubjectHash> {
    let value = char::from(digit).to_digit(16).ok_or(NotASubjectHash)?;
    u8::try_from(value).map_err(|_| NotASubjectHash)
}

impl TryFrom<String> for SubjectHash {
    type Error = NotASubjectHash;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SubjectHash> for String {
    fn from(hash: SubjectHash) -> Self {
        let mut text = Self::with_capacity(64);
        // Writing to a string does not fail.
        let _ = write!(text, "{hash}");
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_hash_is_its_text(bytes: [u8; 32]) {
            let hash = SubjectHash::from_bytes(bytes);
            let text = hash.to_string();
            prop_assert_eq!(text.len(), 64);
            prop_assert_eq!(text.parse(), Ok(hash));
            prop_assert_eq!(text.to_uppercase().parse(), Ok(hash));
            let json = serde_json::to_string(&hash).expect("serialises");
            prop_assert_eq!(&json, &format!("\"{text}\""));
            prop_assert_eq!(serde_json::from_str::<SubjectHash>(&json).ok(), Some(hash));
            prop_assert_eq!(hash.as_bytes(), &bytes);
        }

        #[test]
        fn any_other_text_is_refused(text in ".{0,70}") {
            let is_hash = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
            prop_assert_eq!(text.parse::<SubjectHash>().is_ok(), is_hash);
        }
    }

    #[test]
    fn a_text_that_is_no_hash_is_not_repeated() {
        for text in [
            "",
            "3174096112900001",
            &"g".repeat(64),
            &"+1".repeat(32),
            &"é".repeat(32),
            &"0".repeat(65),
        ] {
            let error = text
                .parse::<SubjectHash>()
                .expect_err("is none")
                .to_string();
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }
}
