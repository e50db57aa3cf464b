//! TLS with certificate files: who trusts them connects, nobody else does.

use std::path::Path;

use padan::config::{Config, TlsFiles};
use padan::grpc::ServeError;
use padan::grpc::proto::face_verification_client::FaceVerificationClient;
use padan::grpc::proto::{Decision, GetServiceInfoRequest};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use tonic::transport::{Certificate, Channel, ClientTlsConfig};

use crate::support::{TestFolder, TestServer, config, genuine};

fn identity() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate")
}

/// A configuration whose certificate and key files say this.
fn tls_config(folder: &Path, certificate: &str, key: &str) -> Config {
    let files = TlsFiles {
        certificate: folder.join("certificate.pem"),
        key: folder.join("key.pem"),
    };
    std::fs::write(&files.certificate, certificate).expect("writes");
    std::fs::write(&files.key, key).expect("writes");
    let mut config = config();
    config.server.tls = Some(files);
    config
}

async fn connect(server: &TestServer, trusted: &str) -> Result<Channel, tonic::transport::Error> {
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(trusted))
        .domain_name("localhost");
    let endpoint = Channel::from_shared(server.url.replace("http://", "https://"));
    endpoint.expect("a URL").tls_config(tls)?.connect().await
}

#[tokio::test]
async fn only_clients_that_trust_the_certificate_are_served() {
    let folder = TestFolder::new("tls");
    let (own, other) = (identity(), identity());
    let key = own.signing_key.serialize_pem();
    let server = TestServer::start(&tls_config(folder.path(), &own.cert.pem(), &key)).await;

    let channel = connect(&server, &own.cert.pem())
        .await
        .expect("the certificate is trusted");
    let answer = FaceVerificationClient::new(channel).verify(genuine()).await;
    assert_eq!(
        answer.expect("a decision").into_inner().decision(),
        Decision::Match
    );

    let stranger = connect(&server, &other.cert.pem()).await;
    assert!(stranger.is_err(), "another certificate is trusted");

    // The connection may come about; a call over it must not.
    if let Ok(mut plain) = FaceVerificationClient::connect(server.url.clone()).await {
        let answer = plain.get_service_info(GetServiceInfoRequest {}).await;
        answer.expect_err("plain text is not answered");
    }
    let channel = connect(&server, &own.cert.pem())
        .await
        .expect("still served");
    let answer = FaceVerificationClient::new(channel).verify(genuine()).await;
    assert_eq!(
        answer.expect("a decision").into_inner().decision(),
        Decision::Match
    );
}

#[tokio::test]
async fn a_missing_key_file_is_named() {
    let folder = TestFolder::new("tls-missing");
    let own = identity();
    let config = tls_config(folder.path(), &own.cert.pem(), "");
    let key = folder.path().join("key.pem");
    std::fs::remove_file(&key).expect("was there");
    match TestServer::start(&config).await.stop().await {
        Err(ServeError::TlsFile { path, .. }) => assert_eq!(Path::new(&path), key),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_key_that_is_none_or_of_another_certificate_is_refused() {
    let folder = TestFolder::new("tls-wrong");
    let (own, other) = (identity(), identity());
    for key in ["", "not a key", &other.signing_key.serialize_pem()] {
        let config = tls_config(folder.path(), &own.cert.pem(), key);
        let ended = TestServer::start(&config).await.stop().await;
        let failed = matches!(&ended, Err(ServeError::Transport(text)) if !text.is_empty());
        assert!(failed, "{ended:?} with {} bytes of key", key.len());
    }
}
