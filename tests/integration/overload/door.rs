//! What is refused before its body is read.

use padan::grpc::proto::{Decision, GetServiceInfoRequest, VerifyRequest, VerifyResponse};
use prost::Message;
use tokio::task::JoinHandle;
use tonic::Code;

use super::{answers, assert_busy, send, sized, slow};
use crate::protocol::raw::{RawClient, framed};
use crate::support::{TestServer, config, eventually, genuine};

/// What a call is answered that sends no byte of its body while the queue is full.
async fn answer_to_an_unsent_body(server: &TestServer, work: &VerifyRequest) -> Code {
    let first = send(server, work.clone()).await;
    eventually("one sample on the lane, one in the queue", async || {
        server.metric("padan_queue_length") == Some(1.0) || first.is_finished()
    })
    .await;
    let works = [first, send(server, work.clone()).await];
    eventually("one place left, too few for a pair", async || {
        server.metric("padan_queue_length") == Some(3.0)
            || works.iter().any(JoinHandle::is_finished)
    })
    .await;
    let client = RawClient::connect(server).await;
    let call = client.open("Verify", Some("1S")).await;
    let code = call.answer().await.code;
    let mut client = server.client().await;
    let info = client.get_service_info(GetServiceInfoRequest {}).await;
    assert!(info.is_ok(), "what needs no lane is answered");
    for answer in answers(works.into()).await {
        assert_eq!(answer.expect("accepted").decision(), Decision::Match);
    }
    code
}

#[tokio::test]
async fn a_full_queue_refuses_before_the_body_is_sent() {
    let server = TestServer::start(&sized(1, 4)).await;
    let work = slow();
    // Once is enough unless the machine pauses this test for as long as the work takes.
    for _ in 0..5 {
        let code = answer_to_an_unsent_body(&server, &work).await;
        if code == Code::ResourceExhausted {
            server.assert_well().await;
            return;
        }
        assert_eq!(
            code,
            Code::DeadlineExceeded,
            "it was let in, and sent nothing"
        );
    }
    panic!("it was let in each time");
}

#[tokio::test]
async fn the_door_refuses_one_request_too_many_but_not_health() {
    let mut config = config();
    config.server.requests_max = 1;
    let server = TestServer::start(&config).await;
    let client = RawClient::connect(&server).await;
    let mut call = client.open("Verify", None).await;
    let request = framed(&genuine());
    call.send(request.slice(..100_000), false);
    eventually("the half-sent request holds the only place", async || {
        let answer = server
            .client()
            .await
            .get_service_info(GetServiceInfoRequest {})
            .await;
        answer.is_err_and(|status| {
            assert_busy(&status);
            true
        })
    })
    .await;
    assert_busy(&server.verify(genuine()).await.expect_err("no place"));
    let health = server
        .health()
        .await
        .check(tonic_health::pb::HealthCheckRequest::default())
        .await;
    assert!(health.is_ok(), "health needs no place");

    call.send(request.slice(100_000..), true);
    let answer = call.answer().await;
    assert_eq!(answer.code, Code::Ok);
    let response = VerifyResponse::decode(answer.message).expect("a response");
    assert_eq!(response.decision(), Decision::Match);
    server.assert_well().await;
}
