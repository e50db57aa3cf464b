//! A server that keeps references, and people enrolled at it.

use std::sync::Arc;

use padan::access::RateLimits;
use padan::audit::Event;
use padan::config::{Config, StoreConfig, TrailConfig};
use padan::embed::Template;
use padan::engine::Class;
use padan::grpc::proto;
use padan::keys::{Binding, KeySource, SubjectKey, seal};
use padan::pipeline::{Goal, SampleTask};
use padan::records::Records;
use padan::sample::SampleRole;
use padan::sample::detect::FaceChoice;
use padan::store::{Changed, PutReference, Reference, WrappedKey};
use padan::subject::{Nik, SubjectHash};
use padan::verify::Verifier;
use time::OffsetDateTime;

use crate::store::Home;
use crate::support::{TestFolder, config, portrait, sample};

/// Made-up people: a woman and a man of Central Jakarta, and one whom nobody enrolled.
pub const WOMAN: &str = "3171014101909999";
pub const MAN: &str = "3171010101859998";
pub const STRANGER: &str = "3171011505999997";

/// The default configuration with this database and fresh keys in `keys`.
pub fn config_of(home: &Home, keys: &TestFolder) -> Config {
    let folder = keys.path().join("keys");
    if !folder.exists() {
        padan::keys::create_keys(&folder, OffsetDateTime::now_utc()).expect("new keys");
    }
    let mut config = config();
    // These tests call more often than people do.
    let many = std::num::NonZeroU32::MAX;
    config.server.access.limits = RateLimits {
        caller: many,
        device: many,
        operator: many,
        subject: many,
    };
    config.store = Some(StoreConfig {
        database: home.settings("padan-test"),
        keys: vec![KeySource::Folder(folder)],
        trail: TrailConfig {
            journal: keys.path().join("journal"),
            checkpoint_period: std::time::Duration::from_mins(1),
            older_keys: Vec::new(),
        },
    });
    config
}

pub fn subject_of(records: &Records, nik: &str) -> SubjectHash {
    let nik = Nik::parse(nik).expect("a NIK");
    records.keys().subject_hash(&nik)
}

/// The template of a portrait.
pub async fn template_of(verifier: &Verifier, name: &str) -> Template {
    let task = SampleTask {
        cascade: None,
        image: portrait(name),
        role: SampleRole::Reference,
        choice: FaceChoice::Largest,
        goal: Goal::Embed,
    };
    let active = verifier.active();
    let submitted = active.engine().submit(Class::Activation, None, [task]);
    let [reply] = submitted.expect("there is room");
    let completed = reply.wait().await.expect("a lane answers");
    let result = completed.output.expect("a picture");
    result.template.expect("a face that is fit")
}

/// Stores a template as the reference of a new subject, without the enrolment service.
pub async fn enrol(records: &Arc<Records>, nik: &str, template: &Template) {
    // Before anything that a test does by the clock.
    put(records, subject_of(records, nik), 0, 1, template).await;
}

/// Stores a template as the reference of a subject, under a new key of `at_us`. `version` is the
/// subject's as it is.
pub async fn put(
    records: &Records,
    subject: SubjectHash,
    version: u64,
    at_us: i64,
    template: &Template,
) {
    let keys = records.keys();
    let key = SubjectKey::random().expect("random bytes");
    let wrapped = keys.wrap(&key, &subject).expect("wraps");
    let binding = Binding::template(&subject, &template.contract_id, version + 1);
    let sealed = seal(&key, &binding, &template.to_bytes()).expect("seals");
    let mut entry = records.own_entry(Event::ReferenceChanged);
    entry.subject = Some(subject);
    entry.detail("operation", "put");
    let put = PutReference {
        subject,
        expected_version: version,
        new_key: Some(WrappedKey {
            bytes: wrapped.bytes,
            master_key: wrapped.master_key_id.to_string(),
        }),
        reference: Reference {
            contract_id: template.contract_id.to_string(),
            row_version: version + 1,
            nonce: sealed.nonce.to_vec(),
            ciphertext: sealed.ciphertext,
            captured_on: Some("2014-05-20".to_owned()),
            source: "REGISTRY".to_owned(),
            quality: "GOOD".to_owned(),
            created_us: at_us,
        },
        portrait: None,
        claim: None,
        entry,
    };
    let changed = records.store().put_reference(put).await.expect("stored");
    assert!(matches!(changed, Changed::Done(_)));
}

/// A whole request about `nik`, of now, at a counter.
pub fn activation_request(id: &str, nik: &str, probe: &str) -> proto::VerifyRequest {
    let now = OffsetDateTime::now_utc();
    proto::VerifyRequest {
        meta: Some(proto::RequestMeta {
            request_id: id.to_owned(),
            deadline_class: 0,
        }),
        probe: Some(sample(portrait(probe))),
        reference: Some(proto::verify_request::Reference::Subject(proto::Subject {
            nik: nik.to_owned(),
        })),
        context: Some(proto::VerificationContext {
            purpose: proto::Purpose::Activation.into(),
            channel: proto::Channel::Counter.into(),
            office: "3171".to_owned(),
            operator: "officer-7".to_owned(),
            device: "counter-2".to_owned(),
            session: format!("session-of-{id}"),
        }),
        consent: Some(proto::ConsentRecord {
            id: format!("consent-of-{id}"),
            basis: proto::LegalBasis::Consent.into(),
            notice_version: "pemberitahuan-2026-03".to_owned(),
            given_at: Some(prost_types::Timestamp {
                seconds: now.unix_timestamp(),
                nanos: 0,
            }),
        }),
        ..Default::default()
    }
}
