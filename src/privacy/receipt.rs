//! Receipts: what was done with somebody's data, signed, so that the person can show it and
//! everybody with the public audit key can check it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::audit::{Text, Timestamp};
use crate::digest::{self, bytes_of_hex, length_prefixed};
use crate::keys::{PublicKey, SigningKey};
use crate::subject::SubjectHash;

/// What is signed are two parts, each behind its length in 64 bits: this, and the text.
const LABEL: &str = "padan receipt v1";

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Done {
    /// Consents were withdrawn.
    ConsentWithdrawn,
    /// The subject's key was destroyed, and its references were deleted.
    SubjectErased,
    /// What is kept of the subject was written out.
    SubjectExported,
}

/// What was done with a subject's data. Its fields are in the order of their keys, which is that
/// of the canonical text; what is absent is left out there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The consent, when one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Text>,
    /// How many of what.
    pub counts: BTreeMap<Text, u64>,
    /// What was done.
    pub done: Done,
    /// The key that signed.
    pub key: PublicKey,
    /// SHA-256 of an export's lines before this one, each with its newline; 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines_sha256: Option<Text>,
    /// The caller's id of the request.
    pub request: Text,
    /// Whose data.
    pub subject: SubjectHash,
    /// When.
    pub time: Timestamp,
}

/// A receipt as it is handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedReceipt {
    /// The canonical text: JSON, keys sorted, nothing between the tokens.
    pub text: String,
    /// Ed25519, by the audit key; 128 hexadecimal digits.
    pub signature: String,
}

/// Why a receipt is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Not signed by this key, or changed since.
    #[error("the receipt was altered, or is of another service or key")]
    Altered,
    /// Signed, but not in the one spelling of a receipt that this padan knows.
    #[error("this is no receipt that this padan knows: check it with the padan that wrote it")]
    Unknown,
}

impl Receipt {
    /// Signs it with the key that it names.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> SignedReceipt {
        // Texts and numbers under fixed names: always JSON.
        let text = serde_json::to_string(self).unwrap_or_default();
        let signature = digest::hex(&key.sign(&message(&text)));
        SignedReceipt { text, signature }
    }
}

impl SignedReceipt {
    /// Checks it with the audit key's public half, got another way than with the receipt.
    ///
    /// # Errors
    /// When the key did not sign this text, or the text is no receipt.
    pub fn verify(&self, key: &PublicKey) -> Result<Receipt, ReceiptError> {
        let signature = bytes_of_hex(&self.signature).map_err(|_| ReceiptError::Altered)?;
        if !key.has_signed(&message(&self.text), &signature) {
            return Err(ReceiptError::Altered);
        }
        let receipt: Receipt =
            serde_json::from_str(&self.text).map_err(|_| ReceiptError::Unknown)?;
        let is_canonical = serde_json::to_string(&receipt).is_ok_and(|text| text == self.text);
        if is_canonical && receipt.key == *key {
            Ok(receipt)
        } else {
            Err(ReceiptError::Unknown)
        }
    }

    /// The line that ends an export, without its newline.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { text, signature } = self;
        format!(r#"{{"receipt":{text},"signature":"{signature}"}}"#)
    }

    /// The receipt of such a line; none when it is not one.
    #[must_use]
    pub fn of_line(line: &str) -> Option<Self> {
        let body = line.strip_prefix(r#"{"receipt":"#)?.strip_suffix(r#""}"#)?;
        let (text, signature) = body.rsplit_once(r#","signature":""#)?;
        Some(Self {
            text: text.to_owned(),
            signature: signature.to_owned(),
        })
    }
}

fn message(text: &str) -> Vec<u8> {
    length_prefixed(&[LABEL.as_bytes(), text.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeyKind;

    fn receipt(key: &SigningKey) -> Receipt {
        Receipt {
            consent: Some(Text::fitted("c-1")),
            counts: BTreeMap::from([(Text::fitted("consents"), 1)]),
            done: Done::ConsentWithdrawn,
            key: key.public(),
            lines_sha256: None,
            request: Text::fitted("r-1"),
            subject: SubjectHash::from_bytes([7; 32]),
            time: Timestamp::from_microseconds(1_795_305_600_000_000).expect("a time"),
        }
    }

    #[test]
    fn a_receipt_is_checked_and_has_its_documented_text() {
        let key = SigningKey::random(KeyKind::Audit).expect("random bytes");
        let signed = receipt(&key).sign(&key);
        assert_eq!(signed.verify(&key.public()), Ok(receipt(&key)));
        let expected = format!(
            r#"{{"consent":"c-1","counts":{{"consents":1}},"done":"CONSENT_WITHDRAWN","key":"{}","request":"r-1","subject":"{}","time":"2026-11-22T00:00:00.000000Z"}}"#,
            key.public(),
            "07".repeat(32),
        );
        assert_eq!(signed.text, expected);
        assert_eq!(SignedReceipt::of_line(&signed.line()), Some(signed));
    }

    #[test]
    fn a_changed_receipt_is_refused_wherever_it_was_changed() {
        let key = SigningKey::random(KeyKind::Audit).expect("random bytes");
        let other = SigningKey::random(KeyKind::Audit).expect("random bytes");
        let signed = receipt(&key).sign(&key);
        for at in 0..signed.text.len() {
            let mut bytes = signed.text.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(text) = String::from_utf8(bytes) else {
                continue;
            };
            let changed = SignedReceipt {
                text,
                ..signed.clone()
            };
            assert_eq!(changed.verify(&key.public()), Err(ReceiptError::Altered));
        }
        assert_eq!(signed.verify(&other.public()), Err(ReceiptError::Altered));
        // Signed, but it names another key than the one that signed.
        let foreign = receipt(&key).sign(&other);
        assert_eq!(foreign.verify(&other.public()), Err(ReceiptError::Unknown));
        // What the key signs elsewhere is no receipt.
        let text = signed.text.clone();
        let signature = digest::hex(&key.sign(text.as_bytes()));
        let bare = SignedReceipt { text, signature };
        assert_eq!(bare.verify(&key.public()), Err(ReceiptError::Altered));
    }
}
