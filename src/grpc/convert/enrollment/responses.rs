//! What enrolment answers, on the wire.

use time::OffsetDateTime;

use super::super::responses::reasons;
use super::super::subjects::timestamp;
use crate::enrolment::{Answer, ImportEvent, Outcome, RekeyProgress, Source, Standing};
use crate::grpc::proto;
use crate::store::Reference;

fn outcome(outcome: Outcome) -> i32 {
    let outcome = match outcome {
        Outcome::Done => proto::EnrollmentOutcome::Done,
        Outcome::Refused => proto::EnrollmentOutcome::Refused,
        Outcome::Unchanged => proto::EnrollmentOutcome::Unchanged,
    };
    outcome.into()
}

/// The response to a put.
#[must_use]
pub fn put_response(request_id: String, answer: Answer) -> proto::PutResponse {
    proto::PutResponse {
        request_id,
        outcome: outcome(answer.outcome),
        reasons: reasons(&answer.reasons),
        reference_version: answer.version.unwrap_or_default(),
        model_contract_id: answer.contract_id.unwrap_or_default(),
        nik_warnings: answer.warnings,
    }
}

/// What the other changes answer: outcome and reasons.
#[must_use]
pub fn change(answer: &Answer) -> (i32, Vec<proto::Reason>) {
    (outcome(answer.outcome), reasons(&answer.reasons))
}

/// The response that says how a subject stands.
#[must_use]
pub fn status_response(
    request_id: String,
    standing: Standing,
    reference: Option<&Reference>,
) -> proto::GetStatusResponse {
    let status = match standing {
        Standing::Ready => proto::ReferenceStatus::Ready,
        Standing::None => proto::ReferenceStatus::None,
        Standing::NotSynced => proto::ReferenceStatus::NotSynced,
        Standing::OtherContract => proto::ReferenceStatus::OtherContract,
        Standing::Blocked => proto::ReferenceStatus::Blocked,
        Standing::NikMalformed => proto::ReferenceStatus::NikMalformed,
    };
    let stored_at = reference.and_then(|reference| {
        let nanoseconds = i128::from(reference.created_us) * 1000;
        OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok()
    });
    let source = reference.and_then(|reference| {
        let mut sources = Source::ALL.into_iter();
        sources.find(|source| source.name() == reference.source)
    });
    let source = match source {
        Some(Source::Registry) => proto::ReferenceSource::Registry,
        Some(Source::CardChip) => proto::ReferenceSource::CardChip,
        None => proto::ReferenceSource::Unspecified,
    };
    proto::GetStatusResponse {
        request_id,
        status: status.into(),
        reference_version: reference.map_or(0, |it| it.row_version),
        model_contract_id: reference.map_or_else(String::new, |it| it.contract_id.clone()),
        source: source.into(),
        captured_on: reference
            .and_then(|it| it.captured_on.clone())
            .unwrap_or_default(),
        stored_at: stored_at.map(timestamp),
    }
}

/// How far a rotation is.
#[must_use]
pub fn rekey_response(request_id: &str, progress: RekeyProgress) -> proto::RekeyResponse {
    proto::RekeyResponse {
        request_id: request_id.to_owned(),
        subjects: progress.subjects,
        steps: progress.steps,
        finished: progress.is_finished,
    }
}

/// What is told during an import.
#[must_use]
pub fn import_response(request_id: &str, event: ImportEvent) -> proto::ImportResponse {
    use proto::import_response::Message;
    let message = match event {
        ImportEvent::Started { done_to } => Message::Started(proto::ImportStarted {
            request_id: request_id.to_owned(),
            done_to,
        }),
        ImportEvent::Row { number, answer } => Message::Result(proto::ImportResult {
            row: number,
            outcome: outcome(answer.outcome),
            reasons: reasons(&answer.reasons),
            problem: answer.problem.unwrap_or_default(),
        }),
        ImportEvent::Progress(progress) => Message::Progress(proto::ImportProgress {
            done_to: progress.done_to,
            stored: progress.stored,
            refused: progress.refused,
        }),
    };
    proto::ImportResponse {
        message: Some(message),
    }
}
