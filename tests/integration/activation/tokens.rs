//! Result tokens: redeemed once, by the device that captured, as they were issued.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use padan::audit::Event;
use padan::decision;
use padan::grpc::proto::results_client::ResultsClient;
use padan::grpc::proto::{self, Decision, RedeemResultRequest};
use padan::token::{self, Claims};
use time::{Duration, OffsetDateTime};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::Office;
use crate::enrolled::{WOMAN, activation_request, subject_of};
use crate::store::{Home, on_both};

on_both!(
    duty_9_a_token_is_redeemed_once_and_says_what_was_decided,
    duty_9_an_altered_token_or_one_from_another_device_is_refused,
    duty_9_a_token_out_of_its_time_is_refused,
    of_many_who_redeem_one_token_at_once_one_succeeds,
);

impl Office {
    pub async fn redeem(
        &self,
        token: &str,
        device: &str,
    ) -> Result<proto::RedeemResultResponse, Status> {
        let request = RedeemResultRequest {
            result_token: token.to_owned(),
            device: device.to_owned(),
        };
        let mut client = ResultsClient::new(self.server.channel().await);
        Ok(client.redeem_result(request).await?.into_inner())
    }

    async fn token(&self) -> String {
        let response = self.verify(activation_request("id", WOMAN, "person_a_2.jpg"));
        response.await.result_token
    }
}

fn assert_refused(result: Result<proto::RedeemResultResponse, Status>, reason: &str) {
    let status = result.expect_err(reason);
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    let info = status.get_details_error_info().expect("has info");
    assert_eq!(info.reason, reason);
}

async fn duty_9_a_token_is_redeemed_once_and_says_what_was_decided(home: &Home) {
    let office = Office::open(home).await;
    let token = office.token().await;
    let result = office.redeem(&token, "counter-2").await.expect("redeemed");
    assert_eq!(result.decision(), Decision::Match);
    assert_eq!(result.purpose(), proto::Purpose::Activation);
    assert_eq!(result.request_id, "id");
    let subject = subject_of(&office.records, WOMAN).to_string();
    assert_eq!(result.subject_hash, subject);
    assert_eq!((&*result.office, &*result.operator), ("3171", "officer-7"));
    assert_refused(office.redeem(&token, "counter-2").await, "TOKEN_USED");
    let entries = office.entries(Event::TokenRedeemed).await;
    assert_eq!(entries.len(), 2, "the use and the refusal");
}

async fn duty_9_an_altered_token_or_one_from_another_device_is_refused(home: &Home) {
    let office = Office::open(home).await;
    let token = office.token().await;
    let altered = altered(&token);
    assert_refused(office.redeem(&altered, "counter-2").await, "TOKEN_ALTERED");
    let other = office.redeem(&token, "counter-3").await;
    assert_refused(other, "TOKEN_OTHER_DEVICE");
    for nonsense in ["x", "a.b.c", &"x".repeat(9000)] {
        let refused = office
            .redeem(nonsense, "counter-2")
            .await
            .expect_err("no token");
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    assert!(office.redeem(&token, "counter-2").await.is_ok());
    assert_eq!(office.entries(Event::TokenRedeemed).await.len(), 6);
}

/// The claims of a token, unchecked.
pub fn payload(token: &str) -> serde_json::Value {
    let part = token.split('.').nth(1).expect("a token");
    let payload = BASE64URL.decode(part).expect("base64");
    serde_json::from_slice(&payload).expect("JSON")
}

/// The same token with another decision in it.
fn altered(token: &str) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let payload = payload(token).to_string();
    assert!(payload.contains("\"MATCH\""), "{payload}");
    let payload = BASE64URL.encode(payload.replace("\"MATCH\"", "\"NO_MATCH\""));
    format!("{}.{payload}.{}", parts[0], parts[2])
}

/// A token as this service issues it, of `seconds` ago, that lives as long as one may.
fn issued(office: &Office, seconds: i64) -> String {
    let issued = OffsetDateTime::now_utc() - Duration::seconds(seconds);
    let mut nonce = [0; 16];
    padan::keys::fill_random(&mut nonce).expect("random bytes");
    let claims = Claims {
        subject: subject_of(&office.records, WOMAN),
        device: "counter-2".to_owned(),
        operator: "officer-7".to_owned(),
        office: "3171".to_owned(),
        purpose: "ACTIVATION".to_owned(),
        decision: decision::Decision::Match,
        review: None,
        request_id: "id".to_owned(),
        nonce,
        issued,
        expires: issued + token::LIFE_MAX,
    };
    token::issue(office.records.keys().token_key(), &claims).expect("a token")
}

async fn duty_9_a_token_out_of_its_time_is_refused(home: &Home) {
    let office = Office::open(home).await;
    for (token, reason) in [
        (issued(&office, 3600), "TOKEN_EXPIRED"),
        // By one second: its last moment is over.
        (issued(&office, 91), "TOKEN_EXPIRED"),
        // An hour to come is more than two clocks differ by.
        (issued(&office, -3600), "TOKEN_NOT_YET_VALID"),
    ] {
        assert_refused(office.redeem(&token, "counter-2").await, reason);
        let entries = office.entries(Event::TokenRedeemed).await;
        let last = entries.iter().max_by_key(|entry| entry.sequence);
        assert_eq!(last.expect("its entry").reasons[0].as_str(), reason);
    }
    assert_eq!(office.entries(Event::TokenRedeemed).await.len(), 3);
    // Nothing but the clock was against them.
    let redeemed = office.redeem(&issued(&office, 0), "counter-2").await;
    assert_eq!(redeemed.expect("in its time").decision(), Decision::Match);
}

async fn of_many_who_redeem_one_token_at_once_one_succeeds(home: &Home) {
    let office = Office::open(home).await;
    let token = office.token().await;
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let mut client = ResultsClient::new(office.server.channel().await);
        let request = RedeemResultRequest {
            result_token: token.clone(),
            device: "counter-2".to_owned(),
        };
        asked.spawn(async move { client.redeem_result(request).await.is_ok() });
    }
    let redeemed = asked.join_all().await;
    assert_eq!(redeemed.iter().filter(|it| **it).count(), 1);
}
