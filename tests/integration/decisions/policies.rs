//! Policies: each request is decided by the one it names.

use padan::decision::{Calibration, PolicySpec};
use padan::grpc::proto::{
    Decision, GetServiceInfoRequest, ReasonCode, VerifyRequest, VerifyResponse,
};

use super::codes;
use crate::support::{TestFolder, TestServer, config, genuine};

fn spec(id: &str, fmr: f64, review_fmr: f64) -> PolicySpec {
    PolicySpec {
        id: id.to_owned(),
        fmr,
        review_fmr: Some(review_fmr),
    }
}

async fn decided_by(server: &TestServer, policy: &str) -> VerifyResponse {
    let request = VerifyRequest {
        policy: policy.to_owned(),
        ..genuine()
    };
    server.verify(request).await.expect("a decision")
}

#[tokio::test]
async fn each_request_is_decided_by_the_policy_it_names() {
    let mut config = config();
    config.policies.push(spec("strict", 1e-5, 1e-4));
    let server = TestServer::start(&config).await;
    let info = server
        .client()
        .await
        .get_service_info(GetServiceInfoRequest {})
        .await;
    let policies = info.expect("answers").into_inner().policies;
    let ids: Vec<_> = policies.iter().map(|policy| policy.id.as_str()).collect();
    assert_eq!(ids, ["activation", "strict"]);
    for (asked, policy) in [("", 0), ("activation", 0), ("strict", 1)] {
        let (answer, policy) = (decided_by(&server, asked).await, &policies[policy]);
        assert_eq!(answer.policy_version, policy.version);
        assert_eq!(answer.model_contract_id, policy.model_contract_id);
        let numbers = (answer.threshold, answer.fmr, answer.review_from);
        assert_eq!(numbers, (policy.threshold, policy.fmr, policy.review_from));
    }
    assert_ne!(policies[0].version, policies[1].version);
    assert!(policies[0].threshold < policies[1].threshold);
    // The review band of the strict one begins where the other one matches.
    assert_eq!(
        policies[0].threshold.to_bits(),
        policies[1].review_from.to_bits()
    );
}

/// The real calibration with the thresholds moved around the genuine pair's similarity.
#[tokio::test]
async fn the_genuine_pair_is_match_review_or_no_match_as_the_thresholds_say() {
    let folder = TestFolder::new("policies");
    let mut config = config();
    let calibration = Calibration::read(&config.calibration).expect("a calibration");
    config.calibration = folder.path().join("moved.toml");
    config.policies = vec![spec("activation", 1e-4, 1e-3)];
    let cases = [
        (0.2, 0.1, Decision::Match, vec![]),
        (
            0.99,
            0.1,
            Decision::ManualReview,
            vec![ReasonCode::Borderline],
        ),
        (
            0.995,
            0.99,
            Decision::NoMatch,
            vec![ReasonCode::FaceMismatch],
        ),
    ];
    for (threshold, review_from, decision, reasons) in cases {
        let mut moved = calibration.clone();
        moved.target.retain(|target| target.fmr > 5e-5);
        for target in &mut moved.target {
            target.threshold = if target.fmr > 5e-4 {
                review_from
            } else {
                threshold
            };
        }
        let text = toml::to_string(&moved).expect("writes");
        std::fs::write(&config.calibration, text).expect("writes");
        let server = TestServer::start(&config).await;
        let answer = decided_by(&server, "").await;
        assert_eq!(answer.decision(), decision, "{:?}", answer.similarity);
        assert_eq!(codes(&answer), reasons);
        assert_eq!(
            (answer.threshold, answer.review_from),
            (threshold, review_from)
        );
    }
}
