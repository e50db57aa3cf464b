//! Enrolment on both databases, with real portraits.

mod fields;
mod import;
mod rekey;
mod repetition;
mod standing;

use std::sync::{Arc, OnceLock};

use padan::access::{Caller, Role};
use padan::app::App;
use padan::audit::{Entry, Event, Text};
use padan::decision::Decision;
use padan::embed::{ContractId, Embedding, Template};
use padan::enrolment::{Enrolment, Settings};
use padan::grpc::EnrollmentService;
use padan::grpc::proto::enrollment_server::Enrollment as _;
use padan::grpc::proto::{
    self, EnrollmentOutcome, ReasonCode, ReferenceSource, ReferenceStatus, put_request,
};
use padan::keys::KeyRing;
use padan::records::{Enrolled, Records};
use padan::store::{EntryQuery, Selection};
use padan::telemetry::{BuildLabels, Metrics};
use padan::verify::{Reference, Urgency, Verifier, VerifyTask};
use time::OffsetDateTime;
use tonic::{Request, Status};

use crate::enrolled::{MAN, WOMAN, subject_of};
use crate::store::{Home, name, on_both};
use crate::support::records::enrolled;
use crate::support::{bad_fields, config, jpeg, portrait, sample};

on_both![
    a_portrait_is_enrolled_and_another_one_of_the_same_person_matches_it,
    a_portrait_with_faults_is_refused_and_the_old_one_stays,
    a_number_that_is_no_nik_is_an_outcome_with_one_entry,
    a_template_of_another_contract_is_kept_and_not_served,
];

/// The service on a database of its own.
pub struct Desk {
    pub service: EnrollmentService,
    pub enrolment: Arc<Enrolment>,
    pub records: Arc<Records>,
}

/// One for all tests: models take long to load.
pub fn app() -> &'static App {
    static APP: OnceLock<App> = OnceLock::new();
    APP.get_or_init(|| App::start(&config()).expect("the app starts"))
}

pub fn verifier() -> Arc<Verifier> {
    Arc::clone(&app().verifier)
}

pub fn caller() -> Caller {
    Caller {
        name: Text::fitted("registry"),
        role: Role::Enrolment,
        office: None,
        is_certified: true,
    }
}

impl Desk {
    pub async fn open(home: &Home) -> Self {
        let keys = KeyRing::ephemeral(OffsetDateTime::now_utc()).expect("random bytes");
        Self::with(home, keys, Settings::default()).await
    }

    pub async fn with(home: &Home, keys: KeyRing, settings: Settings) -> Self {
        let store = Arc::new(home.open("desk").await);
        let records = Records::open(store, Arc::new(keys), name("desk")).await;
        let records = Arc::new(records.expect("the keys belong to it"));
        let enrolment = Enrolment::new(verifier(), Arc::clone(&records), settings);
        let enrolment = Arc::new(enrolment);
        Self {
            service: service(&enrolment),
            enrolment,
            records,
        }
    }

    pub async fn put(&self, request: proto::PutRequest) -> Result<proto::PutResponse, Status> {
        let answer = self.service.put(called(request)).await;
        answer.map(tonic::Response::into_inner)
    }

    pub async fn stored(&self, request: proto::PutRequest) -> u64 {
        let answer = self.put(request).await.expect("an answer");
        assert_eq!(answer.outcome(), EnrollmentOutcome::Done, "{answer:?}");
        answer.reference_version
    }

    pub async fn status(&self, nik: &str) -> proto::GetStatusResponse {
        let request = proto::GetStatusRequest {
            meta: None,
            subject: whom(nik),
        };
        let answer = self.service.get_status(called(request)).await;
        answer.expect("an answer").into_inner()
    }

    pub async fn enrolled(&self, nik: &str) -> Enrolled {
        let subject = subject_of(&self.records, nik);
        let enrolled = enrolled(&self.records, subject, &served()).await;
        enrolled.expect("opens")
    }

    /// Whether a portrait matches what is enrolled.
    pub async fn decision(&self, nik: &str, probe: &str) -> Decision {
        let Enrolled::Reference(reference) = self.enrolled(nik).await else {
            panic!("nobody is enrolled");
        };
        let task = VerifyTask {
            probe: portrait(probe),
            reference: Reference::Template(reference.template),
            policy: String::new(),
        };
        let urgency = Urgency {
            class: padan::engine::Class::Activation,
            deadline: None,
        };
        let verification = verifier().verify(task, urgency).await;
        verification.expect("a decision").verdict.decision
    }

    pub async fn entries(&self) -> Vec<Entry> {
        let query = EntryQuery {
            selection: Selection::All,
            from_us: 0,
            until_us: i64::MAX,
            after: None,
            limit: 1000,
        };
        let stored = self.records.store().entries(&query).await.expect("entries");
        for entry in &stored {
            assert!(!entry.text.contains(WOMAN) && !entry.text.contains(MAN));
        }
        let entries = stored.iter().map(|it| Entry::parse(&it.text));
        entries.map(|entry| entry.expect("an entry")).collect()
    }

