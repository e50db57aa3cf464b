//! Verifications of one woman, and the uses of their tokens, by several clients.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use padan::grpc::proto::face_verification_client::FaceVerificationClient;
use padan::grpc::proto::results_client::ResultsClient;
use padan::grpc::proto::{self, Decision, RedeemResultRequest};
use time::OffsetDateTime;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{Life, connect};
use crate::enrolled::{WOMAN, activation_request};

/// Newest used tokens that are tried again after a restart: they still live.
const TRIED_AGAIN: usize = 4;

/// What clients were told of decisions.
#[derive(Default)]
pub struct Decisions {
    /// Decision and token by request id; none: no answer came.
    pub asked: HashMap<String, Option<(i32, String)>>,
    /// Request ids of the tokens that were redeemed.
    pub redeemed: Vec<String>,
}

impl Decisions {
    /// Whether a decision was told, and its token used.
    pub fn is_any_redeemed(&self) -> bool {
        !self.redeemed.is_empty()
    }

    pub fn summary(&self) -> String {
        let decided = self.asked.values().flatten().count();
        let redeemed = self.redeemed.len();
        format!("{decided} decisions answered, {redeemed} tokens redeemed")
    }

    /// Used tokens of earlier lives: the newest, and the oldest, which expires in a long test.
    pub fn some_used(&self) -> Vec<String> {
        let newest = self.redeemed.iter().rev().take(TRIED_AGAIN);
        let some = newest.chain(self.redeemed.first());
        some.map(|id| self.token(id)).collect()
    }

    fn token(&self, id: &str) -> String {
        let (_, token) = self.asked[id].clone().expect("was answered");
        token
    }

    /// Asked again, the server gives the answers that it gave, and no token serves twice.
    pub async fn repeat(&self, channel: &Channel) {
        for (id, answer) in &self.asked {
            let again = verify(channel, id).await.expect("a decision");
            assert_eq!(again.decision(), Decision::Match, "{id}");
            if let Some((decision, token)) = answer {
                assert_eq!(
                    (again.decision, &again.result_token),
                    (*decision, token),
                    "{id}"
                );
            }
        }
        let used: Vec<_> = self.redeemed.iter().map(|id| self.token(id)).collect();
        assert_used_up(channel, &used).await;
    }
}

/// Verifies and redeems until the server is gone.
pub async fn work(life: Life, name: String) {
    let Ok(channel) = connect(&life.url).await else {
        return;
    };
    let mut count = 0;
    while !life.is_over() {
        let id = format!("{name}-{count}");
        count += 1;
        life.told().decisions.asked.insert(id.clone(), None);
        let Ok(response) = verify(&channel, &id).await else {
            // The server is gone.
            return;
        };
        let answer = (response.decision, response.result_token.clone());
        life.told().decisions.asked.insert(id.clone(), Some(answer));
        if redeem(&channel, response.result_token).await.is_ok() {
            life.told().decisions.redeemed.push(id);
        }
    }
}

async fn verify(channel: &Channel, id: &str) -> Result<proto::VerifyResponse, Status> {
    let mut request = activation_request(id, WOMAN, "person_a_2.jpg");
    // The same in every life of the server.
    let consent = request.consent.as_mut().expect("is there");
    consent.given_at = Some(prost_types::Timestamp {
        seconds: consent_given(),
        nanos: 0,
    });
    let mut client = FaceVerificationClient::new(channel.clone());
    Ok(client.verify(request).await?.into_inner())
}

/// One time for the whole test, so that a request can be repeated to the byte.
fn consent_given() -> i64 {
    static GIVEN: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    *GIVEN.get_or_init(now)
}

/// Whole seconds since 1970.
fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

/// Uses a token up on the device that captured.
pub async fn redeem(channel: &Channel, token: String) -> Result<(), Status> {
    let request = RedeemResultRequest {
        result_token: token,
        device: "counter-2".to_owned(),
    };
    let mut client = ResultsClient::new(channel.clone());
    client.redeem_result(request).await.map(drop)
}

/// Each of these tokens is refused: as used while it lives, as expired afterwards.
pub async fn assert_used_up(channel: &Channel, tokens: &[String]) {
    for token in tokens {
        let expiry = expiry(token);
        let before = now();
        let status = redeem(channel, token.clone()).await;
        let status = status.expect_err("a token served twice");
        let after = now();
        assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
        let reasons: &[&str] = match (before >= expiry, after >= expiry) {
            (false, false) => &["TOKEN_USED"],
            (false, true) => &["TOKEN_USED", "TOKEN_EXPIRED"],
            (true, _) => &["TOKEN_EXPIRED"],
        };
        let info = status.get_details_error_info().expect("has a reason");
        assert!(reasons.contains(&info.reason.as_str()), "{status}");
    }
}

/// The first second at which a token is valid no more.
fn expiry(token: &str) -> i64 {
    let payload = token.split('.').nth(1).expect("three parts");
    let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64");
    let claims: serde_json::Value = serde_json::from_slice(&payload).expect("JSON");
    claims["exp"].as_i64().expect("a number")
}
