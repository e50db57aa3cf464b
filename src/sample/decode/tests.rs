use std::io::Cursor;

use image::{ImageEncoder, codecs::jpeg::JpegEncoder, metadata::Orientation};
use proptest::prelude::*;

use super::*;

/// 24×16: red in the top left quarter, blue in the bottom right one, grey elsewhere.
fn flag() -> image::RgbImage {
    image::RgbImage::from_fn(24, 16, |x, y| match (x < 12, y < 8) {
        (true, true) => image::Rgb([220, 20, 20]),
        (false, false) => image::Rgb([20, 20, 220]),
        _ => image::Rgb([128, 128, 128]),
    })
}

fn encode(image: &DynamicImage, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    image
        .write_to(&mut Cursor::new(&mut bytes), format)
        .expect("encodes");
    bytes
}

fn jpeg() -> Vec<u8> {
    encode(&flag().into(), image::ImageFormat::Jpeg)
}

fn colour_at(picture: &Picture, x: u32, y: u32) -> [u8; 3] {
    let at = ((y * picture.width() + x) * 3) as usize;
    picture.rgb()[at..at + 3].try_into().expect("three bytes")
}

fn is_close(a: [u8; 3], b: [u8; 3]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.abs_diff(b) < 24)
}

fn decoded(bytes: &[u8]) -> Result<Picture, DecodeError> {
    decode(bytes, &ImageLimits::default())
}

/// The JPEG with an APP1 segment that carries this EXIF orientation.
fn with_exif(orientation: u8) -> Vec<u8> {
    let mut tiff = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    tiff.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xE1];
    bytes.extend(u16::try_from(tiff.len() + 2).expect("short").to_be_bytes());
    bytes.extend(tiff);
    bytes.extend(&jpeg()[2..]);
    bytes
}

#[test]
fn all_eight_orientations_come_out_upright() {
    for tag in 1..=8_u8 {
        let orientation = Orientation::from_exif(tag).expect("a tag");
        let picture = decoded(&with_exif(tag)).expect("decodes");
        let mut expected = DynamicImage::from(flag());
        expected.apply_orientation(orientation);
        let expected = expected.into_rgb8();
        assert_eq!((picture.width(), picture.height()), expected.dimensions());
        for (x, y) in [(2, 2), (picture.width() - 3, 2), (2, picture.height() - 3)] {
            let (seen, wanted) = (colour_at(&picture, x, y), expected.get_pixel(x, y).0);
            assert!(is_close(seen, wanted), "tag {tag}: {seen:?} {wanted:?}");
        }
    }
}

#[test]
fn an_orientation_that_does_not_exist_is_ignored() {
    let picture = decoded(&with_exif(77)).expect("decodes");
    assert_eq!((picture.width(), picture.height()), (24, 16));
}

#[test]
fn png_variants_decode_to_the_same_colours() {
    let rgb = DynamicImage::from(flag());
    let variants = [
        rgb.clone(),
        DynamicImage::from(rgb.to_rgba8()),
        DynamicImage::from(rgb.to_rgb16()),
        DynamicImage::from(rgb.to_rgba16()),
    ];
    for variant in variants {
        let picture = decoded(&encode(&variant, image::ImageFormat::Png)).expect("decodes");
        assert_eq!(picture.rgb(), rgb.as_bytes(), "{:?}", variant.color());
    }
}

#[test]
fn grey_pictures_decode_to_equal_channels() {
    let grey = DynamicImage::from(DynamicImage::from(flag()).to_luma8());
    for format in [image::ImageFormat::Png, image::ImageFormat::Jpeg] {
        let picture = decoded(&encode(&grey, format)).expect("decodes");
        assert!(
            picture
                .rgb()
                .chunks(3)
                .all(|p| p[0] == p[1] && p[1] == p[2])
        );
    }
}

#[test]
fn transparency_is_laid_over_white() {
    let mut rgba = DynamicImage::from(flag()).to_rgba8();
    rgba.pixels_mut().for_each(|pixel| pixel.0[3] = 0);
    let bytes = encode(&rgba.into(), image::ImageFormat::Png);
    assert!(
        decoded(&bytes)
            .expect("decodes")
            .rgb()
            .iter()
            .all(|&byte| byte == 255)
    );
    assert_eq!(blend_over_white(0, 255), 0);
    assert_eq!(blend_over_white(0, 128), 127);
}

#[test]
fn webp_decodes() {
    let bytes = encode(&flag().into(), image::ImageFormat::WebP);
    assert_eq!(
        decoded(&bytes).expect("decodes").rgb(),
        flag().as_raw().as_slice()
    );
}

#[test]
fn formats_that_are_not_accepted_are_named() {
    let cases: [(&[u8], &str); 6] = [
        (b"GIF89a..........", "a GIF file"),
        (b"%PDF-1.7 .......", "a PDF document"),
        (b"\0\0\0\x18ftypheic....", "a HEIC file"),
        (b"\0\0\0\x18ftypavif....", "an AVIF file"),
        (b"<html>..........", "of an unknown format"),
        (b"\xFF", "of an unknown format"),
    ];
    for (bytes, found) in cases {
        assert_eq!(decoded(bytes), Err(DecodeError::UnknownFormat { found }));
    }
    assert_eq!(decoded(b""), Err(DecodeError::Empty));
}

#[test]
fn a_jpeg_cut_anywhere_is_truncated() {
    let whole = with_exif(1);
    assert!(decoded(&whole).is_ok());
    for keep in 3..whole.len() {
        let result = decoded(&whole[..keep]);
        let truncated = DecodeError::Truncated {
            format: ImageFormat::Jpeg,
        };
        assert_eq!(result, Err(truncated), "{keep} of {}", whole.len());
    }
}

