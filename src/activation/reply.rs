//! What is told, and how it is kept for the same request asked again.

use serde::{Deserialize, Serialize};

use crate::audit::Text;
use crate::decision::{Decision, Policy, ReasonCode};
use crate::keys::{self, Binding, KeyRing, NONCE_BYTES, SealError, Sealed, SubjectKey};
use crate::subject::SubjectHash;

/// What is told of a decision. Its `Debug` shows no similarity.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// The decision.
    pub decision: Decision,
    /// Why, worst first.
    pub reasons: Vec<ReasonCode>,
    /// Present exactly when two templates were compared.
    pub similarity: Option<f32>,
    /// Least similarity for a match.
    pub threshold: f32,
    /// The false match rate that the threshold stands for.
    pub fmr: f64,
    /// Least similarity for a review.
    pub review_from: f32,
    /// The policy that decided.
    pub policy_version: String,
    /// The contract that measured.
    pub contract_id: String,
    /// The signed result.
    pub token: Option<String>,
    /// The case for a human.
    pub review_id: Option<String>,
    /// Comparisons left.
    pub attempts_left: Option<u32>,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Reply({}, {:?})", self.decision.name(), self.reasons)
    }
}

impl Reply {
    /// A reply that tells a decision by `policy` and nothing else.
    pub(super) fn new(decision: Decision, reasons: Vec<ReasonCode>, policy: &Policy) -> Self {
        Self {
            decision,
            reasons,
            similarity: None,
            threshold: policy.threshold.value(),
            fmr: policy.fmr,
            review_from: policy.review_from.value(),
            policy_version: policy.version.clone(),
            contract_id: policy.contract_id.to_string(),
            token: None,
            review_id: None,
            attempts_left: None,
        }
    }
}

/// The first byte of a kept reply: under which key it is.
const UNDER_SERVICE: u8 = 0;
/// Erasing the subject makes these unreadable.
const UNDER_SUBJECT: u8 = 1;

/// Of a request without a subject.
const NOBODY: SubjectHash = SubjectHash::from_bytes([0; 32]);

/// A reply that was kept is no reply of ours any more.
const DAMAGED: SealError = SealError::DoesNotOpen;

/// Whether the subject's key is needed to open it.
pub(super) fn is_under_subject(kept: &[u8]) -> bool {
    kept.first() == Some(&UNDER_SUBJECT)
}

/// Seals a reply under the subject's key where there is one, otherwise under the service's.
pub(super) fn seal(
    keys: &KeyRing,
    subject: Option<SubjectHash>,
    key: Option<&SubjectKey>,
    request_id: &Text,
    reply: &Reply,
) -> Result<Vec<u8>, SealError> {
    let (subject, binding) = place(subject, request_id);
    // Texts and numbers under fixed names: always JSON.
    let text = serde_json::to_vec(reply).unwrap_or_default();
    let (label, sealed) = if let Some(key) = key {
        (UNDER_SUBJECT, keys::seal(key, &binding, &text)?)
    } else {
        let key = keys.reply_key(&subject);
        (UNDER_SERVICE, keys::seal(&key, &binding, &text)?)
    };
    let mut kept = vec![label];
    kept.extend(sealed.nonce);
    kept.extend(sealed.ciphertext);
    Ok(kept)
}

/// Opens what [`seal`] sealed.
pub(super) fn open(
    keys: &KeyRing,
    subject: Option<SubjectHash>,
    key: Option<&SubjectKey>,
    request_id: &Text,
    kept: &[u8],
) -> Result<Reply, SealError> {
    let (subject, binding) = place(subject, request_id);
    let rest = kept.get(1..).ok_or(DAMAGED)?;
    let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(DAMAGED)?;
    let sealed = Sealed {
        nonce: *nonce,
        ciphertext: ciphertext.to_vec(),
    };
    let text = match key {
        Some(key) => keys::open(key, &binding, &sealed)?,
        None => keys::open(&keys.reply_key(&subject), &binding, &sealed)?,
    };
    serde_json::from_slice(&text).map_err(|_| DAMAGED)
}

fn place(subject: Option<SubjectHash>, request_id: &Text) -> (SubjectHash, Binding) {
    let subject = subject.unwrap_or(NOBODY);
    (subject, Binding::reply(&subject, request_id.as_str(), 0))
}
