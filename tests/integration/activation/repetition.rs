//! The same request again gives the same answer and leaves nothing more.

use padan::audit::Event;
use padan::grpc::proto;
use padan::records::Records;
use padan::store::{
    CommitOutcome, DecisionRecord, DeleteReferences, Erase, Opened, PutReference, Reference,
    RequestKey, Subject,
};
use padan::subject::SubjectHash;
use tonic::Code;

use super::Office;
use crate::enrolled::{MAN, STRANGER, WOMAN, activation_request, subject_of};
use crate::store::{Home, on_both};

on_both!(
    duty_9_the_same_request_gets_the_same_answer_and_leaves_one_entry,
    the_same_request_sent_at_once_from_many_is_one_decision,
    duty_9_another_body_under_a_used_id_is_refused,
    an_answer_goes_with_the_subjects_key,
    a_decision_that_an_erasure_overtook_is_not_committed,
    a_decision_of_a_reference_that_was_replaced_or_removed_is_not_committed,
);

/// What must be the same: all but what was seen on the way.
pub fn told(mut response: proto::VerifyResponse) -> proto::VerifyResponse {
    (response.probe, response.times) = (None, None);
    response
}

async fn duty_9_the_same_request_gets_the_same_answer_and_leaves_one_entry(home: &Home) {
    let office = Office::open(home).await;
    for (id, nik) in [("match", WOMAN), ("unknown", STRANGER), ("nobody", "12")] {
        let request = activation_request(id, nik, "person_a_2.jpg");
        let first = told(office.verify(request.clone()).await);
        let entries = office.entries(Event::Verification).await.len();
        let mut urgent = request;
        urgent.meta.as_mut().expect("is there").deadline_class = 1;
        let second = told(office.verify(urgent).await);
        assert_eq!(first, second, "{id}");
        assert_eq!(office.entries(Event::Verification).await.len(), entries);
    }
}

async fn the_same_request_sent_at_once_from_many_is_one_decision(home: &Home) {
    let office = Office::open(home).await;
    let request = activation_request("once", WOMAN, "person_a_2.jpg");
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (mut client, request) = (office.server.client().await, request.clone());
        asked.spawn(async move {
            client
                .verify(request)
                .await
                .expect("a decision")
                .into_inner()
        });
    }
    let answers: Vec<_> = asked.join_all().await.into_iter().map(told).collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(office.entries(Event::Verification).await.len(), 1);
    let next = office.verify(activation_request("next", WOMAN, "person_a_2.jpg"));
    assert_eq!(
        next.await.attempts_left,
        Some(2),
        "another session: its own three"
    );
}

async fn duty_9_another_body_under_a_used_id_is_refused(home: &Home) {
    let office = Office::open(home).await;
    office
        .verify(activation_request("id", WOMAN, "person_a_2.jpg"))
        .await;
    let changed: [&dyn Fn(&mut proto::VerifyRequest); 4] = [
        &|request| {
            request.reference = Some(proto::verify_request::Reference::Subject(proto::Subject {
                nik: MAN.to_owned(),
            }));
        },
        &|request| {
            let image = crate::support::portrait("person_a_1.jpg");
            request.probe = Some(crate::support::sample(image));
        },
        &|request| "other".clone_into(&mut request.context.as_mut().expect("is there").device),
        &|request| request.consent = None,
    ];
    for change in changed {
        let mut request = activation_request("id", WOMAN, "person_a_2.jpg");
        change(&mut request);
        let refused = office
            .server
            .verify(request)
            .await
            .expect_err("another body");
        assert_eq!(refused.code(), Code::AlreadyExists, "{refused}");
    }
}

async fn an_answer_goes_with_the_subjects_key(home: &Home) {
    let office = Office::open(home).await;
    let request = activation_request("id", WOMAN, "person_a_2.jpg");
    office.verify(request.clone()).await;
    let erase = Erase {
        subject: subject_of(&office.records, WOMAN),
        at_us: 2,
        entry: office.records.own_entry(Event::SubjectErased),
    };
    office.records.store().erase(erase).await.expect("erased");
    let refused = office.server.verify(request).await.expect_err("gone");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
}

