//! The rights of the people whose faces are compared, on both databases.

mod backups;

use std::sync::Arc;
use std::time::Duration;

use padan::access::{Caller, Role};
use padan::audit::{Entry, Event, Text};
use padan::embed::ContractId;
use padan::grpc::proto::privacy_server::Privacy as _;
use padan::grpc::{PrivacyService, proto};
use padan::keys::KeyRing;
use padan::privacy::{self, Done, Privacy, Receipt, Replayed, SignedReceipt};
use padan::records::{Enrolled, Records};
use padan::subject::SubjectHash;
use padan::trail::{ERASURES_FILE, Journal};
use tokio_stream::StreamExt as _;
use tonic::{Code, Status};

use crate::people::{
    CONTRACT, Made, NIKS, caller, decide, enrol, entries, folder, fresh_keys, from, hash, meta,
    records, refusal, subject,
};
use crate::store::{Home, on_both};
use crate::support::TestFolder;
use crate::support::records::enrolled;

on_both!(
    a_withdrawn_consent_holds_no_more,
    who_is_erased_is_gone_and_twice_is_once,
    an_erasure_that_nobody_waits_for_is_noted_all_the_same,
    duty_8_an_export_holds_one_subject_and_nobody_else,
    a_wrong_number_is_refused_and_not_repeated,
);

/// Records with a service in front, and a journal beside the database.
struct Bureau {
    records: Arc<Records>,
    service: PrivacyService,
    journal: Arc<Journal>,
    /// Goes with the test.
    folder: TestFolder,
}

async fn bureau(home: &Home) -> Bureau {
    bureau_with(home, &fresh_keys(), folder()).await
}

async fn bureau_with(home: &Home, keys: &Arc<KeyRing>, folder: TestFolder) -> Bureau {
    let records = records(home, "a", keys).await;
    let journal = Arc::new(Journal::open(folder.path().join("journal")).expect("a folder"));
    let privacy = Privacy::new(Arc::clone(&records), Arc::clone(&journal));
    Bureau {
        records,
        service: PrivacyService { privacy },
        journal,
        folder,
    }
}

fn officer() -> Caller {
    caller("privacy", Role::PrivacyOfficer, None)
}

fn signed(receipt: Option<proto::Receipt>) -> SignedReceipt {
    let proto::Receipt { text, signature } = receipt.expect("is there");
    SignedReceipt { text, signature }
}

impl Bureau {
    fn hash(&self, person: usize) -> SubjectHash {
        hash(&self.records, NIKS[person])
    }

    async fn decide(&self, request: &str, person: usize, decision: &str) {
        let made = Made {
            caller: &caller("counter", Role::Operator, None),
            request,
            office: "3174",
            whom: self.hash(person),
            decision,
        };
        decide(&self.records, &made).await;
    }

    async fn enrolled(&self, person: usize) -> Enrolled {
        let contract = ContractId::new(CONTRACT);
        let found = enrolled(&self.records, self.hash(person), &contract).await;
        found.expect("readable")
    }

    async fn withdraw(
        &self,
        id: &str,
        person: usize,
        consent: &str,
    ) -> Result<proto::WithdrawConsentResponse, Status> {
        let message = proto::WithdrawConsentRequest {
            meta: Some(meta(id)),
            subject: Some(subject(NIKS[person])),
            consent_id: consent.to_owned(),
        };
        let answer = self
            .service
            .withdraw_consent(from(&officer(), message))
            .await?;
        Ok(answer.into_inner())
    }

    async fn erase(&self, id: &str, person: usize) -> Result<proto::EraseResponse, Status> {
        let message = proto::EraseRequest {
            meta: Some(meta(id)),
            subject: Some(subject(NIKS[person])),
        };
        let answer = self.service.erase(from(&officer(), message)).await?;
        Ok(answer.into_inner())
    }

    async fn export(&self, person: usize) -> Vec<String> {
        let message = proto::ExportSubjectRequest {
            meta: Some(meta("export")),
            subject: Some(subject(NIKS[person])),
        };
        let answer = self.service.export_subject(from(&officer(), message)).await;
        let mut stream = answer.expect("is read").into_inner();
        let mut lines = Vec::new();
        while let Some(line) = stream.next().await {
            lines.push(line.expect("is whole").line);
        }
        lines
    }

    fn verified(&self, receipt: &SignedReceipt) -> Receipt {
        let key = self.records.keys().audit_key().public();
        receipt.verify(&key).expect("a good receipt")
    }

    fn noted(&self) -> Vec<String> {
        let lines = self.journal.lines(ERASURES_FILE).expect("readable");
        lines.map(|line| line.expect("whole").text).collect()
    }

