//! A stop is told to whoever watches, finishes what is in flight, and takes no more.

use std::time::Duration;

use padan::grpc::proto::{Decision, VerifyResponse};
use padan::grpc::{Drained, ServeError};
use prost::Message;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tonic::{Code, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::SERVICE;
use super::raw::{RawClient, framed, half_a_call};
use crate::support::{TestServer, config, eventually, genuine};

/// A server for one request at a time.
async fn narrow_server(drain_timeout: Duration) -> TestServer {
    let mut config = config();
    config.server.requests_max = 1;
    config.server.drain_timeout = drain_timeout;
    TestServer::start(&config).await
}

async fn watch(server: &TestServer, service: &str) -> Streaming<HealthCheckResponse> {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let mut stream = server
        .health()
        .await
        .watch(request)
        .await
        .expect("a stream")
        .into_inner();
    assert_eq!(
        next(&mut stream).await,
        ServingStatus::Serving,
        "\"{service}\""
    );
    stream
}

async fn next(stream: &mut Streaming<HealthCheckResponse>) -> ServingStatus {
    let message = tokio::time::timeout(Duration::from_mins(1), stream.message()).await;
    let message = message.expect("within a minute").expect("the stream lives");
    message.expect("the stream goes on").status()
}

type Stopping = JoinHandle<Result<Drained, ServeError>>;

fn stop(server: TestServer) -> Stopping {
    tokio::spawn(server.stop())
}

#[tokio::test]
async fn a_request_in_flight_at_the_stop_is_answered_and_watchers_are_told_first() {
    const SENT: usize = 100_000;
    let server = narrow_server(Duration::from_mins(1)).await;
    let address = server.url.trim_start_matches("http://").to_owned();
    let client = RawClient::connect(&server).await;
    let mut watchers = [watch(&server, SERVICE).await, watch(&server, "").await];
    let mut call = half_a_call(&server, &client, SENT).await;

    let stopping = stop(server);
    for watcher in &mut watchers {
        // The connection is open, the call is not answered yet, and the watcher knows.
        assert_eq!(next(watcher).await, ServingStatus::NotServing);
    }
    eventually("new connections are refused", async || {
        TcpStream::connect(&address).await.is_err()
    })
    .await;
    assert!(!stopping.is_finished(), "the call in flight is waited for");

    call.send(framed(&genuine()).slice(SENT..), true);
    let answer = call.answer().await;
    assert_eq!(answer.code, Code::Ok);
    let response = VerifyResponse::decode(answer.message).expect("a response");
    assert_eq!(response.decision(), Decision::Match);
    // The watchers' streams are still open: they are not waited for.
    let drained = stopping.await.expect("no panic").expect("no failure");
    assert_eq!(drained, Drained::Clean);
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_off_at_the_drain_timeout() {
    let server = narrow_server(Duration::from_millis(100)).await;
    let client = RawClient::connect(&server).await;
    let call = half_a_call(&server, &client, 10).await;
    let drained = server.stop().await.expect("no failure");
    assert_eq!(drained, Drained::CutOff);
    drop(call);
}

#[tokio::test]
async fn an_idle_server_stops_clean_whoever_is_connected() {
    let server = TestServer::with_defaults().await;
    let idle = RawClient::connect(&server).await;
    let watcher = watch(&server, "").await;
    server.verify(genuine()).await.expect("a decision");
    let drained = server.stop().await.expect("no failure");
    assert_eq!(drained, Drained::Clean);
    drop((idle, watcher));
}

#[tokio::test]
async fn every_request_of_a_burst_at_the_stop_is_decided_or_refused() {
    let server = TestServer::with_defaults().await;
    let mut calls = Vec::new();
    for _ in 0..12 {
        let mut client = server.client().await;
        calls.push(tokio::spawn(async move { client.verify(genuine()).await }));
    }
    let first = calls.remove(0).await.expect("no panic");
    first.expect("the server still serves");
    assert_eq!(server.stop().await.expect("no failure"), Drained::Clean);
    for call in calls {
        match call.await.expect("no panic") {
            Ok(answer) => assert_eq!(answer.into_inner().decision(), Decision::Match),
            // It had not reached the door.
            Err(status) => {
                let allowed = [Code::Unavailable, Code::ResourceExhausted];
                assert!(allowed.contains(&status.code()), "{status:?}");
            }
        }
    }
}
