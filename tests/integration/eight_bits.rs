//! The 8-bit embedder answers like the 32-bit one, or does not serve at all.

use padan::app::App;
use padan::config::Config;
use padan::grpc::proto::Decision;

use crate::support::{self, TestServer, genuine, portrait, verify_request};

/// Eight bits move a similarity by 0.007 in the mean square; this is five times as much.
const DIFFERENCE_MAX: f32 = 0.035;

fn eight_bits() -> Config {
    let mut config = support::config();
    "sface_2021dec_int8".clone_into(&mut config.embedder);
    config.calibration = config.models.join("calibration/sface_2021dec_int8.toml");
    config
}

#[tokio::test]
async fn eight_bits_decide_like_thirty_two_or_are_refused_at_the_start() {
    let config = eight_bits();
    if let Err(refusal) = App::start(&config) {
        // x86-64 without VNNI saturates inside the products: wrong numbers, found by the faces.
        assert!(refusal.to_string().contains("golden faces"), "{refusal}");
        return;
    }
    let eight = TestServer::start(&config).await;
    let full = TestServer::with_defaults().await;
    let (mut eight, mut full) = (eight.client().await, full.client().await);
    let impostor = verify_request(portrait("impostor_1.jpg"), portrait("person_a_1.jpg"));
    for (request, decision) in [(genuine(), Decision::Match), (impostor, Decision::NoMatch)] {
        let (eight, full) = (
            eight.verify(request.clone()).await,
            full.verify(request).await,
        );
        let (eight, full) = (
            eight.expect("answers").into_inner(),
            full.expect("answers").into_inner(),
        );
        assert_eq!((eight.decision(), full.decision()), (decision, decision));
        assert_ne!(eight.model_contract_id, full.model_contract_id);
        let (a, b) = (eight.similarity(), full.similarity());
        assert!((a - b).abs() < DIFFERENCE_MAX, "{a} and {b}");
    }
}

#[test]
fn a_calibration_of_the_other_model_is_refused() {
    let mut config = eight_bits();
    config.calibration = support::config().calibration;
    let refusal = App::start(&config)
        .err()
        .expect("does not start")
        .to_string();
    assert!(refusal.contains("sface_2021dec"), "{refusal}");
}
