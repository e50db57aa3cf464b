//! What is not acceptable is refused with the field, what arrived and what is accepted, and does
//! no harm to the server.

mod odd_but_good;

use image::{ImageFormat, RgbImage};
use padan::grpc::proto;
use tonic::{Code, Status};

use crate::support::{
    SharedServer, TestServer, assess_request, bad_fields, encode, genuine, picture, portrait,
    verify_request,
};

static SERVER: SharedServer = SharedServer::new();

/// An image that is refused, and words that the error must have.
type BadImage = (&'static str, Vec<u8>, &'static [&'static str]);

const ACCEPTED: &str = "JPEG, PNG and WebP";

fn foreign_files() -> Vec<BadImage> {
    let ftyp = |brand: &[u8]| [b"\0\0\0\x18ftyp", brand, b"\0\0\0\0mif1miaf", &[0; 200]].concat();
    let noise = (0_u32..5000).map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]);
    vec![
        ("heic", ftyp(b"heic"), &["a HEIC file", ACCEPTED]),
        ("avif", ftyp(b"avif"), &["an AVIF file", ACCEPTED]),
        (
            "gif",
            b"GIF89a\x01\0\x01\0\0\0\0;".to_vec(),
            &["a GIF file", ACCEPTED],
        ),
        (
            "pdf",
            b"%PDF-1.7\n1 0 obj".to_vec(),
            &["a PDF document", ACCEPTED],
        ),
        (
            "html",
            b"<!doctype html><p>404".to_vec(),
            &["unknown format", ACCEPTED],
        ),
        ("noise", noise.collect(), &["unknown format", ACCEPTED]),
        ("one byte", vec![0xFF], &["unknown format", ACCEPTED]),
        ("empty", Vec::new(), &["empty", "JPEG, PNG or WebP"]),
    ]
}

fn cut_off_files() -> Vec<BadImage> {
    let small = image::imageops::thumbnail(&picture("person_a_1.jpg"), 100, 120);
    let half = |format| {
        let whole = encode(&small, format);
        whole[..whole.len() / 2].to_vec()
    };
    vec![
        (
            "half a JPEG",
            half(ImageFormat::Jpeg),
            &["JPEG image is cut off", "whole file"],
        ),
        (
            "half a PNG",
            half(ImageFormat::Png),
            &["PNG image is cut off", "whole file"],
        ),
        (
            "half a WebP",
            half(ImageFormat::WebP),
            &["WebP image is cut off", "whole file"],
        ),
        (
            "a JPEG's signature",
            vec![0xFF, 0xD8, 0xFF],
            &["JPEG image is cut off"],
        ),
        (
            "a PNG's signature",
            b"\x89PNG\r\n\x1a\n".to_vec(),
            &["PNG image is cut off"],
        ),
        (
            "a WebP's signature",
            b"RIFF\x04\0\0\0WEBP".to_vec(),
            &["WebP image"],
        ),
    ]
}

fn oversized_files() -> Vec<BadImage> {
    let too_many_bytes = [
        portrait("person_a_2.jpg").to_vec(),
        vec![0; 8 * 1024 * 1024],
    ]
    .concat();
    vec![
        (
            "a PNG bomb",
            png_claiming(60_000, 60_000),
            &["60000×60000 pixels", "25000000", "8192"],
        ),
        (
            "a wide JPEG",
            jpeg_claiming(65_535, 65_535),
            &["65535×65535 pixels", "25000000"],
        ),
        (
            "too many pixels",
            png_claiming(5001, 5000),
            &["5001×5000 pixels", "25000000"],
        ),
        (
            "a long side",
            png_claiming(1, 8193),
            &["1×8193 pixels", "8192 a side"],
        ),
        (
            "too many bytes",
            too_many_bytes,
            &["8530385 bytes", "at most 8388608"],
        ),
        (
            "too many scans",
            jpeg_with_scans(101),
            &["too many scans", "baseline JPEG"],
        ),
        ("no pixels", jpeg_claiming(0, 0), &["JPEG image"]),
    ]
}