    /// Events with the operation and the reference's version of each entry, in their order.
    pub async fn trail(&self) -> Vec<(Event, String, Option<u64>)> {
        let entries = self.entries().await;
        let mut trail: Vec<_> = entries
            .iter()
            .map(|entry| (entry.sequence, entry))
            .collect();
        trail.sort_by_key(|(sequence, _)| *sequence);
        let operation = |entry: &Entry| entry.details[&Text::fitted("operation")].to_string();
        let one =
            |(_, entry): (u64, &Entry)| (entry.event, operation(entry), entry.reference_version);
        trail.into_iter().map(one).collect()
    }
}

pub fn service(enrolment: &Arc<Enrolment>) -> EnrollmentService {
    let metrics = Metrics::new(BuildLabels {
        version: "0".to_owned(),
        runtime_version: "1".to_owned(),
        detector: "d".to_owned(),
        model_contract_id: "m:1".to_owned(),
    });
    EnrollmentService {
        enrolment: Arc::clone(enrolment),
        metrics: Arc::new(metrics),
    }
}

/// The contract that the tests' models serve.
pub fn served() -> ContractId {
    verifier().active().contract_id().clone()
}

pub fn called<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(caller());
    request
}

#[expect(clippy::unnecessary_wraps, reason = "so the messages have it")]
pub fn meta(id: &str) -> Option<proto::RequestMeta> {
    Some(proto::RequestMeta {
        request_id: id.to_owned(),
        deadline_class: 0,
    })
}

#[expect(clippy::unnecessary_wraps, reason = "so the messages have it")]
pub fn whom(nik: &str) -> Option<proto::Subject> {
    Some(proto::Subject {
        nik: nik.to_owned(),
    })
}

pub fn put_of(nik: &str, image: impl Into<bytes::Bytes>) -> proto::PutRequest {
    proto::PutRequest {
        subject: whom(nik),
        reference: Some(put_request::Reference::Portrait(sample(image))),
        captured_on: "2014-05-20".to_owned(),
        source: ReferenceSource::Registry.into(),
        ..Default::default()
    }
}

/// A template that some model could have made.
pub fn ready(contract_id: &str, seed: f32) -> proto::ReadyTemplate {
    let numbers: Vec<f32> = (0..128u8).map(|n| f32::from(n) - seed).collect();
    let template = Template {
        contract_id: ContractId::new(contract_id),
        embedding: Embedding::from_output(&numbers).expect("a direction"),
    };
    proto::ReadyTemplate {
        contract_id: contract_id.to_owned(),
        template: template.to_bytes(),
    }
}

pub fn put_ready(nik: &str, contract_id: &str, seed: f32) -> proto::PutRequest {
    let template = ready(contract_id, seed);
    proto::PutRequest {
        reference: Some(put_request::Reference::Template(template)),
        ..put_of(nik, "")
    }
}

/// A picture without a face.
pub fn faceless() -> bytes::Bytes {
    jpeg(&image::RgbImage::from_pixel(
        240,
        320,
        image::Rgb([200, 30, 30]),
    ))
}

async fn a_portrait_is_enrolled_and_another_one_of_the_same_person_matches_it(home: &Home) {
    let desk = Desk::open(home).await;
    let mut request = put_of(WOMAN, portrait("person_a_1.jpg"));
    request.biodata = Some(proto::Biodata {
        birth_date: "1990-01-02".to_owned(),
        sex: proto::Sex::Male.into(),
    });
    let answer = desk.put(request).await.expect("an answer");
    assert_eq!(answer.outcome(), EnrollmentOutcome::Done);
    assert_eq!(answer.reference_version, 1);
    assert_eq!(answer.nik_warnings, ["BIRTH_DATE_DIFFERS", "SEX_DIFFERS"]);
    assert_eq!(
        desk.decision(WOMAN, "person_a_2.jpg").await,
        Decision::Match
    );
    assert_eq!(
        desk.decision(WOMAN, "impostor_1.jpg").await,
        Decision::NoMatch
    );
    // Replaced by another face, so that it is seen.
    assert_eq!(
        desk.stored(put_of(WOMAN, portrait("person_b_1.jpg"))).await,
        2
    );
    assert_eq!(
        desk.decision(WOMAN, "person_a_2.jpg").await,
        Decision::NoMatch
    );
    assert_eq!(
        desk.decision(WOMAN, "person_b_2.jpg").await,
        Decision::Match
    );

    let status = desk.status(WOMAN).await;
    assert_eq!(status.status(), ReferenceStatus::Ready);
    assert_eq!(status.reference_version, 2);
    assert_eq!(status.model_contract_id, served().as_str());
    assert_eq!(status.source(), ReferenceSource::Registry);
    assert_eq!(status.captured_on, "2014-05-20");
    assert!(status.stored_at.is_some());
    let change = |version| (Event::ReferenceChanged, "put".to_owned(), Some(version));
    assert_eq!(desk.trail().await, [change(1), change(2)]);
    let entries = desk.entries().await;
    let first = entries.iter().min_by_key(|entry| entry.sequence);
    let first = first.expect("an entry");
    let detail = |name: &str| first.details[&Text::fitted(name)].to_string();
    assert_eq!(detail("warnings"), "BIRTH_DATE_DIFFERS,SEX_DIFFERS");
    assert_eq!(
        (detail("source"), detail("captured_on")),
        ("REGISTRY".into(), "2014-05-20".into())
    );
    assert_eq!(first.subject, Some(subject_of(&desk.records, WOMAN)));
    assert_eq!(first.contracts, [Text::fitted(served().as_str())]);
}

