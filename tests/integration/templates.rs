//! A reference that comes as a template: the decision of its photograph, for half the work.

use std::time::{Duration, Instant};

use padan::app::App;
use padan::decision::{Decision, ReasonCode};
use padan::embed::{ContractId, Embedding, Template};
use padan::engine::Class;
use padan::verify::{Reference, Urgency, Verification, VerifyError, VerifyTask};

use crate::support::{config, portrait};

const PAIR: (&str, &str) = ("person_a_2.jpg", "person_a_1.jpg");

async fn verify(
    app: &App,
    probe: impl Into<bytes::Bytes>,
    reference: Reference,
) -> Result<Verification, VerifyError> {
    let task = VerifyTask {
        probe: probe.into(),
        reference,
        policy: String::new(),
    };
    let urgency = Urgency {
        class: Class::LiveCheck,
        deadline: Some(Instant::now() + Duration::from_mins(2)),
    };
    app.verifier.verify(task, urgency).await
}

#[tokio::test]
async fn a_template_gives_the_decision_of_its_photograph() {
    let app = App::start(&config()).expect("the app starts");
    for probe in [PAIR.0, "impostor_1.jpg"] {
        let photograph = Reference::Sample(portrait(PAIR.1));
        let pair = verify(&app, portrait(probe), photograph).await;
        let pair = pair.expect("a decision");
        let seen = pair.reference.as_ref().expect("is reported on");
        let template = seen.template.clone().expect("is fit");

        let alone = verify(&app, portrait(probe), Reference::Template(template)).await;
        let alone = alone.expect("a decision");
        let value = |of: &Verification| of.similarity.expect("was compared").value();
        assert_eq!(value(&alone).to_bits(), value(&pair).to_bits(), "{probe}");
        assert_eq!(alone.verdict, pair.verdict);
        assert!(alone.reference.is_none(), "no photograph, no report");
    }
}

/// The tests' models make no template of this contract.
fn foreign_template() -> Template {
    Template {
        contract_id: ContractId::new("another_model:0123456789abcdef"),
        embedding: Embedding::from_output(&[1.0; 128]).expect("has a direction"),
    }
}

#[tokio::test]
async fn a_template_of_another_contract_is_an_error_and_never_a_score() {
    let app = App::start(&config()).expect("the app starts");
    // Also for a probe that shows no face: whether the error is told must not hang on the probe.
    let black = image::RgbImage::new(320, 240);
    for probe in [portrait(PAIR.0), crate::support::jpeg(&black)] {
        let reference = Reference::Template(foreign_template());
        let error = verify(&app, probe, reference).await.expect_err("no score");
        let VerifyError::Internal(cause) = error else {
            panic!("{error:?}");
        };
        assert!(cause.contains("another_model:0123456789abcdef"), "{cause}");
    }
}

#[tokio::test]
async fn a_poor_probe_is_not_compared_with_a_template() {
    let app = App::start(&config()).expect("the app starts");
    let reference = Reference::Sample(portrait(PAIR.1));
    let pair = verify(&app, portrait(PAIR.0), reference).await;
    let result = pair.expect("a decision").reference.expect("a report");
    let reference = Reference::Template(result.template.expect("is fit"));
    let black = crate::support::jpeg(&image::RgbImage::new(320, 240));
    let verification = verify(&app, black, reference).await.expect("a decision");
    assert!(verification.similarity.is_none());
    assert_eq!(verification.verdict.decision, Decision::RetryCapture);
    assert_eq!(verification.verdict.reasons, [ReasonCode::NoFace]);
}

#[test]
fn debug_of_a_template_as_reference_shows_no_number() {
    let task = VerifyTask {
        probe: bytes::Bytes::from_static(b"abc"),
        reference: Reference::Template(foreign_template()),
        policy: String::new(),
    };
    let shown = format!("{task:?}");
    assert_eq!(
        shown,
        "VerifyTask(3 bytes and Template(another_model:0123456789abcdef))"
    );
}
