//! Requests about models, validated, and what is told of models and shadows.

use std::sync::Arc;
use std::time::SystemTime;

use time::OffsetDateTime;

use super::super::proto;
use super::super::status::Violation;
use super::responses::{model_info, policy_info, saturate};
use super::subjects::violation;
use crate::serving::{Lineup, Pace, Serving, ShadowReport};

/// A request, or everything that is wrong with it.
type Validated<T> = Result<T, Vec<Violation>>;

/// Longest id or contract id, bytes.
const NAME_BYTES_MAX: usize = 256;

/// Validates the id of a model.
///
/// # Errors
/// The violation.
pub fn id(id: String) -> Validated<String> {
    let mut violations = Vec::new();
    check_name(&id, "id", &mut violations);
    done(id, violations)
}

/// Validates a `StartShadowRequest`: which model, and which comparisons.
///
/// # Errors
/// Every violation, in the order of the fields.
pub fn shadow(request: proto::StartShadowRequest) -> Validated<(String, Pace)> {
    let mut violations = Vec::new();
    check_name(&request.id, "id", &mut violations);
    let pace = Pace::new(request.share, request.seed);
    if pace.is_none() {
        violations.push(violation("share", "takes a number above 0, and at most 1"));
    }
    match pace {
        Some(pace) if violations.is_empty() => Ok((request.id, pace)),
        _ => Err(violations),
    }
}

/// Validates an `ActivateRequest`: which model, and the contract that it must have.
///
/// # Errors
/// Every violation, in the order of the fields.
pub fn activate(request: proto::ActivateRequest) -> Validated<(String, String)> {
    let mut violations = Vec::new();
    check_name(&request.id, "id", &mut violations);
    let contract = &request.model_contract_id;
    check_name(contract, "model_contract_id", &mut violations);
    done((request.id, request.model_contract_id), violations)
}

/// The contract that shall stop serving, where it was named.
pub fn rollback(request: proto::RollbackRequest) -> Validated<Option<String>> {
    let mut violations = Vec::new();
    let contract = Some(request.model_contract_id).filter(|contract| !contract.is_empty());
    if let Some(contract) = &contract {
        check_name(contract, "model_contract_id", &mut violations);
    }
    done(contract, violations)
}

fn check_name(name: &str, field: &'static str, violations: &mut Vec<Violation>) {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
    if name.is_empty() {
        violations.push(violation(field, "is required"));
    } else if name.len() > NAME_BYTES_MAX || !name.chars().all(is_allowed) {
        let why = format!("takes at most {NAME_BYTES_MAX} characters out of A-Z a-z 0-9 . _ : -");
        violations.push(violation(field, &why));
    }
}

fn done<T>(request: T, violations: Vec<Violation>) -> Validated<T> {
    if violations.is_empty() {
        Ok(request)
    } else {
        Err(violations)
    }
}

/// A model as it stands in a lineup.
#[must_use]
pub fn loaded(lineup: &Lineup, model: &Serving) -> proto::LoadedModel {
    let is = |other: &Arc<Serving>| std::ptr::eq(Arc::as_ptr(other), model);
    proto::LoadedModel {
        embedder: Some(model_info(model.embedder())),
        detector: Some(model_info(model.detector())),
        policies: model.policies().iter().map(policy_info).collect(),
        loaded_at: Some(timestamp(model.loaded_at())),
        lanes_alive: saturate(model.engine().lanes_alive()),
        queue_length: saturate(model.engine().queue_length()),
        verifications: model.verifications(),
        active: is(lineup.active()),
        previous: lineup.previous().is_some_and(is),
        shadow: lineup.is_shadow(model),
    }
}

/// What a shadow counted.
#[must_use]
pub fn report(report: &ShadowReport) -> proto::ShadowReport {
    let (tally, counts) = (&report.tally, &report.counts);
    proto::ShadowReport {
        candidate_id: tally.candidate_id.clone(),
        candidate_contract_id: tally.candidate.to_string(),
        active_contract_id: tally.active.to_string(),
        share: tally.pace.share(),
        seed: tally.pace.seed(),
        started_at: Some(timestamp(tally.started_at)),
        running: report.is_running,
        taken: counts.taken,
        scored: counts.scored,
        compared: counts.compared,
        disagreements: counts.disagreements,
        matches_lost: counts.matches_lost,
        matches_won: counts.matches_won,
        dropped: counts.dropped,
        not_comparable: counts.not_comparable,
        failed: counts.failed,
        active_histogram: counts.active.counts().to_vec(),
        candidate_histogram: counts.candidate.counts().to_vec(),
    }
}

fn timestamp(moment: OffsetDateTime) -> prost_types::Timestamp {
    SystemTime::from(moment).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields<T>(validated: Validated<T>) -> Vec<&'static str> {
        let violations = validated.err().unwrap_or_default();
        violations.iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn every_bad_field_is_named() {
        for bad in ["", "../models/x", "a b", "x".repeat(257).as_str()] {
            assert_eq!(fields(id(bad.to_owned())), ["id"], "{bad}");
        }
        let shadowed = proto::StartShadowRequest {
            share: f64::NAN,
            ..Default::default()
        };
        assert_eq!(fields(shadow(shadowed)), ["id", "share"]);
        let activated = proto::ActivateRequest::default();
        assert_eq!(fields(activate(activated)), ["id", "model_contract_id"]);
        assert_eq!(
            id("sface_2021dec".to_owned()).expect("good"),
            "sface_2021dec"
        );
    }
}
