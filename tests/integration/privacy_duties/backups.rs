//! Erasures and restored backups: the list outside the database.

use std::sync::Arc;

use padan::access::Role;
use padan::activation::{Activation, Ask, Context, GivenConsent};
use padan::app::App;
use padan::audit::{Event, Text};
use padan::decision::ReasonCode;
use padan::engine::Class;
use padan::privacy::{self, Replayed};
use padan::records::{Enrolled, Records};
use padan::store::Erase;
use padan::subject::Nik;
use padan::trail::ERASURES_FILE;
use padan::verify::Urgency;
use time::OffsetDateTime;

use super::{Bureau, bureau, bureau_with};
use crate::people::{NIKS, caller, enrol, entries, folder, fresh_keys, now_us};
use crate::store::{Home, on_both};
use crate::support;

on_both!(
    duty_5_a_restored_backup_brings_nobody_back,
    an_erasure_that_was_cut_off_is_noted_at_the_next_start,
    a_damaged_journal_keeps_padan_from_starting,
);

/// Verifies the first of the people as a counter does.
async fn verify(records: &Arc<Records>, id: &str) -> Vec<ReasonCode> {
    let config = support::config();
    let app = App::start(&config).expect("the app starts");
    let activation = Activation::new(
        Arc::clone(&app.verifier),
        Arc::clone(records),
        config.limits,
        Arc::new(padan::access::Limiter::new(config.server.access.limits)),
    );
    let text = Text::fitted;
    let ask = Ask {
        caller: caller("counter", Role::Operator, None),
        request_id: text(id),
        body_digest: [3; 32],
        nik: Nik::parse(NIKS[0]),
        context: Context {
            purpose: text("ACTIVATION"),
            channel: text("COUNTER"),
            office: text("3174"),
            operator: Some(text("clerk")),
            device: text("laptop-1"),
            session: text(id),
        },
        consent: Some(GivenConsent {
            id: text(&format!("consent-{id}")),
            basis: text("CONSENT"),
            notice_version: text("2026-1"),
            given_at: OffsetDateTime::now_utc(),
        }),
        probe: support::portrait("person_a_2.jpg"),
        policy: String::new(),
    };
    let urgency = Urgency {
        class: Class::Activation,
        deadline: None,
    };
    let answer = activation.verify(ask, urgency).await.expect("is decided");
    answer.reply.reasons
}

async fn duty_5_a_restored_backup_brings_nobody_back(home: &Home) {
    let keys = fresh_keys();
    let before = bureau_with(home, &keys, folder()).await;
    for person in [0, 1] {
        enrol(&before.records, before.hash(person), 0).await;
    }
    before.records.store().close().await;
    let backup = home.copy().await;
    let Bureau { folder, .. } = before;
    let served = bureau_with(home, &keys, folder).await;
    served.erase("e1", 0).await.expect("erased");
    served.records.store().close().await;
    let Bureau { folder, .. } = served;
    // The backup knows nothing of it, and would open.
    let restored = bureau_with(&backup, &keys, folder).await;
    assert!(matches!(restored.enrolled(0).await, Enrolled::Reference(_)));
    let expected = Replayed {
        missing: 1,
        keys: 1,
        noted: 0,
    };
    assert_eq!(restored.replay().await, expected);
    assert!(matches!(restored.enrolled(0).await, Enrolled::Nothing));
    assert!(matches!(restored.enrolled(1).await, Enrolled::Reference(_)));
    let reasons = verify(&restored.records, "after").await;
    assert_eq!(reasons, [ReasonCode::ReferenceNotFound]);
    // One entry, and nothing to do at the next start.
    assert_eq!(restored.replay().await, Replayed::default());
    assert_eq!(
        entries(&restored.records, Event::SubjectErased).await.len(),
        1
    );
    // A key made after the erasure stays.
    enrol(&restored.records, restored.hash(0), 2).await;
    assert_eq!(restored.replay().await, Replayed::default());
    assert!(matches!(restored.enrolled(0).await, Enrolled::Reference(_)));
}

async fn an_erasure_that_was_cut_off_is_noted_at_the_next_start(home: &Home) {
    let bureau = bureau(home).await;
    let erase = Erase {
        subject: bureau.hash(0),
        at_us: now_us(),
        entry: bureau.records.own_entry(Event::SubjectErased),
    };
    // Durable in the database, and then the power went.
    bureau.records.store().erase(erase).await.expect("erases");
    assert!(bureau.noted().is_empty());
    assert_eq!(bureau.replay().await.noted, 1);
    assert_eq!(bureau.noted().len(), 1);
    assert_eq!(bureau.replay().await, Replayed::default());
}

async fn a_damaged_journal_keeps_padan_from_starting(home: &Home) {
    let bureau = bureau(home).await;
    bureau.erase("e1", 0).await.expect("erased");
    for line in ["{}", "not JSON", r#"{"subject":"3174096112909999"}"#] {
        let file = bureau.folder.path().join("journal").join(ERASURES_FILE);
        let good = std::fs::read_to_string(&file).expect("readable");
        std::fs::write(&file, format!("{line}\n{good}")).expect("writes");
        let replayed = privacy::replay(&bureau.records, &bureau.journal).await;
        let error = replayed.expect_err("is refused").to_string();
        assert!(error.contains("line 1 of the journal"), "{error}");
        assert!(!error.contains("3174096112909999"), "{error}");
        std::fs::write(&file, good).expect("writes");
    }
}