    async fn replay(&self) -> Replayed {
        let replayed = privacy::replay(&self.records, &self.journal).await;
        replayed.expect("replays")
    }
}

async fn a_withdrawn_consent_holds_no_more(home: &Home) {
    let bureau = bureau(home).await;
    for (id, person) in [("r1", 0), ("r2", 0), ("r3", 0), ("other", 1)] {
        bureau.decide(id, person, "MATCH").await;
    }
    let holding = async |person| {
        let consents = bureau.records.store().consents(bureau.hash(person)).await;
        let consents = consents.expect("readable").into_iter();
        let holding = consents.filter(|consent| consent.withdrawn_us.is_none());
        holding.map(|consent| consent.id).collect::<Vec<_>>()
    };
    let one = bureau.withdraw("w1", 0, "consent-r2").await.expect("done");
    assert_eq!(one.consents_ended, 1);
    assert_eq!(holding(0).await, ["consent-r1", "consent-r3"]);
    // The other person's consent is not there for this one.
    let none = bureau
        .withdraw("w2", 0, "consent-other")
        .await
        .expect("done");
    assert_eq!(none.consents_ended, 0);
    let all = bureau.withdraw("w3", 0, "").await.expect("done");
    assert_eq!(all.consents_ended, 2);
    assert!(holding(0).await.is_empty());
    assert_eq!(holding(1).await, ["consent-other"]);
    // The same request again gets the same answer, and leaves no second entry.
    assert_eq!(bureau.withdraw("w3", 0, "").await.expect("again"), all);
    let refused = refusal(bureau.withdraw("w3", 1, "").await);
    assert_eq!(refused, (Code::AlreadyExists, "REQUEST_ID_USED".to_owned()));
    assert_eq!(
        entries(&bureau.records, Event::ConsentChanged).await.len(),
        3
    );
    let receipt = bureau.verified(&signed(one.receipt));
    assert_eq!(receipt.done, Done::ConsentWithdrawn);
    assert_eq!(receipt.consent, Some(Text::fitted("consent-r2")));
    assert_eq!(receipt.counts[&Text::fitted("consents")], 1);
    assert_eq!(
        (receipt.subject, receipt.request.as_str()),
        (bureau.hash(0), "w1")
    );
}

async fn an_erasure_that_nobody_waits_for_is_noted_all_the_same(home: &Home) {
    let bureau = bureau(home).await;
    enrol(&bureau.records, bureau.hash(0), 0).await;
    {
        let mut call = std::pin::pin!(bureau.erase("e1", 0));
        let begun = std::future::poll_fn(|context| {
            let is_pending = call.as_mut().poll(context).is_pending();
            std::task::Poll::Ready(is_pending)
        });
        assert!(begun.await, "it was done before its caller could go");
        // The deadline passed, or the connection broke.
    }
    let noted = async {
        while bureau.noted().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let noted = tokio::time::timeout(Duration::from_mins(1), noted).await;
    noted.expect("the journal has it");
    assert!(matches!(bureau.enrolled(0).await, Enrolled::Nothing));
    // Asked again, it is the same erasure, noted once.
    let again = bureau.erase("e1", 0).await.expect("erased");
    assert!(again.had_key && again.references_deleted == 1);
    assert_eq!(bureau.noted().len(), 1);
}

async fn who_is_erased_is_gone_and_twice_is_once(home: &Home) {
    let bureau = bureau(home).await;
    enrol(&bureau.records, bureau.hash(0), 0).await;
    enrol(&bureau.records, bureau.hash(1), 0).await;
    bureau.decide("r1", 0, "MANUAL_REVIEW").await;
    assert!(matches!(bureau.enrolled(0).await, Enrolled::Reference(_)));
    let erased = bureau.erase("e1", 0).await.expect("erased");
    assert!(erased.had_key && erased.references_deleted == 1);
    assert!(matches!(bureau.enrolled(0).await, Enrolled::Nothing));
    assert!(matches!(bureau.enrolled(1).await, Enrolled::Reference(_)));
    let case = bureau.records.store().review("case-r1", "3174").await;
    assert_eq!(case, Ok(None));
    // On the list outside the database before it was answered.
    let noted = bureau.noted();
    assert_eq!(noted.len(), 1);
    assert!(noted[0].contains(&bureau.hash(0).to_string()), "{noted:?}");
    // Twice is once: the same receipt, one entry, one line.
    let again = bureau.erase("e1", 0).await.expect("again");
    assert_eq!(again, erased);
    assert_eq!(bureau.noted(), noted);
    let refused = refusal(bureau.erase("e1", 1).await);
    assert_eq!(refused, (Code::AlreadyExists, "REQUEST_ID_USED".to_owned()));
    assert!(matches!(bureau.enrolled(1).await, Enrolled::Reference(_)));
    let entries = entries(&bureau.records, Event::SubjectErased).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].subject, Some(bureau.hash(0)));
    // Under another id there is nothing left to destroy.
    let empty = bureau.erase("e2", 0).await.expect("done");
    assert!(!empty.had_key && empty.references_deleted == 0);
    let signed = signed(erased.receipt);
    let receipt = bureau.verified(&signed);
    assert_eq!(
        (receipt.done, receipt.subject),
        (Done::SubjectErased, bureau.hash(0))
    );
    let changed = SignedReceipt {
        text: signed.text.replace("\"keys\":1", "\"keys\":0"),
        ..signed.clone()
    };
    assert_ne!(changed, signed);
    let key = bureau.records.keys().audit_key().public();
    assert!(changed.verify(&key).is_err());
    // A journal that failed the first time gets its line when the same is asked again.
    std::fs::remove_file(bureau.folder.path().join("journal").join(ERASURES_FILE)).expect("there");
    bureau.erase("e1", 0).await.expect("again");
    assert_eq!(bureau.noted(), noted);
}

