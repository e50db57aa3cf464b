//! Any bytes on the wire are a valid request, or named violations.

#![no_main]

use libfuzzer_sys::fuzz_target;
use padan::grpc::{parse_timeout, proto, requests};
use padan::verify::Reference;
use prost::Message;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = proto::VerifyRequest::decode(bytes) {
        match requests::verify(request) {
            Ok((meta, task)) => {
                assert_id(&meta.request_id);
                assert!(!task.probe.is_empty());
                assert!(matches!(task.reference, Reference::Sample(image) if !image.is_empty()));
                assert!(task.policy.chars().count() <= 128);
            }
            Err(violations) => assert!(!violations.is_empty()),
        }
    }
    if let Ok(request) = proto::AssessCaptureRequest::decode(bytes) {
        match requests::assess(request) {
            Ok((meta, (image, _))) => {
                assert_id(&meta.request_id);
                assert!(!image.is_empty());
            }
            Err(violations) => assert!(!violations.is_empty()),
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = parse_timeout(text);
    }
});

/// A request id goes into logs: it must not be able to forge a line.
fn assert_id(id: &str) {
    assert!((1..=128).contains(&id.len()));
    assert!(
        id.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte))
    );
}
