//! The embedders in 8 and in 32 bits: each with its own contract, both with the same decisions.

use padan::app::App;
use padan::grpc::proto::Decision;

use crate::support::{TestServer, assert_says, config, full_precision, genuine, portrait};
use crate::support::{refusal, verify_request};

/// Eight bits move a similarity by 0.007 in the mean square; this is five times as much.
const DIFFERENCE_MAX: f32 = 0.035;

#[tokio::test]
async fn eight_bits_decide_like_thirty_two() {
    let eight = TestServer::with_defaults().await;
    let full = TestServer::start(&full_precision()).await;
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
    let mut config = config();
    App::start(&config).expect("its own is right");
    config.calibration = full_precision().calibration;
    assert_says(
        &refusal(&config),
        &["sface_2021dec:", "sface_2021dec_int8:"],
    );
}
