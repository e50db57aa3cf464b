//! Records with people in them, callers, and calls of services without a server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use padan::access::{Caller, Role};
use padan::audit::{Entry, Event, Text, Timestamp};
use padan::embed::{ContractId, Embedding, Template};
use padan::grpc::proto;
use padan::keys::KeyRing;
use padan::records::Records;
use padan::store::{
    CommitOutcome, Consent, DecisionRecord, Effects, EntryQuery, NewReview, RequestKey, Selection,
    SqlStore,
};
use padan::subject::{Nik, SubjectHash};
use time::OffsetDateTime;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::enrolled;
use crate::store::{Home, name};
use crate::support::TestFolder;

/// Two people who do not exist.
pub const NIKS: [&str; 2] = ["3174096112909999", "3174091708459998"];

/// The contract of the references that [`enrol`] makes.
pub const CONTRACT: &str = "contract";

pub fn fresh_keys() -> Arc<KeyRing> {
    Arc::new(KeyRing::ephemeral(OffsetDateTime::now_utc()).expect("random bytes"))
}

/// Records of `keys` in the database of `home`, as the process `writer` has them.
pub async fn records(home: &Home, writer: &str, keys: &Arc<KeyRing>) -> Arc<Records> {
    let store: Arc<SqlStore> = Arc::new(home.open(writer).await);
    let records = Records::open(store, Arc::clone(keys), name(writer)).await;
    Arc::new(records.expect("the keys belong to it"))
}

pub fn caller(certificate: &str, role: Role, office: Option<&str>) -> Caller {
    Caller {
        name: Text::fitted(certificate),
        role,
        office: office.map(Text::fitted),
        is_certified: true,
    }
}

/// A request as the door hands it on.
pub fn from<T>(caller: &Caller, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(caller.clone());
    request
}

pub fn meta(id: &str) -> proto::RequestMeta {
    proto::RequestMeta {
        request_id: id.to_owned(),
        ..Default::default()
    }
}

pub fn subject(nik: &str) -> proto::Subject {
    proto::Subject {
        nik: nik.to_owned(),
    }
}

/// Code and reason of a refusal.
pub fn refusal<T>(answer: Result<T, Status>) -> (Code, String) {
    let status = answer.err().expect("is refused");
    let details = status.get_error_details();
    let info = details.error_info().expect("has a reason");
    (status.code(), info.reason.clone())
}

pub fn hash(records: &Records, nik: &str) -> SubjectHash {
    records
        .keys()
        .subject_hash(&Nik::parse(nik).expect("a NIK"))
}

pub fn now_us() -> i64 {
    Timestamp::now().microseconds()
}

/// Stores a made-up reference under a new key. `version` is the subject's as it is.
pub async fn enrol(records: &Records, whom: SubjectHash, version: u64) {
    let embedding = Embedding::from_output(&[1.0; 128]).expect("a direction");
    let template = Template {
        contract_id: ContractId::new(CONTRACT),
        embedding,
    };
    enrolled::put(records, whom, version, now_us(), &template).await;
}

fn about(mut entry: Entry, whom: SubjectHash) -> Entry {
    entry.subject = Some(whom);
    entry
}

/// A decision of an office, made at its counter by the officer `clerk`.
pub struct Made<'a> {
    pub caller: &'a Caller,
    pub request: &'a str,
    pub office: &'a str,
    pub whom: SubjectHash,
    pub decision: &'a str,
}

/// Commits a decision with its entry, its consent, and its case when it is one for a human.
pub async fn decide(records: &Records, made: &Made<'_>) {
    let mut entry = about(records.entry(Event::Verification, made.caller), made.whom);
    entry.decision = Some(Text::fitted(made.decision));
    entry.office = Some(Text::fitted(made.office));
    entry.operator = Some(Text::fitted("clerk"));
    entry.device = Some(Text::fitted("laptop-1"));
    entry.purpose = Some(Text::fitted("ACTIVATION"));
    entry.request = Some(Text::fitted(made.request));
    let reason = match made.decision {
        "NO_MATCH" => "FACE_MISMATCH",
        _ => "BORDERLINE",
    };
    if made.decision != "MATCH" {
        entry.reasons = vec![Text::fitted(reason)];
    }
    let review = (made.decision == "MANUAL_REVIEW").then(|| NewReview {
        id: format!("case-{}", made.request),
        subject: made.whom,
        office: made.office.to_owned(),
        captured_by: "clerk".to_owned(),
        purpose: "ACTIVATION".to_owned(),
        device: "laptop-1".to_owned(),
        reasons: reason.to_owned(),
        evidence: None,
        created_us: now_us(),
    });
    let record = DecisionRecord {
        opened: None,
        request: RequestKey {
            caller: made.caller.name.to_string(),
            id: made.request.to_owned(),
        },
        body_digest: [1; 32],
        at_us: now_us(),
        attempt: None,
        consent: Some(Consent {
            id: format!("consent-{}", made.request),
            subject: made.whom,
            purpose: "ACTIVATION".to_owned(),
            legal_basis: "CONSENT".to_owned(),
            notice_version: "2026-1".to_owned(),
            channel: "COUNTER".to_owned(),
            office: made.office.to_owned(),
            operator: "clerk".to_owned(),
            granted_us: now_us() - 1000,
            withdrawn_us: None,
        }),
        effects: Effects {
            entry,
            reply: b"reply".to_vec(),
            review,
        },
    };
    let outcome = records.store().commit(record).await.expect("commits");
    assert!(matches!(outcome, CommitOutcome::Committed(_)));
}

/// The entries of an event, oldest first, of all writers.
pub async fn entries(records: &Records, event: Event) -> Vec<Entry> {
    let query = EntryQuery {
        selection: Selection::All,
        from_us: 0,
        until_us: i64::MAX,
        after: None,
        limit: 10_000,
    };
    let found = records.store().entries(&query).await.expect("readable");
    let entries = found
        .iter()
        .map(|it| Entry::parse(&it.text).expect("canonical"));
    entries.filter(|entry| entry.event == event).collect()
}

/// A folder of a test's own.
pub fn folder() -> TestFolder {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    TestFolder::new(&format!("people-{}", COUNT.fetch_add(1, Ordering::Relaxed)))
}