#[test]
fn png_and_webp_cut_in_the_middle_are_refused() {
    for format in [image::ImageFormat::Png, image::ImageFormat::WebP] {
        let whole = encode(&flag().into(), format);
        assert!(decoded(&whole[..whole.len() / 2]).is_err(), "{format:?}");
    }
}

#[test]
fn limits_hold_before_pixels_are_allocated() {
    let limits = ImageLimits {
        image_bytes_max: 10_000,
        image_pixels_max: 300,
        image_side_px_max: 23,
    };
    let refused = decode(&jpeg(), &limits).expect_err("too many pixels");
    assert!(matches!(
        refused,
        DecodeError::TooManyPixels { width: 24, .. }
    ));
    let limits = ImageLimits {
        image_bytes_max: 10,
        ..limits
    };
    let refused = decode(&jpeg(), &limits).expect_err("too many bytes");
    assert!(matches!(
        refused,
        DecodeError::TooManyBytes { limit: 10, .. }
    ));
}

#[test]
fn a_header_that_claims_a_huge_picture_is_refused_cheaply() {
    // A PNG of 60,000 × 60,000 pixels in a few bytes.
    let mut bytes = Vec::new();
    image::codecs::png::PngEncoder::new(&mut bytes)
        .write_image(&[0; 3], 1, 1, image::ExtendedColorType::Rgb8)
        .expect("encodes");
    bytes[16..24].copy_from_slice(&[0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60]);
    let crc = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    let refused = decoded(&bytes).expect_err("a bomb");
    assert!(
        matches!(refused, DecodeError::TooManyPixels { width: 60_000, .. }),
        "{refused:?}"
    );
}

/// CRC-32 as PNG uses it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// Where a marker stands in a JPEG file.
fn marker_at(bytes: &[u8], marker: u8) -> usize {
    let found = bytes.windows(2).position(|pair| pair == [0xFF, marker]);
    found.expect("has the marker")
}

/// The JPEG with its scan repeated.
fn with_scans(whole: &[u8], scans: u64) -> Vec<u8> {
    let scan = marker_at(whole, 0xDA);
    let body = &whole[scan..whole.len() - 2];
    let mut bytes = whole[..scan].to_vec();
    (0..scans).for_each(|_| bytes.extend(body));
    bytes.extend([0xFF, 0xD9]);
    bytes
}

#[test]
fn a_jpeg_with_endless_scans_is_refused() {
    let refused = decoded(&with_scans(&jpeg(), jpeg::SCANS_MAX + 1));
    assert_eq!(refused, Err(DecodeError::TooManyScans));
}

#[test]
fn a_large_jpeg_may_have_fewer_scans_than_a_small_one() {
    let mut large = jpeg();
    let frame = marker_at(&large, 0xC0);
    // 8000 × 3000 pixels.
    large[frame + 5..frame + 9].copy_from_slice(&[0x0B, 0xB8, 0x1F, 0x40]);
    assert!(jpeg::check_structure(&with_scans(&large, 10)).is_ok());
    let refused = jpeg::check_structure(&with_scans(&large, 11));
    assert_eq!(refused, Err(DecodeError::TooManyScans));
    assert!(jpeg::check_structure(&with_scans(&jpeg(), 11)).is_ok());
}

#[test]
fn one_pixel_is_a_picture() {
    let image = image::RgbImage::from_pixel(1, 1, image::Rgb([1, 2, 3]));
    let bytes = encode(&image.into(), image::ImageFormat::Png);
    assert_eq!(decoded(&bytes).expect("decodes").rgb(), [1, 2, 3]);
}

#[test]
fn bytes_after_the_end_do_no_harm() {
    let mut bytes = jpeg();
    bytes.extend(b"trailing bytes of a motion photo");
    assert!(decoded(&bytes).is_ok());
}

#[test]
fn a_jpeg_quality_ladder_decodes() {
    for quality in [1, 30, 100] {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, quality)
            .encode_image(&flag())
            .expect("encodes");
        assert!(decoded(&bytes).is_ok(), "{quality}");
    }
}

/// The decoder allocates what a metadata chunk claims before it reads it. Found by fuzzing.
#[test]
fn a_webp_chunk_that_claims_more_than_the_file_has_is_refused() {
    let mut bytes = encode(&flag().into(), image::ImageFormat::WebP);
    let body = bytes.split_off(12);
    let extended = [0x08, 0, 0, 0, 23, 0, 0, 15, 0, 0];
    let mut chunks = [b"VP8X\x0a\0\0\0".as_slice(), &extended, &body].concat();
    chunks.extend(b"EXIF\x1a\0\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0");
    let whole = |chunks: &[u8]| {
        let size = u32::try_from(chunks.len() + 4)
            .expect("short")
            .to_le_bytes();
        [b"RIFF", size.as_slice(), b"WEBP", chunks].concat()
    };
    assert_eq!(decoded(&whole(&chunks)).expect("decodes").width(), 16);
    let size_of_exif = chunks.len() - 26 - 4;
    chunks[size_of_exif + 3] = 0xFF;
    let truncated = DecodeError::Truncated {
        format: ImageFormat::WebP,
    };
    assert_eq!(decoded(&whole(&chunks)), Err(truncated));
}

proptest! {
    #[test]
    fn damaged_files_never_panic(at in 3_usize..400, value: u8, which in 0_usize..3) {
        use image::ImageFormat::{Jpeg, Png, WebP};
        let format = [Jpeg, Png, WebP][which];
        let mut bytes = encode(&flag().into(), format);
        let at = at % bytes.len();
        bytes[at] = value;
        let _ = decoded(&bytes);
    }
}
