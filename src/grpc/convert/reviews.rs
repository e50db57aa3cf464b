//! Requests to the queue of cases, validated, and its answers.

use time::OffsetDateTime;

use super::super::proto;
use super::super::status::Violation;
use super::requests::{finish, meta, unknown_value};
use super::responses::reasons;
use super::subjects::{name, timestamp, violation};
use crate::access::Caller;
use crate::audit::{Text, Timestamp};
use crate::decision::ReviewVerdict;
use crate::review::{Case, Desk, EvidenceKind, Judgement, Wish};

/// Longest request id, characters.
const REQUEST_ID_CHARS_MAX: usize = 128;

/// A request, or everything that is wrong with it.
type Validated<T> = Result<T, Vec<Violation>>;

/// Validates an `EnqueueRequest`.
///
/// # Errors
/// Every violation, in the order of the fields.
pub fn enqueue(request: proto::EnqueueRequest, caller: Caller) -> Validated<Wish> {
    let mut violations = Vec::new();
    let meta = meta(request.meta, &mut violations);
    let decided = request.decided_request_id;
    if decided.is_empty() {
        violations.push(violation("decided_request_id", "is required"));
    }
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
    if decided.len() > REQUEST_ID_CHARS_MAX || !decided.chars().all(is_allowed) {
        violations.push(violation("decided_request_id", "is not a request id"));
    }
    let office = name(&request.office, "office", &mut violations);
    let operator = &request.operator;
    let operator = (!operator.is_empty()).then(|| name(operator, "operator", &mut violations));
    let (meta, ()) = finish(meta, (), violations)?;
    Ok(Wish {
        caller,
        request_id: Text::fitted(&meta.request_id),
        decided_request: Text::fitted(&decided),
        office,
        operator,
    })
}

/// Validates a `NextRequest`.
///
/// # Errors
/// Every violation, in the order of the fields.
pub fn next(request: &proto::NextRequest, caller: Caller) -> Validated<Desk> {
    let mut violations = Vec::new();
    let office = name(&request.office, "office", &mut violations);
    let reviewer = name(&request.reviewer, "reviewer", &mut violations);
    if !violations.is_empty() {
        return Err(violations);
    }
    Ok(Desk {
        caller,
        office,
        reviewer,
    })
}

/// Validates a `DecideRequest`.
///
/// # Errors
/// Every violation, in the order of the fields.
pub fn decide(request: proto::DecideRequest, caller: Caller) -> Validated<Judgement> {
    let mut violations = Vec::new();
    let meta = meta(request.meta, &mut violations);
    let case = name(&request.review_id, "review_id", &mut violations);
    let office = name(&request.office, "office", &mut violations);
    let reviewer = name(&request.reviewer, "reviewer", &mut violations);
    let verdict = match proto::ReviewVerdict::try_from(request.verdict) {
        Ok(proto::ReviewVerdict::Approved) => ReviewVerdict::Approved,
        Ok(proto::ReviewVerdict::Rejected) => ReviewVerdict::Rejected,
        Ok(proto::ReviewVerdict::Unspecified) | Err(_) => {
            violations.push(unknown_value("verdict", request.verdict));
            ReviewVerdict::Rejected
        }
    };
    let evidence = evidence(&request.evidence, &mut violations);
    let (meta, ()) = finish(meta, (), violations)?;
    Ok(Judgement {
        desk: Desk {
            caller,
            office,
            reviewer,
        },
        request_id: Text::fitted(&meta.request_id),
        case,
        verdict,
        evidence,
    })
}

/// In one order, so that the same request is the same however it lists them.
fn evidence(given: &[i32], violations: &mut Vec<Violation>) -> Vec<EvidenceKind> {
    if given.is_empty() {
        let why = "at least one kind of evidence is required: what did the reviewer look at?";
        violations.push(violation("evidence", why));
    }
    if given.len() > EvidenceKind::ALL.len() {
        violations.push(violation("evidence", "lists each kind once"));
        return Vec::new();
    }
    let mut kinds = Vec::new();
    for &value in given {
        match evidence_kind(value) {
            Some(kind) => kinds.push(kind),
            None => violations.push(unknown_value("evidence", value)),
        }
    }
    kinds.sort_unstable();
    let told = kinds.len();
    kinds.dedup();
    if kinds.len() < told {
        violations.push(violation("evidence", "lists each kind once"));
    }
    kinds
}

fn evidence_kind(value: i32) -> Option<EvidenceKind> {
    Some(match proto::EvidenceKind::try_from(value).ok()? {
        proto::EvidenceKind::Unspecified => return None,
        proto::EvidenceKind::PhysicalCard => EvidenceKind::PhysicalCard,
        proto::EvidenceKind::Chip => EvidenceKind::Chip,
        proto::EvidenceKind::Fingerprint => EvidenceKind::Fingerprint,
        proto::EvidenceKind::BiodataQuestions => EvidenceKind::BiodataQuestions,
        proto::EvidenceKind::FamilyCard => EvidenceKind::FamilyCard,
        proto::EvidenceKind::OtherPortrait => EvidenceKind::OtherPortrait,
    })
}

/// A verdict on the wire; also that of a redeemed token.
#[must_use]
pub const fn verdict(verdict: Option<ReviewVerdict>) -> proto::ReviewVerdict {
    match verdict {
        None => proto::ReviewVerdict::Unspecified,
        Some(ReviewVerdict::Approved) => proto::ReviewVerdict::Approved,
        Some(ReviewVerdict::Rejected) => proto::ReviewVerdict::Rejected,
    }
}

/// A case on the wire.
#[must_use]
pub fn case(case: Case) -> proto::ReviewCase {
    let purpose = proto::Purpose::from_str_name(&format!("PURPOSE_{}", case.purpose));
    proto::ReviewCase {
        id: case.id,
        reasons: reasons(&case.reasons),
        office: case.office,
        created_at: moment(case.created),
        purpose: purpose.unwrap_or_default().into(),
        claimed_until: moment(case.claimed_until),
    }
}

fn moment(time: Timestamp) -> Option<prost_types::Timestamp> {
    let nanoseconds = i128::from(time.microseconds()) * 1000;
    let moment = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds);
    moment.ok().map(timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_evidence_is_on_the_wire_by_its_name() {
        for kind in EvidenceKind::ALL {
            let name = format!("EVIDENCE_KIND_{}", kind.name());
            let wire = proto::EvidenceKind::from_str_name(&name).expect("is on the wire");
            assert_eq!(evidence_kind(wire.into()), Some(kind));
        }
        for verdict in ReviewVerdict::ALL {
            let name = format!("REVIEW_VERDICT_{}", verdict.name());
            let wire = proto::ReviewVerdict::from_str_name(&name).expect("is on the wire");
            assert_eq!(super::verdict(Some(verdict)), wire);
        }
    }
}
