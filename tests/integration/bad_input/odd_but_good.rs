//! Unusual files that are faces all the same: their outcome is a decision, not an error.

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageEncoder, ImageFormat, RgbImage};
use padan::grpc::proto::{Decision, ReasonCode, VerifyResponse};

use super::SERVER;
use crate::support::{encode, picture, portrait, verify_request};

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Bytes {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).expect("encodes");
    bytes.into_inner().into()
}

/// Files that show `person_a_1` in encodings that a careless decoder gets wrong.
fn variants() -> Vec<(&'static str, Bytes)> {
    let portrait_of = DynamicImage::from(picture("person_a_1.jpg"));
    let padded = [portrait("person_a_1.jpg").as_ref(), &[0xA5; 4096]].concat();
    vec![
        (
            "grey JPEG",
            encoded(&portrait_of.to_luma8().into(), ImageFormat::Jpeg),
        ),
        (
            "grey PNG",
            encoded(&portrait_of.to_luma8().into(), ImageFormat::Png),
        ),
        (
            "16-bit PNG",
            encoded(&portrait_of.to_rgb16().into(), ImageFormat::Png),
        ),
        (
            "16-bit grey PNG with alpha",
            encoded(&portrait_of.to_luma_alpha16().into(), ImageFormat::Png),
        ),
        (
            "RGBA PNG",
            encoded(&portrait_of.to_rgba8().into(), ImageFormat::Png),
        ),
        ("WebP", encoded(&portrait_of, ImageFormat::WebP)),
        (
            "WebP with alpha",
            encoded(&portrait_of.to_rgba8().into(), ImageFormat::WebP),
        ),
        ("CMYK JPEG", portrait("derived/person_a_1_cmyk.jpg")),
        (
            "progressive JPEG",
            portrait("derived/person_a_1_progressive.jpg"),
        ),
        ("palette PNG", portrait("derived/person_a_1_palette.png")),
        ("JPEG with bytes after its end", padded.into()),
    ]
}

#[tokio::test]
async fn every_encoding_of_a_face_matches_its_person() {
    for (name, reference) in variants() {
        let request = verify_request(portrait("person_a_2.jpg"), reference);
        let answer = SERVER.get().verify(request).await;
        let answer = answer.unwrap_or_else(|status| panic!("{name}: {status:?}"));
        assert_eq!(
            answer.decision(),
            Decision::Match,
            "{name}: {:?}",
            answer.similarity
        );
    }
}

#[tokio::test]
async fn lossless_encodings_give_the_similarity_of_the_original() {
    let original = DynamicImage::from(picture("person_a_1.jpg"));
    let expected = similarity(&compared(encoded(&original, ImageFormat::Png)).await);
    let lossless = [
        encoded(&original.to_rgb16().into(), ImageFormat::Png),
        encoded(&original.to_rgba8().into(), ImageFormat::Png),
        encoded(&original, ImageFormat::WebP),
        portrait("person_a_1.jpg"),
    ];
    for (number, reference) in lossless.into_iter().enumerate() {
        let answer = compared(reference).await;
        assert_eq!(
            similarity(&answer).to_bits(),
            expected.to_bits(),
            "number {number}"
        );
    }
}

#[tokio::test]
async fn pictures_too_small_for_a_face_are_outcomes() {
    for (width, height) in [(1, 1), (1, 900), (900, 1), (2, 2), (31, 33)] {
        let tiny = encode(&RgbImage::new(width, height), ImageFormat::Png);
        let request = verify_request(tiny, portrait("person_a_1.jpg"));
        let answer = SERVER.get().verify(request).await.expect("an outcome");
        assert_eq!(
            answer.decision(),
            Decision::RetryCapture,
            "{width}×{height}"
        );
        assert_eq!(
            answer.reasons[0].code(),
            ReasonCode::NoFace,
            "{width}×{height}"
        );
        assert_eq!(answer.similarity, None, "{width}×{height}");
        let report = answer.probe.expect("a report");
        assert_eq!((report.width, report.height), (width, height));
    }
}

#[tokio::test]
async fn all_eight_orientations_are_the_same_picture() {
    let upright = picture("person_a_2.jpg");
    let mut similarities = Vec::new();
    for tag in 1..=8 {
        let request = verify_request(turned(&upright, tag), portrait("person_a_1.jpg"));
        let answer = SERVER.get().verify(request).await.expect("a decision");
        assert_eq!(answer.decision(), Decision::Match, "orientation {tag}");
        let report = answer.probe.as_ref().expect("a report");
        assert_eq!(
            (report.width, report.height),
            upright.dimensions(),
            "orientation {tag}"
        );
        assert_eq!(report.quarter_turns, 0, "orientation {tag}");
        similarities.push(similarity(&answer));
    }
    for (index, similarity) in similarities.iter().enumerate() {
        let difference = (similarity - similarities[0]).abs();
        assert!(
            difference < 0.02,
            "orientation {}: {similarities:?}",
            index + 1
        );
    }
}

/// A file whose EXIF orientation makes it look like `upright`.
fn turned(upright: &RgbImage, tag: u8) -> Bytes {
    let inverse = match Orientation::from_exif(tag).expect("a tag") {
        Orientation::Rotate90 => Orientation::Rotate270,
        Orientation::Rotate270 => Orientation::Rotate90,
        // Mirrors and half turns undo themselves.
        other => other,
    };
    let mut stored = DynamicImage::from(upright.clone());
    stored.apply_orientation(inverse);
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
    encoder
        .set_exif_metadata(exif(tag))
        .expect("JPEG carries EXIF");
    stored.write_with_encoder(encoder).expect("encodes");
    bytes.into()
}

/// A TIFF structure with one entry: tag 0x0112, a short, once.
fn exif(orientation: u8) -> Vec<u8> {
    let entry = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0";
    [entry.as_slice(), &[orientation, 0, 0, 0], &[0; 4]].concat()
}

async fn compared(reference: Bytes) -> VerifyResponse {
    let request = verify_request(portrait("person_a_2.jpg"), reference);
    SERVER.get().verify(request).await.expect("a decision")
}

fn similarity(answer: &VerifyResponse) -> f32 {
    answer.similarity.expect("the two were compared")
}
