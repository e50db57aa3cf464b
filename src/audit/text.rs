//! The words of an entry: short texts and names of writers.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

/// Most bytes of a [`Text`].
pub const TEXT_BYTES_MAX: usize = 256;

const WRITER_BYTES_MAX: usize = 64;

/// A text that no entry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// No text at all.
    #[error("a text of an audit entry is not empty: leave the value out")]
    Empty,
    /// Longer than [`TEXT_BYTES_MAX`].
    #[error("a text of an audit entry has at most {TEXT_BYTES_MAX} bytes")]
    TooLong,
    /// Line ends and their like would disturb whoever reads the trail.
    #[error("a text of an audit entry has no control characters")]
    Control,
    /// Not a name of a writer.
    #[error("a writer is 1 to {WRITER_BYTES_MAX} letters, digits, dots, hyphens and underscores")]
    Writer,
}

/// Not that many bytes as hexadecimal digits in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} hexadecimal digits in lower case are expected")]
pub struct HexError(pub usize);

/// `N` bytes from their hexadecimal digits in lower case.
pub(super) fn bytes_of_hex<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let bytes = HEXLOWER.decode(text.as_bytes()).ok();
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or(HexError(2 * N))
}

/// A short text of an entry: 1 to [`TEXT_BYTES_MAX`] bytes of UTF-8 without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text(String);

impl Text {
    /// A text as it is.
    ///
    /// # Errors
    /// When it is empty, too long, or has control characters.
    pub fn new(text: impl Into<String>) -> Result<Self, TextError> {
        let text = text.into();
        if text.is_empty() {
            return Err(TextError::Empty);
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err(TextError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(TextError::Control);
        }
        Ok(Self(text))
    }

    /// A text made to fit: control characters replaced, the end cut off, "-" for nothing. For
    /// words of our own; what identifies somebody is refused instead, by [`Self::new`].
    #[must_use]
    pub fn fitted(text: &str) -> Self {
        let mut fitted = String::new();
        for c in text.chars() {
            let c = if c.is_control() { '\u{fffd}' } else { c };
            if fitted.len() + c.len_utf8() > TEXT_BYTES_MAX {
                break;
            }
            fitted.push(c);
        }
        if fitted.is_empty() {
            fitted.push('-');
        }
        Self(fitted)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Text {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        Self::new(text)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

/// Names a process that writes a chain of its own: 1 to 64 of `A-Z a-z 0-9 . - _`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WriterId(String);

impl WriterId {
    /// A name of a writer.
    ///
    /// # Errors
    /// When it is empty, too long, or has other characters.
    pub fn new(name: impl Into<String>) -> Result<Self, TextError> {
        let name = name.into();
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if name.is_empty() || name.len() > WRITER_BYTES_MAX || !name.chars().all(fits) {
            return Err(TextError::Writer);
        }
        Ok(Self(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for WriterId {
    type Error = TextError;

    fn try_from(name: String) -> Result<Self, TextError> {
        Self::new(name)
    }
}

impl From<WriterId> for String {
    fn from(writer: WriterId) -> Self {
        writer.0
    }
}

impl std::fmt::Display for WriterId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_that_would_disturb_a_reader_are_refused() {
        assert_eq!(Text::new(""), Err(TextError::Empty));
        assert_eq!(Text::new("a\nb"), Err(TextError::Control));
        assert_eq!(Text::new("\u{7f}"), Err(TextError::Control));
        assert_eq!(Text::new("x".repeat(257)), Err(TextError::TooLong));
        assert!(Text::new("x".repeat(256)).is_ok());
        assert!(Text::new("Kantor Camat \"Gambir\" \\ é 顔").is_ok());
    }

    #[test]
    fn writers_have_plain_names() {
        assert!(WriterId::new("padan-1.jakarta_2").is_ok());
        for name in ["", "a b", "a/b", "é", "a\n", &"x".repeat(65)] {
            assert_eq!(WriterId::new(name), Err(TextError::Writer), "{name:?}");
        }
    }

    #[test]
    fn hexadecimal_digits_are_in_lower_case_and_as_many_as_expected() {
        assert_eq!(bytes_of_hex::<2>("0aff"), Ok([10, 255]));
        for wrong in ["0AFF", "0af", "0aff00", "", "0agg", "é"] {
            assert_eq!(bytes_of_hex::<2>(wrong), Err(HexError(4)), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_fitted_text_is_a_text(text in "(?s).{0,300}") {
            let fitted = Text::fitted(&text);
            prop_assert_eq!(Text::new(fitted.as_str()), Ok(fitted.clone()));
            if Text::new(text.as_str()).is_ok() {
                prop_assert_eq!(fitted.as_str(), text);
            }
        }
    }
}
