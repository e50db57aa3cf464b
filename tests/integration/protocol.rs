//! What the wire promises: health, reflection, limits, codes, what runs, metrics.

mod clients_gone;
mod deadline;
mod drain;
pub mod raw;
mod tls;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use bytes::Bytes;
use padan::grpc::proto;
use padan::model::Manifest;
use padan::telemetry::serve_metrics;
use tokio::net::TcpListener;
use tonic::Code;
use tonic::codegen::http::uri::PathAndQuery;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_prost::ProstCodec;
use tonic_reflection::pb;

use crate::support::{
    SharedServer, TestServer, assess_request, bad_fields, config, genuine, portrait, verify_request,
};

static SERVER: SharedServer = SharedServer::new();

const SERVICE: &str = "padan.v1.FaceVerification";

#[tokio::test]
async fn health_is_serving_by_name_and_overall() {
    let mut health = SERVER.get().health().await;
    for service in [SERVICE, ""] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let answer = health
            .check(request)
            .await
            .expect("a known service")
            .into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "\"{service}\"");
    }
    let request = HealthCheckRequest {
        service: "padan.v1.Search".to_owned(),
    };
    let status = health.check(request).await.expect_err("an unknown service");
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn reflection_v1_lists_and_describes_the_service() {
    use pb::v1::server_reflection_client::ServerReflectionClient;
    use pb::v1::server_reflection_request::MessageRequest;
    use pb::v1::server_reflection_response::MessageResponse;

    let ask = async |question| {
        let mut client = ServerReflectionClient::new(SERVER.get().channel().await);
        let host = String::new();
        let request = pb::v1::ServerReflectionRequest {
            host,
            message_request: Some(question),
        };
        let stream = client
            .server_reflection_info(tokio_stream::once(request))
            .await;
        let answer = stream.expect("answers").into_inner().message().await;
        answer
            .expect("an answer")
            .and_then(|answer| answer.message_response)
    };
    match ask(MessageRequest::ListServices(String::new())).await {
        Some(MessageResponse::ListServicesResponse(list)) => {
            let names: Vec<_> = list
                .service
                .into_iter()
                .map(|service| service.name)
                .collect();
            assert!(names.contains(&SERVICE.to_owned()), "{names:?}");
            assert!(
                names.contains(&"grpc.health.v1.Health".to_owned()),
                "{names:?}"
            );
        }
        other => panic!("{other:?}"),
    }
    match ask(MessageRequest::FileContainingSymbol(format!(
        "{SERVICE}.Verify"
    )))
    .await
    {
        Some(MessageResponse::FileDescriptorResponse(files)) => {
            let file = files.file_descriptor_proto.concat();
            assert!(file.windows(13).any(|text| text == b"VerifyRequest"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn reflection_v1alpha_lists_the_service() {
    use pb::v1alpha::server_reflection_client::ServerReflectionClient;
    use pb::v1alpha::server_reflection_request::MessageRequest;
    use pb::v1alpha::server_reflection_response::MessageResponse;

    let mut client = ServerReflectionClient::new(SERVER.get().channel().await);
    let request = pb::v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let stream = client
        .server_reflection_info(tokio_stream::once(request))
        .await;
    let answer = stream
        .expect("answers")
        .into_inner()
        .message()
        .await
        .expect("an answer");
    match answer.and_then(|answer| answer.message_response) {
        Some(MessageResponse::ListServicesResponse(list)) => {
            assert!(
                list.service.iter().any(|service| service.name == SERVICE),
                "{list:?}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_oversize_message_is_an_invalid_argument_that_says_the_limit() {
    let server = SERVER.get();
    let info = info(server).await;
    let limit = info.limits.expect("limits").message_bytes_max;
    let too_large = vec![0; usize::try_from(limit).expect("fits") + 1];
    for _ in 0..10 {
        let mut client = server.client().await;
        let answer = client
            .assess_capture(assess_request(too_large.clone()))
            .await;
        let status = answer.expect_err("over the limit");
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert!(status.message().contains(&limit.to_string()), "{status:?}");
    }
    server.assert_well().await;
}

#[tokio::test]
async fn the_largest_images_fit_into_a_message() {
    let server = SERVER.get();
    let limit = info(server).await.limits.expect("limits").image_bytes_max;
    let padded = |name| {
        let mut bytes = portrait(name).to_vec();
        bytes.resize(usize::try_from(limit).expect("fits"), 0);
        bytes
    };
    let request = verify_request(padded("person_a_2.jpg"), padded("person_a_1.jpg"));
    let answer = server.verify(request).await.expect("within the limits");
    assert_eq!(answer.decision(), proto::Decision::Match);
}

#[tokio::test]
async fn an_unknown_method_is_unimplemented() {
    for path in [
        "/padan.v1.FaceVerification/Identify",
        "/padan.v1.Search/Find",
    ] {
        let mut client = tonic::client::Grpc::new(SERVER.get().channel().await);
        client.ready().await.expect("ready");
        let codec = ProstCodec::<proto::VerifyRequest, proto::VerifyResponse>::new();
        let request = tonic::Request::new(genuine());
        let answer = client
            .unary(request, PathAndQuery::from_static(path), codec)
            .await;
        assert_eq!(
            answer.expect_err("no such method").code(),
            Code::Unimplemented,
            "{path}"
        );
    }
}

#[tokio::test]
async fn bytes_that_are_no_message_are_refused_and_do_no_harm() {
    let server = SERVER.get();
    let client = raw::RawClient::connect(server).await;
    let garbage = Bytes::from_static(b"\0\0\0\0\x05\xFF\xFF\xFF\xFF\xFF");
    let compressed = Bytes::from_static(b"\x01\0\0\0\x01\0");
    let half = Bytes::from_static(b"\0\0\0\0\xFFhalf a message");
    for body in [garbage, compressed, half, Bytes::new()] {
        let answer = client.call("Verify", None, body.clone()).await;
        assert_ne!(answer.code, Code::Ok, "{body:?}");
        assert!(answer.message.is_empty(), "{body:?}");
    }
    server.assert_well().await;
}

#[tokio::test]
async fn service_info_says_what_runs() {
    let config = config();
    let manifest = Manifest::read(&config.models).expect("a manifest");
    let info = info(SERVER.get()).await;
    assert_eq!(info.version, env!("CARGO_PKG_VERSION"));
    assert!(
        info.runtime_version.starts_with("1."),
        "{}",
        info.runtime_version
    );
    assert_eq!((info.execution_provider.as_str(), info.lanes), ("cpu", 2));
    let tasks: Vec<_> = info
        .models
        .iter()
        .map(|model| model.task.as_str())
        .collect();
    assert_eq!(tasks, ["detector", "embedder"]);
    for model in &info.models {
        let entry = manifest.models().iter().find(|entry| entry.id == model.id);
        let entry = entry.expect("the manifest has it");
        assert_eq!(
            (&model.sha256, &model.licence),
            (&entry.sha256, &entry.licence)
        );
    }
    let embedder = &info.models[1];
    assert_eq!(embedder.dimension, 128);
    let policy = &info.policies[0];
    assert_eq!((info.policies.len(), policy.id.as_str()), (1, "activation"));
    assert!(
        policy.version.starts_with("activation@"),
        "{}",
        policy.version
    );
    assert_eq!(policy.model_contract_id, embedder.contract_id);
    assert!(
        policy.fmr_low <= policy.fmr && policy.fmr <= policy.fmr_high,
        "{policy:?}"
    );
    assert!(
        policy.review_from < policy.threshold && policy.impostor_count > 30_000,
        "{policy:?}"
    );
    assert_eq!(policy.data_sha256.len(), 64);
    let limits = info.limits.expect("limits");
    assert_eq!(
        limits.image_bytes_max,
        config.pipeline.image.image_bytes_max as u64
    );
    assert_eq!(
        limits.image_pixels_max,
        config.pipeline.image.image_pixels_max
    );
    assert_eq!(
        limits.image_side_px_max,
        config.pipeline.image.image_side_px_max
    );
    assert!(limits.message_bytes_max > 2 * limits.image_bytes_max);
    assert_eq!(
        limits.queue_length_max as usize,
        config.engine.queue_length_max.get()
    );
    assert_eq!(
        limits.image_formats,
        ["image/jpeg", "image/png", "image/webp"]
    );
}

#[tokio::test]
async fn metrics_count_requests_by_method_and_code_over_http() {
    let server = TestServer::with_defaults().await;
    server.verify(genuine()).await.expect("a decision");
    let refused = server
        .verify(proto::VerifyRequest::default())
        .await
        .expect_err("malformed");
    assert_eq!(bad_fields(&refused).len(), 2);
    info(&server).await;

    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("an address");
    let scrape = Arc::clone(&server.app_metrics);
    let exporter = tokio::spawn(serve_metrics(listener, scrape, std::future::pending()));
    let fetched = tokio::task::spawn_blocking(move || {
        [http_get(address, "/metrics"), http_get(address, "/secrets")]
    });
    let [metrics, missing] = fetched.await.expect("fetched");
    exporter.abort();

    let (head, body) = metrics.split_once("\r\n\r\n").expect("head and body");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(
        head.contains("application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    for line in [
        "padan_requests_total{method=\"Verify\",code=\"OK\"} 1",
        "padan_requests_total{method=\"Verify\",code=\"INVALID_ARGUMENT\"} 1",
        "padan_requests_total{method=\"GetServiceInfo\",code=\"OK\"} 1",
        "padan_decisions_total{decision=\"MATCH\"} 1",
        "padan_lanes_alive 2",
        "padan_lane_crashes_total 0",
        "padan_queue_length 0",
        "# EOF",
    ] {
        assert!(
            body.lines().any(|seen| seen == line),
            "no {line} in:\n{body}"
        );
    }
    assert!(
        body.contains("padan_stage_seconds_count{stage=\"embed\"} 2"),
        "{body}"
    );
    assert!(missing.starts_with("HTTP/1.1 404"), "{missing}");
}

fn http_get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("connects");
    let request = format!("GET {path} HTTP/1.1\r\nHost: padan\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sends");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answers");
    answer
}

async fn info(server: &TestServer) -> proto::GetServiceInfoResponse {
    let mut client = server.client().await;
    let answer = client
        .get_service_info(proto::GetServiceInfoRequest {})
        .await;
    answer.expect("answers").into_inner()
}