async fn duty_8_an_export_holds_one_subject_and_nobody_else(home: &Home) {
    let bureau = bureau(home).await;
    for person in [0, 1] {
        enrol(&bureau.records, bureau.hash(person), 0).await;
        for number in 0..130 {
            bureau
                .decide(&format!("p{person}-{number}"), person, "MATCH")
                .await;
        }
        bureau
            .decide(&format!("p{person}-review"), person, "MANUAL_REVIEW")
            .await;
    }
    let lines = bureau.export(0).await;
    let text = lines.join("\n");
    assert!(!text.contains(&bureau.hash(1).to_string()) && !text.contains("p1-"));
    assert!(!text.contains(NIKS[0]));
    let last = lines.last().expect("lines");
    let receipt = bureau.verified(&SignedReceipt::of_line(last).expect("a receipt"));
    assert_eq!(
        (receipt.done, receipt.subject),
        (Done::SubjectExported, bureau.hash(0))
    );
    let before = lines[..lines.len() - 1].join("\n") + "\n";
    let hash = padan::digest::sha256_hex(before.as_bytes());
    assert_eq!(receipt.lines_sha256, Some(Text::fitted(&hash)));
    let json: Vec<serde_json::Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let of = |kind: &str| json.iter().filter(|line| line.get(kind).is_some()).count() as u64;
    for (kind, counted, expected) in [
        ("subject", "subjects", 1),
        ("reference", "references", 1),
        ("consent", "consents", 131),
        ("review", "reviews", 1),
        ("entry", "entries", 132),
    ] {
        assert_eq!(of(kind), expected, "{kind}");
        assert_eq!(receipt.counts[&Text::fitted(counted)], expected, "{kind}");
    }
    assert_eq!(json[0]["header"]["format"], privacy::EXPORT_FORMAT);
    let entry = json
        .iter()
        .find_map(|line| line.get("entry"))
        .expect("entries");
    assert!(
        Entry::parse(&entry.to_string()).is_ok(),
        "as in the trail: {entry}"
    );
    let read = entries(&bureau.records, Event::TrailRead).await;
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].subject, Some(bureau.hash(0)));
    // A reader who goes away ends it, and the next one gets all; who looked is told.
    let message = proto::ExportSubjectRequest {
        meta: Some(meta("gone")),
        subject: Some(subject(NIKS[0])),
    };
    drop(
        bureau
            .service
            .export_subject(from(&officer(), message))
            .await,
    );
    assert_eq!(bureau.export(0).await.len(), lines.len() + 2);
}

async fn a_wrong_number_is_refused_and_not_repeated(home: &Home) {
    let bureau = bureau(home).await;
    let message = proto::EraseRequest {
        meta: Some(meta("with space")),
        subject: Some(subject("3174096113909999")),
    };
    let answer = bureau.service.erase(from(&officer(), message)).await;
    let status = answer.expect_err("is refused");
    assert_eq!(status.code(), Code::InvalidArgument);
    for field in ["meta.request_id:", "subject.nik:"] {
        assert!(status.message().contains(field), "{}", status.message());
    }
    assert!(!status.message().contains("3174096113909999"));
    let answer = bureau
        .service
        .erase(from(&officer(), proto::EraseRequest::default()))
        .await;
    let status = answer.expect_err("is refused");
    assert!(status.message().contains("subject: is required"));
    assert!(
        entries(&bureau.records, Event::SubjectErased)
            .await
            .is_empty()
    );
}