async fn a_portrait_with_faults_is_refused_and_the_old_one_stays(home: &Home) {
    let desk = Desk::open(home).await;
    desk.stored(put_of(WOMAN, portrait("person_a_1.jpg"))).await;
    let answer = desk
        .put(put_of(WOMAN, faceless()))
        .await
        .expect("an answer");
    assert_eq!(answer.outcome(), EnrollmentOutcome::Refused);
    assert_eq!(answer.reasons[0].code(), ReasonCode::NoFace);
    assert_eq!(
        (answer.reference_version, answer.model_contract_id.as_str()),
        (0, "")
    );
    assert_eq!(
        desk.decision(WOMAN, "person_a_2.jpg").await,
        Decision::Match
    );
    assert_eq!(desk.status(WOMAN).await.reference_version, 1);
    let refused = (Event::CallRefused, "put".to_owned(), None);
    assert_eq!(desk.trail().await[1..], [refused]);
    // Nobody becomes known by a refused portrait.
    let answer = desk.put(put_of(MAN, faceless())).await.expect("an answer");
    assert_eq!(answer.outcome(), EnrollmentOutcome::Refused);
    assert_eq!(desk.status(MAN).await.status(), ReferenceStatus::None);
    // What is no picture is a malformed request.
    let status = desk.put(put_of(WOMAN, "no picture")).await;
    let status = status.expect_err("is refused");
    assert_eq!(bad_fields(&status), ["portrait.image"]);
}

async fn a_number_that_is_no_nik_is_an_outcome_with_one_entry(home: &Home) {
    let desk = Desk::open(home).await;
    for nik in [
        "",
        "3171014101900000",
        "31710141019O9999",
        "3171013201909999",
    ] {
        let put = desk.put(put_of(nik, portrait("person_a_1.jpg"))).await;
        let put = put.expect("an answer");
        assert_eq!(put.outcome(), EnrollmentOutcome::Refused, "{nik}");
        assert_eq!(put.reasons[0].code(), ReasonCode::NikMalformed);
    }
    let status = desk.status("3171013201909999").await;
    assert_eq!(status.status(), ReferenceStatus::NikMalformed);
    let entries = desk.entries().await;
    assert_eq!(entries.len(), 5);
    let of_nobody = |entry: &Entry| {
        entry.event == Event::CallRefused
            && entry.subject.is_none()
            && entry.reasons == [Text::fitted("NIK_MALFORMED")]
    };
    assert!(entries.iter().all(of_nobody), "{entries:?}");
}

async fn a_template_of_another_contract_is_kept_and_not_served(home: &Home) {
    let desk = Desk::open(home).await;
    assert_eq!(desk.stored(put_ready(WOMAN, "another:1", 3.0)).await, 1);
    assert!(matches!(desk.enrolled(WOMAN).await, Enrolled::NotSynced));
    let status = desk.status(WOMAN).await;
    assert_eq!(status.status(), ReferenceStatus::OtherContract);
    assert_eq!(status.model_contract_id, "another:1");
    let subject = subject_of(&desk.records, WOMAN);
    let contract = ContractId::new("another:1");
    let other = enrolled(&desk.records, subject, &contract);
    assert!(matches!(other.await, Ok(Enrolled::Reference(_))));
    // One of the served contract joins it.
    assert_eq!(
        desk.stored(put_ready(WOMAN, served().as_str(), 3.0)).await,
        2
    );
    assert!(matches!(desk.enrolled(WOMAN).await, Enrolled::Reference(_)));
    assert_eq!(desk.status(WOMAN).await.status(), ReferenceStatus::Ready);
    // Not of its contract's dimension: it could never be compared.
    let short = Template {
        contract_id: served(),
        embedding: Embedding::from_output(&[0.5; 64]).expect("a direction"),
    };
    let mut put = put_ready(WOMAN, served().as_str(), 3.0);
    put.reference = Some(put_request::Reference::Template(proto::ReadyTemplate {
        contract_id: served().to_string(),
        template: short.to_bytes(),
    }));
    let refused = desk.service.put(called(put)).await;
    assert_eq!(
        bad_fields(&refused.expect_err("is refused")),
        ["template.template"]
    );
}
