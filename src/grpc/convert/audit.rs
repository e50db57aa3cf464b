//! Requests about the trail, validated, and what is answered.

use super::super::proto;
use super::super::status::Violation;
use super::requests::unknown_value;
use super::subjects::{moment, name, nik, violation};
use crate::audit::{ChainReport, Event, Finding, Text, Timestamp, WriterId};
use crate::keys::{KeyId, KeyRing};
use crate::store::{StoredEntry, Window};
use crate::subject::SubjectHash;
use crate::trail::{ENTRIES_MAX, Extent, Filter, Page, PageToken, Part, Query, ScopeQuestion};

/// Entries of a page when nothing is said.
const ENTRIES_DEFAULT: u32 = 100;

type Checked<T> = Result<T, Vec<Violation>>;

fn checked<T>(value: T, violations: Vec<Violation>) -> Checked<T> {
    if violations.is_empty() {
        Ok(value)
    } else {
        Err(violations)
    }
}

/// Validates a part of the trail; absent: all of it.
///
/// # Errors
/// Every violation.
pub fn part(part: Option<proto::TrailPart>) -> Checked<Part> {
    let part = part.unwrap_or_default();
    let mut violations = Vec::new();
    let writer = writer(&part.writer, "part.writer", &mut violations);
    let from_us = time(part.from, "part.from", &mut violations);
    let until_us = time(part.until, "part.until", &mut violations);
    let (first, last) = (part.first_sequence, part.last_sequence);
    let is_by_sequence = first > 0 || last > 0;
    let is_by_time = from_us.is_some() || until_us.is_some();
    if is_by_sequence && part.writer.is_empty() {
        violations.push(violation("part.writer", "is required with sequences"));
    }
    if is_by_sequence && is_by_time {
        let why = "sequences and times exclude each other";
        violations.push(violation("part.first_sequence", why));
    }
    if last > 0 && last < first {
        let why = "must not be before part.first_sequence";
        violations.push(violation("part.last_sequence", why));
    }
    let extent = if is_by_time {
        let (from_us, until_us) = (from_us.unwrap_or(0), until_us.unwrap_or(i64::MAX));
        refuse_empty(from_us, until_us, "part.until", &mut violations);
        Extent::Times(from_us, until_us)
    } else if last > 0 {
        Extent::Sequences(first.max(1), last)
    } else {
        Extent::From(first.max(1))
    };
    checked(Part { writer, extent }, violations)
}

/// Validates a question for entries.
///
/// # Errors
/// Every violation.
pub fn query(request: proto::QueryRequest, keys: &KeyRing, now: Timestamp) -> Checked<Query> {
    let mut violations = Vec::new();
    let from_us = time(request.from, "from", &mut violations).unwrap_or(0);
    let until_us = time(request.until, "until", &mut violations);
    // An end in the future would let the last page wait for entries.
    let now_us = now.microseconds().saturating_add(1);
    let until_us = until_us.map_or(now_us, |until_us| until_us.min(now_us));
    let subject = who(request.who, keys, &mut violations);
    let office =
        (!request.office.is_empty()).then(|| name(&request.office, "office", &mut violations));
    let caller = text(request.caller, "caller", &mut violations);
    let request_id = text(request.request_id, "request_id", &mut violations);
    let event = event(request.event, &mut violations);
    if request.page_size > ENTRIES_MAX {
        let why = format!("takes 1 to {ENTRIES_MAX}, or 0 for {ENTRIES_DEFAULT}");
        violations.push(violation("page_size", &why));
    }
    let filter = Filter {
        from_us,
        until_us,
        subject,
        office,
        caller,
        request: request_id,
        event,
    };
    let after = page_token(&request.page_token, &filter, &mut violations);
    let limit = if request.page_size == 0 {
        ENTRIES_DEFAULT
    } else {
        request.page_size
    };
    checked(
        Query {
            filter,
            limit,
            after,
        },
        violations,
    )
}

fn who(
    who: Option<proto::query_request::Who>,
    keys: &KeyRing,
    violations: &mut Vec<Violation>,
) -> Option<SubjectHash> {
    use proto::query_request::Who;
    let (field, found) = match who? {
        Who::SubjectHash(text) => (
            "subject_hash",
            text.parse::<SubjectHash>()
                .map_err(|error| error.to_string()),
        ),
        Who::Subject(subject) => (
            "subject.nik",
            nik(subject)
                .map(|nik| keys.subject_hash(&nik))
                .map_err(|error| error.to_string()),
        ),
    };
    found
        .map_err(|why| violations.push(violation(field, &why)))
        .ok()
}

fn page_token(text: &str, filter: &Filter, violations: &mut Vec<Violation>) -> Option<PageToken> {
    if text.is_empty() {
        return None;
    }
    let token = PageToken::parse(text, filter);
    if token.is_none() {
        let why = "is not the next_page_token of a page of the same question: begin again with an \
            empty one";
        violations.push(violation("page_token", why));
    }
    token
}

