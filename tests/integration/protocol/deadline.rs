//! Too late is `DEADLINE_EXCEEDED`, whichever timer rings first; never CANCELLED, never a match.

use std::time::Duration;

use padan::grpc::proto::{Decision, VerifyResponse};
use prost::Message;
use tonic::{Code, Request};
use tonic_types::StatusExt;

use super::SERVER;
use super::raw::{RawClient, framed};
use crate::support::{TestServer, config, genuine};

#[tokio::test]
async fn an_expired_deadline_is_deadline_exceeded() {
    let client = RawClient::connect(SERVER.get()).await;
    let request = framed(&genuine());
    for timeout in ["1m", "0m", "1u", "0n", "0H"] {
        for attempt in 0..50 {
            let answer = client.call("Verify", Some(timeout), request.clone()).await;
            assert_eq!(
                answer.code,
                Code::DeadlineExceeded,
                "{timeout}, attempt {attempt}"
            );
            assert!(answer.message.is_empty(), "{timeout}, attempt {attempt}");
        }
    }
    SERVER.get().assert_well().await;
}

/// Deadlines that pass before, during and after the work: each answer is whole or too late.
#[tokio::test]
async fn a_deadline_that_passes_anywhere_gives_a_decision_or_deadline_exceeded() {
    let client = RawClient::connect(SERVER.get()).await;
    let request = framed(&genuine());
    for milliseconds in 1..=150 {
        let timeout = format!("{milliseconds}m");
        let answer = client.call("Verify", Some(&timeout), request.clone()).await;
        match answer.code {
            Code::Ok => {
                let response = VerifyResponse::decode(answer.message).expect("a response");
                assert_eq!(response.decision(), Decision::Match, "{timeout}");
            }
            Code::DeadlineExceeded => assert!(answer.message.is_empty(), "{timeout}"),
            other => panic!("{timeout}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_half_sent_request_is_cut_off_at_its_deadline() {
    let client = RawClient::connect(SERVER.get()).await;
    let mut call = client.open("Verify", Some("50m")).await;
    call.send(framed(&genuine()).slice(..1000), false);
    assert_eq!(call.answer().await.code, Code::DeadlineExceeded);
}

#[tokio::test]
async fn the_servers_own_limit_cuts_off_whoever_asks_for_more() {
    let mut config = config();
    config.server.request_timeout = Duration::from_millis(1);
    let server = TestServer::start(&config).await;
    let status = server
        .verify(genuine())
        .await
        .expect_err("1 ms is too short");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(
        status.get_details_error_info().expect("details").reason,
        "EXPIRED"
    );

    let mut patient = Request::new(genuine());
    patient.set_timeout(Duration::from_hours(1));
    let status = server
        .verify(patient)
        .await
        .expect_err("the server grants 1 ms");
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_malformed_timeout_is_ignored() {
    for timeout in ["soon", "5", "S", "-1S", "1.5S", "123456789S", "1 S", "5s"] {
        let mut request = Request::new(genuine());
        request
            .metadata_mut()
            .insert("grpc-timeout", timeout.parse().expect("ASCII"));
        let answer = SERVER.get().verify(request).await;
        let answer = answer.unwrap_or_else(|status| panic!("{timeout}: {status:?}"));
        assert_eq!(answer.decision(), Decision::Match, "{timeout}");
    }
}
