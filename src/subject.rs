//! Who a reference belongs to, without saying it: the keyed hash of a NIK.

use std::str::FromStr;

use data_encoding::HEXLOWER;

/// The keyed hash of a NIK; 64 hexadecimal digits in lower case as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectHash([u8; 32]);

impl SubjectHash {
    /// A hash from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Display for SubjectHash {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// Not 64 hexadecimal digits in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a subject hash is 64 hexadecimal digits in lower case")]
pub struct SubjectHashError;

impl FromStr for SubjectHash {
    type Err = SubjectHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = HEXLOWER
            .decode(text.as_bytes())
            .map_err(|_| SubjectHashError)?;
        Ok(Self(bytes.try_into().map_err(|_| SubjectHashError)?))
    }
}