/// Validates a question for the subjects of a breach.
///
/// # Errors
/// Every violation.
pub fn scope(request: &proto::BreachScopeRequest) -> Checked<ScopeQuestion> {
    let mut violations = Vec::new();
    let from_us = time(request.from, "from", &mut violations);
    let until_us = time(request.until, "until", &mut violations);
    let writer = writer(&request.writer, "writer", &mut violations);
    let key =
        (!request.master_key_id.is_empty()).then(|| match KeyId::new(&request.master_key_id) {
            Ok(id) => Text::fitted(id.as_str()),
            Err(error) => {
                violations.push(violation("master_key_id", &error.to_string()));
                Text::fitted("")
            }
        });
    let window = match (from_us, until_us) {
        (Some(from_us), Some(until_us)) => {
            refuse_empty(from_us, until_us, "until", &mut violations);
            Some(Window {
                from_us,
                until_us,
                writer,
            })
        }
        (None, None) if key.is_some() && writer.is_none() => None,
        (from_us, _) => {
            let field = if from_us.is_none() { "from" } else { "until" };
            violations.push(violation(field, "is required: a window has two ends"));
            None
        }
    };
    let question = match (window, key) {
        (Some(window), None) => ScopeQuestion::Touched(window),
        (Some(window), Some(key)) => ScopeQuestion::TouchedAndWrappedBy(window, key),
        (None, key) => ScopeQuestion::WrappedBy(key.unwrap_or_else(|| Text::fitted(""))),
    };
    checked(question, violations)
}

fn refuse_empty(from_us: i64, until_us: i64, field: &'static str, violations: &mut Vec<Violation>) {
    if from_us >= until_us {
        violations.push(violation(
            field,
            "must be after the beginning of the window",
        ));
    }
}

/// Microseconds since 1970.
fn time(
    time: Option<prost_types::Timestamp>,
    field: &'static str,
    violations: &mut Vec<Violation>,
) -> Option<i64> {
    let moment = moment(time?);
    let us = moment.and_then(|it| i64::try_from(it.unix_timestamp_nanos() / 1000).ok());
    let us = us.filter(|us| Timestamp::from_microseconds(*us).is_ok());
    if us.is_none() {
        violations.push(violation(field, "is not a time of the years 1970 to 9999"));
    }
    us
}

fn writer(name: &str, field: &'static str, violations: &mut Vec<Violation>) -> Option<WriterId> {
    if name.is_empty() {
        return None;
    }
    let refuse = |error: crate::audit::TextError| {
        violations.push(violation(field, &error.to_string()));
    };
    WriterId::new(name).map_err(refuse).ok()
}

fn text(text: String, field: &'static str, violations: &mut Vec<Violation>) -> Option<Text> {
    if text.is_empty() {
        return None;
    }
    let refuse = |error: crate::audit::TextError| {
        violations.push(violation(field, &error.to_string()));
    };
    Text::new(text).map_err(refuse).ok()
}

fn event(value: i32, violations: &mut Vec<Violation>) -> Option<Event> {
    use proto::AuditEvent;
    Some(match AuditEvent::try_from(value) {
        Ok(AuditEvent::Unspecified) => return None,
        Err(_) => {
            violations.push(unknown_value("event", value));
            return None;
        }
        Ok(AuditEvent::Verification) => Event::Verification,
        Ok(AuditEvent::Review) => Event::Review,
        Ok(AuditEvent::ReferenceChanged) => Event::ReferenceChanged,
        Ok(AuditEvent::KeysChanged) => Event::KeysChanged,
        Ok(AuditEvent::TokenRedeemed) => Event::TokenRedeemed,
        Ok(AuditEvent::ConsentChanged) => Event::ConsentChanged,
        Ok(AuditEvent::SubjectErased) => Event::SubjectErased,
        Ok(AuditEvent::RetentionEnded) => Event::RetentionEnded,
        Ok(AuditEvent::TrailRead) => Event::TrailRead,
        Ok(AuditEvent::CallRefused) => Event::CallRefused,
        Ok(AuditEvent::ServiceChanged) => Event::ServiceChanged,
    })
}

/// What came of checking a chain.
pub fn chain_report(report: &ChainReport) -> proto::ChainReport {
    proto::ChainReport {
        writer: report.writer.to_string(),
        entries: report.entries,
        checkpoints: report.checkpoints,
        intact_to: report.intact_to,
        signed_to: report.signed_to,
        findings: report.findings.iter().map(finding).collect(),
        more_findings: report.more_findings,
    }
}

fn finding(finding: &Finding) -> proto::ChainFinding {
    // The name is the one of the report of `padan audit verify --json`.
    let fault = serde_json::to_value(finding.fault).ok();
    let fault = fault.and_then(|fault| fault.as_str().map(str::to_owned));
    proto::ChainFinding {
        fault: fault.unwrap_or_default(),
        sequence: finding.sequence,
        until_sequence: finding.until,
        unproven_from: finding.unproven_from,
        description: finding.to_string(),
    }
}

/// A page, with the token for whoever asked.
pub fn page(page: Page, filter: &Filter) -> proto::QueryResponse {
    let entry = |stored: StoredEntry| proto::AuditEntry {
        writer: stored.position.writer.to_string(),
        sequence: stored.position.sequence,
        entry: stored.text,
        hash: stored.hash.to_string(),
    };
    let next = page.next.map(|token| token.to_text(filter));
    proto::QueryResponse {
        entries: page.entries.into_iter().map(entry).collect(),
        next_page_token: next.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