/// A PNG whose header claims this size; its data is one pixel.
fn png_claiming(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = encode(&RgbImage::new(1, 1), ImageFormat::Png).to_vec();
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let checksum = crc_32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

/// The checksum of PNG chunks (ISO/IEC 15948, annex D).
fn crc_32(bytes: &[u8]) -> u32 {
    let step = |register: u32, _| {
        let shifted = register >> 1;
        if register & 1 == 1 {
            shifted ^ 0xEDB8_8320
        } else {
            shifted
        }
    };
    let byte = |register: u32, byte: &u8| (0..8).fold(register ^ u32::from(*byte), step);
    !bytes.iter().fold(u32::MAX, byte)
}

/// A portrait whose header claims this size.
fn jpeg_claiming(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = portrait("person_a_1.jpg").to_vec();
    let frame = bytes
        .windows(2)
        .position(|pair| pair == [0xFF, 0xC0])
        .expect("baseline");
    bytes[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    bytes[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    bytes
}

/// A progressive portrait with its last scan repeated: small to send, slow to decode.
fn jpeg_with_scans(scans: usize) -> Vec<u8> {
    let bytes = portrait("derived/person_a_1_progressive.jpg");
    let start = bytes
        .windows(2)
        .rposition(|pair| pair == [0xFF, 0xDA])
        .expect("has scans");
    let (front, last) = bytes.split_at(start);
    let (scan, end) = last.split_at(last.len() - 2);
    [front, &scan.repeat(scans), end].concat()
}

/// What the three image fields of the service answer to one image.
async fn answers(server: &TestServer, image: &[u8]) -> [(&'static str, Option<Status>); 3] {
    let (bad, good) = (image.to_vec(), portrait("person_a_1.jpg"));
    let mut client = server.client().await;
    let probe = client
        .verify(verify_request(bad.clone(), good.clone()))
        .await;
    let reference = client.verify(verify_request(good, bad.clone())).await;
    let sample = client.assess_capture(assess_request(bad)).await;
    [
        ("probe.image", probe.err()),
        ("reference_sample.image", reference.err()),
        ("sample.image", sample.err()),
    ]
}

async fn assert_all_refused(images: Vec<BadImage>) {
    let server = SERVER.get();
    for (name, image, words) in images {
        for (field, status) in answers(server, &image).await {
            let status = status.unwrap_or_else(|| panic!("{name} was accepted as {field}"));
            assert_eq!(
                status.code(),
                Code::InvalidArgument,
                "{name} as {field}: {status:?}"
            );
            assert_eq!(bad_fields(&status), [field], "{name}: {status:?}");
            for word in [&[field], words].concat() {
                let message = status.message();
                assert!(
                    message.contains(word),
                    "{name} as {field}: {message}, no \"{word}\""
                );
            }
        }
    }
    server.assert_well().await;
}

#[tokio::test]
async fn foreign_files_are_refused_by_name_and_do_no_harm() {
    assert_all_refused(foreign_files()).await;
}

#[tokio::test]
async fn cut_off_files_are_refused_and_do_no_harm() {
    assert_all_refused(cut_off_files()).await;
}

#[tokio::test]
async fn bombs_and_oversized_files_are_refused_with_the_limit_and_do_no_harm() {
    assert_all_refused(oversized_files()).await;
}

#[tokio::test]
async fn both_images_are_bad_and_one_of_them_is_named() {
    let answer = SERVER
        .get()
        .verify(verify_request("GIF89a......", "%PDF-1.7...."))
        .await;
    let status = answer.expect_err("two bad images");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(!bad_fields(&status).is_empty(), "{status:?}");
}

/// Verify requests that are malformed, and the fields that must be named.
fn malformed() -> Vec<(proto::VerifyRequest, &'static [&'static str])> {
    let meta = |request_id: &str, deadline_class| proto::VerifyRequest {
        meta: Some(proto::RequestMeta {
            request_id: request_id.to_owned(),
            deadline_class,
        }),
        ..genuine()
    };
    let policy = |policy: &str| proto::VerifyRequest {
        policy: policy.to_owned(),
        ..genuine()
    };
    let empty = proto::VerifyRequest::default();
    vec![
        (
            proto::VerifyRequest {
                probe: None,
                ..genuine()
            },
            &["probe"],
        ),
        (
            proto::VerifyRequest {
                reference: None,
                ..genuine()
            },
            &["reference_sample"],
        ),
        (empty, &["probe", "reference_sample"]),
        (meta("", 99), &["meta.deadline_class"]),
        (meta("", -1), &["meta.deadline_class"]),
        (meta("two words", 0), &["meta.request_id"]),
        (meta("nik\n3171", 0), &["meta.request_id"]),
        (meta(&"x".repeat(129), 0), &["meta.request_id"]),
        (meta("é", 99), &["meta.request_id", "meta.deadline_class"]),
        (policy("no-such-policy"), &["policy"]),
        (policy(&"x".repeat(10_000)), &["policy"]),
    ]
}

#[tokio::test]
async fn every_bad_field_of_a_verify_request_is_named() {
    let server = SERVER.get();
    for (request, fields) in malformed() {
        let status = server.verify(request).await.expect_err("malformed");
        assert_eq!(
            status.code(),
            Code::InvalidArgument,
            "{fields:?}: {status:?}"
        );
        assert_eq!(bad_fields(&status), fields, "{status:?}");
        assert!(
            fields.iter().all(|field| status.message().contains(field)),
            "{status:?}"
        );
        assert!(
            status.message().len() < 1000,
            "the error repeats the request: {status:?}"
        );
    }
    server.assert_well().await;
}

#[tokio::test]
async fn every_bad_field_of_an_assess_request_is_named() {
    let server = SERVER.get();
    let good = assess_request(portrait("person_a_2.jpg"));
    let role = |role| proto::AssessCaptureRequest {
        role,
        ..good.clone()
    };
    let cases = [
        (
            proto::AssessCaptureRequest {
                sample: None,
                ..good.clone()
            },
            "sample",
        ),
        (role(-1), "role"),
        (role(3), "role"),
        (role(i32::MAX), "role"),
    ];
    for (request, field) in cases {
        let answer = server.client().await.assess_capture(request).await;
        let status = answer.expect_err("malformed");
        assert_eq!(status.code(), Code::InvalidArgument, "{field}: {status:?}");
        assert_eq!(bad_fields(&status), [field], "{status:?}");
    }
    server.assert_well().await;
}

#[tokio::test]
async fn a_request_id_of_allowed_characters_is_echoed() {
    let request_id = format!("{}._:-9zZ", "x".repeat(121));
    let meta = proto::RequestMeta {
        request_id: request_id.clone(),
        deadline_class: 0,
    };
    let request = proto::VerifyRequest {
        meta: Some(meta),
        ..genuine()
    };
    let answer = SERVER
        .get()
        .verify(request)
        .await
        .expect("128 characters are allowed");
    assert_eq!(answer.request_id, request_id);
}