/// A subject and its only reference.
async fn enrolled(records: &Records, whom: SubjectHash) -> (Subject, Reference) {
    let row = records.store().subject(whom, "").await.expect("readable");
    let references = records.store().references(whom).await.expect("readable");
    let [reference] = references.try_into().expect("one");
    (row.expect("is there").0, reference)
}

/// Commits a decision of what was opened.
async fn commit(
    records: &Records,
    whom: SubjectHash,
    id: &str,
    keyed_us: i64,
    reference: &Reference,
) -> CommitOutcome {
    let decision = DecisionRecord {
        opened: Some(Opened {
            keyed_us,
            contract_id: reference.contract_id.clone(),
            row_version: reference.row_version,
        }),
        ..crate::store::decision(id, whom)
    };
    let committed = records.store().commit(decision).await;
    committed.expect("the database answers")
}

async fn a_decision_of_a_reference_that_was_replaced_or_removed_is_not_committed(home: &Home) {
    let office = Office::open(home).await;
    let (records, whom) = (&office.records, subject_of(&office.records, WOMAN));
    let (row, before) = enrolled(records, whom).await;
    let commit = async |id: &str, reference: &Reference| {
        commit(records, whom, id, row.keyed_us, reference).await
    };
    let in_time = commit("in-time", &before).await;
    assert!(matches!(in_time, CommitOutcome::Committed(_)));
    let of_other_contract = Reference {
        contract_id: "another:1".to_owned(),
        ..before.clone()
    };
    let unknown = commit("other-contract", &of_other_contract).await;
    assert_eq!(unknown, CommitOutcome::Stale);
    let put = PutReference {
        subject: whom,
        expected_version: row.version,
        new_key: None,
        reference: Reference {
            row_version: row.version + 1,
            ..before.clone()
        },
        portrait: None,
        claim: None,
        entry: records.own_entry(Event::ReferenceChanged),
    };
    records.store().put_reference(put).await.expect("is stored");
    let (_, after) = enrolled(records, whom).await;
    assert_eq!(after.row_version, row.version + 1);
    assert_eq!(commit("replaced", &before).await, CommitOutcome::Stale);
    let again = commit("replaced", &after).await;
    assert!(matches!(again, CommitOutcome::Committed(_)));
    let delete = DeleteReferences {
        subject: whom,
        contract_id: None,
        claim: None,
        entry: records.own_entry(Event::ReferenceChanged),
    };
    let deleted = records.store().delete_references(delete).await;
    deleted.expect("is removed");
    assert_eq!(commit("removed", &after).await, CommitOutcome::Stale);
}

async fn a_decision_that_an_erasure_overtook_is_not_committed(home: &Home) {
    let office = Office::open(home).await;
    let (records, whom) = (&office.records, subject_of(&office.records, WOMAN));
    let (row, reference) = enrolled(records, whom).await;
    let commit = async |id: &str, keyed_us| commit(records, whom, id, keyed_us, &reference).await;
    let other = commit("other-key", row.keyed_us + 1).await;
    assert_eq!(
        other,
        CommitOutcome::Stale,
        "enrolled anew since it was read"
    );
    let now = commit("in-time", row.keyed_us).await;
    assert!(matches!(now, CommitOutcome::Committed(_)));
    let erase = Erase {
        subject: whom,
        // The clock of this replica is behind that of the one that enrolled.
        at_us: row.keyed_us - 1,
        entry: records.own_entry(Event::SubjectErased),
    };
    let erased = records.store().erase(erase).await.expect("erased");
    assert!(erased.had_key && erased.references == 1);
    assert_eq!(commit("late", row.keyed_us).await, CommitOutcome::Stale);
    // Nothing was written under its id: it can be decided anew.
    let key = RequestKey {
        caller: "backend".to_owned(),
        id: "late".to_owned(),
    };
    assert_eq!(records.store().stored(&key, &[1; 32]).await, Ok(None));
}
