//! Clients that hang up in the middle of anything leave the server healthy and their places free.

use std::io::Write;
use std::net::TcpStream;

use padan::grpc::proto::GetServiceInfoRequest;

use super::SERVER;
use super::raw::{RawClient, framed};
use crate::support::{TestServer, config, eventually, genuine};

#[tokio::test]
async fn half_a_connection_does_no_harm() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let server = SERVER.get();
    let address = server.url.trim_start_matches("http://");
    let settings_and_garbage = [PREFACE, b"\0\0\0\x04\0\0\0\0\0", &[0xFF; 300]].concat();
    for bytes in [
        b"",
        &PREFACE[..1],
        &PREFACE[..12],
        PREFACE,
        b"GET / HTTP/1.1\r\n\r\n",
        &settings_and_garbage,
    ] {
        let mut stream = TcpStream::connect(address).expect("connects");
        stream.write_all(bytes).expect("sends");
    }
    server.assert_well().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_frees_its_place() {
    let mut config = config();
    config.server.requests_max = 1;
    let server = TestServer::start(&config).await;
    let request = framed(&genuine());
    for sent in [0, 3, 5, 1000, request.len() - 1, request.len()] {
        for hangs_up in [false, true] {
            let client = RawClient::connect(&server).await;
            let mut call = client.open("Verify", None).await;
            call.send(request.slice(..sent), sent == request.len());
            if hangs_up {
                drop(client);
            }
            // Resets the stream, if the connection is still there.
            drop(call);
            eventually("the place is free again", async || {
                let mut other = server.client().await;
                other
                    .get_service_info(GetServiceInfoRequest {})
                    .await
                    .is_ok()
            })
            .await;
        }
    }
    eventually("its samples leave the queue", async || {
        server.metric("padan_queue_length") == Some(0.0)
    })
    .await;
    server.assert_well().await;
}

#[tokio::test]
async fn a_caller_that_stops_waiting_does_no_harm() {
    let server = SERVER.get();
    for _ in 0..20 {
        let mut client = server.client().await;
        let call = tokio::spawn(async move { client.verify(genuine()).await });
        tokio::task::yield_now().await;
        call.abort();
    }
    server.assert_well().await;
}
