//! What is refused before its body is read.

use padan::grpc::proto::{AssessCaptureRequest, Decision, GetServiceInfoRequest, VerifyResponse};
use prost::Message;
use tonic::Code;

use super::{assert_busy, sized};
use crate::protocol::raw::{RawClient, framed, half_a_call};
use crate::support::{TestServer, config, genuine};

#[tokio::test]
async fn without_room_for_a_pair_a_call_is_refused_before_its_body_is_sent() {
    // Room for one sample: what needs no lane or one place is let in, a pair never.
    let server = TestServer::start(&sized(1, 1)).await;
    let client = RawClient::connect(&server).await;
    let call = client.open("Verify", None).await;
    let answer = call.answer().await;
    assert_eq!(answer.code, Code::ResourceExhausted);
    let sample = genuine().probe;
    let assessed = server
        .client()
        .await
        .assess_capture(AssessCaptureRequest {
            sample,
            ..AssessCaptureRequest::default()
        })
        .await;
    assert!(assessed.is_ok(), "one place is enough for one sample");
    let info = server
        .client()
        .await
        .get_service_info(GetServiceInfoRequest {})
        .await;
    assert!(info.is_ok(), "needs no place");
}

#[tokio::test]
async fn the_door_refuses_one_request_too_many_but_not_health() {
    let mut config = config();
    config.server.requests_max = 1;
    let server = TestServer::start(&config).await;
    let client = RawClient::connect(&server).await;
    let mut call = half_a_call(&server, &client, 100_000).await;
    let mut second = server.client().await;
    let refused = second.get_service_info(GetServiceInfoRequest {}).await;
    assert_busy(&refused.expect_err("no place"));
    assert_busy(&server.verify(genuine()).await.expect_err("no place"));
    let health = server
        .health()
        .await
        .check(tonic_health::pb::HealthCheckRequest::default())
        .await;
    assert!(health.is_ok(), "health needs no place");

    call.send(framed(&genuine()).slice(100_000..), true);
    let answer = call.answer().await;
    assert_eq!(answer.code, Code::Ok);
    let response = VerifyResponse::decode(answer.message).expect("a response");
    assert_eq!(response.decision(), Decision::Match);
    server.assert_well().await;
}
