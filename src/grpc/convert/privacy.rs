//! Requests about the rights of a person, validated, and their answers.

use super::super::proto;
use super::super::status::Violation;
use super::requests::{finish, meta};
use super::subjects::{name, nik, violation};
use crate::access::Caller;
use crate::audit::Text;
use crate::keys::KeyRing;
use crate::privacy::{Asked, ErasedSubject, SignedReceipt, Withdrawn};
use crate::subject::SubjectHash;

/// A request, or everything that is wrong with it.
type Validated<T> = Result<T, Vec<Violation>>;

/// Validates a `WithdrawConsentRequest`: whom it is about, and the one consent if any.
///
/// # Errors
/// Every violation, in the order of the fields.
pub fn withdraw(
    request: proto::WithdrawConsentRequest,
    caller: Caller,
    keys: &KeyRing,
) -> Validated<(Asked, Option<Text>)> {
    let mut violations = Vec::new();
    let meta = meta(request.meta, &mut violations);
    let subject = subject(request.subject, keys, &mut violations);
    let id = &request.consent_id;
    let consent = (!id.is_empty()).then(|| name(id, "consent_id", &mut violations));
    let (meta, (subject, consent)) = finish(meta, (subject, consent), violations)?;
    Ok((asked(caller, &meta.request_id, subject), consent))
}

/// Validates an `EraseRequest`.
///
/// # Errors
/// Every violation, in the order of the fields.
pub fn erase(request: proto::EraseRequest, caller: Caller, keys: &KeyRing) -> Validated<Asked> {
    about(request.meta, request.subject, caller, keys)
}

/// Validates an `ExportSubjectRequest`.
///
/// # Errors
/// Every violation, in the order of the fields.
pub fn export(
    request: proto::ExportSubjectRequest,
    caller: Caller,
    keys: &KeyRing,
) -> Validated<Asked> {
    about(request.meta, request.subject, caller, keys)
}

fn about(
    given: Option<proto::RequestMeta>,
    whom: Option<proto::Subject>,
    caller: Caller,
    keys: &KeyRing,
) -> Validated<Asked> {
    let mut violations = Vec::new();
    let meta = meta(given, &mut violations);
    let subject = subject(whom, keys, &mut violations);
    let (meta, subject) = finish(meta, subject, violations)?;
    Ok(asked(caller, &meta.request_id, subject))
}

fn asked(caller: Caller, request_id: &str, subject: SubjectHash) -> Asked {
    Asked {
        caller,
        request_id: Text::fitted(request_id),
        subject,
    }
}

/// The keyed hash of a subject; of nobody when that is a violation.
fn subject(
    given: Option<proto::Subject>,
    keys: &KeyRing,
    violations: &mut Vec<Violation>,
) -> SubjectHash {
    const NOBODY: SubjectHash = SubjectHash::from_bytes([0; 32]);
    let Some(given) = given else {
        violations.push(violation("subject", "is required"));
        return NOBODY;
    };
    match nik(given) {
        Ok(nik) => keys.subject_hash(&nik),
        Err(error) => {
            violations.push(violation("subject.nik", &error.to_string()));
            NOBODY
        }
    }
}

/// The response to a withdrawal.
#[must_use]
pub fn withdrawn(request_id: String, withdrawn: Withdrawn) -> proto::WithdrawConsentResponse {
    proto::WithdrawConsentResponse {
        request_id,
        consents_ended: withdrawn.consents,
        receipt: Some(receipt(withdrawn.receipt)),
    }
}

/// The response to an erasure.
#[must_use]
pub fn erased(request_id: String, erased: ErasedSubject) -> proto::EraseResponse {
    proto::EraseResponse {
        request_id,
        had_key: erased.had_key,
        references_deleted: erased.references,
        receipt: Some(receipt(erased.receipt)),
    }
}

fn receipt(signed: SignedReceipt) -> proto::Receipt {
    proto::Receipt {
        text: signed.text,
        signature: signed.signature,
    }
}
