use std::io::Cursor;

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::metadata::Orientation;
use proptest::prelude::*;

use super::super::{
    DecodeError, Decoded, ImageLimits, Picture, decode as decode_whole, decode_at,
    decode_for_detection,
};
use super::*;

const REDUCED: [Reduction; 3] = [Reduction::Half, Reduction::Quarter, Reduction::Eighth];

/// Smooth in all channels, and different in each corner.
fn scene(width: u32, height: u32) -> RgbImage {
    let share = |at: u32, of: u32| u8::try_from(at * 200 / of).expect("small");
    RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([20 + share(x, width), 20 + share(y, height), 120])
    })
}

fn jpeg_of(image: &DynamicImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    image
        .write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Jpeg)
        .expect("encodes");
    bytes
}

fn jpeg() -> Vec<u8> {
    jpeg_of(&scene(160, 96).into())
}

fn at(bytes: &[u8], reduction: Reduction) -> Result<Decoded, DecodeError> {
    decode_at(bytes, &ImageLimits::default(), reduction)
}

fn whole(bytes: &[u8]) -> Picture {
    decode_whole(bytes, &ImageLimits::default()).expect("decodes")
}

/// The largest difference to the whole picture, reduced afterwards.
fn difference(bytes: &[u8], decoded: &Decoded) -> u8 {
    let whole = whole(bytes);
    let image = RgbImage::from_raw(whole.width(), whole.height(), whole.rgb().to_vec());
    let (width, height) = (decoded.picture.width(), decoded.picture.height());
    let image = image.expect("sizes agree");
    let expected = imageops::resize(&image, width, height, FilterType::Triangle);
    let pairs = decoded.picture.rgb().iter().zip(expected.as_raw());
    pairs.map(|(a, b)| a.abs_diff(*b)).max().expect("pixels")
}

/// The file with a segment after its start.
fn with_segment(bytes: &[u8], marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).expect("short");
    let mut with = vec![0xFF, 0xD8, 0xFF, marker];
    with.extend(length.to_be_bytes());
    with.extend(content);
    with.extend(&bytes[2..]);
    with
}

fn with_exif(bytes: &[u8], orientation: u8) -> Vec<u8> {
    let mut tiff = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    tiff.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    with_segment(bytes, 0xE1, &tiff)
}

fn with_adobe(bytes: &[u8], transform: u8) -> Vec<u8> {
    with_segment(
        bytes,
        0xEE,
        &[b"Adobe\0\x64\0\0\0\0".as_slice(), &[transform]].concat(),
    )
}

/// Where the frame header's content begins: length, precision, height, width, components.
fn frame_at(bytes: &[u8]) -> usize {
    let found = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]);
    found.expect("a baseline frame") + 2
}

#[test]
fn a_reduced_picture_shows_what_the_whole_one_shows() {
    let colour = jpeg();
    let grey = jpeg_of(&DynamicImage::from(scene(160, 96)).to_luma8().into());
    for bytes in [&colour, &grey, &with_adobe(&colour, 1)] {
        for reduction in REDUCED {
            let decoded = at(bytes, reduction).expect("decodes");
            assert_eq!(decoded.reduction, reduction);
            assert_eq!((decoded.sample_width(), decoded.sample_height()), (160, 96));
            let differ = difference(bytes, &decoded);
            assert!(differ <= 6, "{reduction:?}: {differ}");
        }
    }
}

#[test]
fn all_eight_orientations_come_out_upright_at_every_reduction() {
    for tag in 1..=8_u8 {
        let bytes = with_exif(&jpeg(), tag);
        let turned = Orientation::from_exif(tag).expect("a tag");
        let mut expected = DynamicImage::from(scene(160, 96));
        expected.apply_orientation(turned);
        for reduction in REDUCED {
            let decoded = at(&bytes, reduction).expect("decodes");
            assert_eq!(decoded.reduction, reduction);
            let size = (decoded.sample_width(), decoded.sample_height());
            assert_eq!(size, (expected.width(), expected.height()), "tag {tag}");
            let differ = difference(&bytes, &decoded);
            assert!(differ <= 6, "tag {tag}, {reduction:?}: {differ}");
        }
    }
}

#[test]
fn what_decoders_may_read_differently_is_left_to_the_full_one() {
    let colour = jpeg();
    // Red, green and blue as they are: component identifiers of their own, or Adobe says so.
    let mut rgb = colour.clone();
    let frame = frame_at(&rgb);
    let scan = rgb.windows(2).position(|pair| pair == [0xFF, 0xDA]);
    let scan = scan.expect("a scan") + 2;
    for (number, name) in (0..3).zip(*b"RGB") {
        rgb[frame + 8 + 3 * number] = name;
        rgb[scan + 3 + 2 * number] = name;
    }
    let progressive =
        include_bytes!("../../../../tests/portraits/derived/person_a_1_progressive.jpg");
    let cmyk = include_bytes!("../../../../tests/portraits/derived/person_a_1_cmyk.jpg");
    let mut png = Cursor::new(Vec::new());
    let image = DynamicImage::from(scene(64, 64));
    image
        .write_to(&mut png, image::ImageFormat::Png)
        .expect("encodes");
    let odd = jpeg_of(&scene(161, 96).into());
    let cases: [(&str, &[u8]); 7] = [
        ("RGB by name", &rgb),
        ("RGB by Adobe", &with_adobe(&colour, 0)),
        ("an unknown transform", &with_adobe(&colour, 2)),
        ("progressive", progressive),
        ("CMYK", cmyk),
        ("PNG", png.get_ref()),
        ("an odd side", &odd),
    ];
    for (name, bytes) in cases {
        let limits = ImageLimits::default();
        let expected = decode_whole(bytes, &limits);
        let decoded = at(bytes, Reduction::Half);
        if let Ok(decoded) = &decoded {
            assert_eq!(decoded.reduction, Reduction::None, "{name}");
        }
        assert_eq!(decoded.map(|decoded| decoded.picture), expected, "{name}");
    }
    for name in [progressive.as_slice(), cmyk] {
        let picture = whole(name);
        assert!(picture.width().is_multiple_of(4), "not for its sides");
    }
}

#[test]
fn only_a_large_picture_is_reduced_for_detection() {
    let large = jpeg_of(&RgbImage::from_pixel(4000, 3000, image::Rgb([90, 120, 150])).into());
    let limits = ImageLimits::default();
    let decoded = decode_for_detection(&large, &limits).expect("decodes");
    assert_eq!(decoded.reduction, Reduction::Quarter);
    assert_eq!(
        (decoded.picture.width(), decoded.picture.height()),
        (1000, 750)
    );
    let small = decode_for_detection(&jpeg(), &limits).expect("decodes");
    assert_eq!(small.reduction, Reduction::None);
}

#[test]
fn limits_are_those_of_the_whole_picture_and_hold_before_it_is_reduced() {
    let limits = ImageLimits {
        image_pixels_max: 160 * 96 - 1,
        ..ImageLimits::default()
    };
    let mut bytes = jpeg();
    for reduction in REDUCED {
        let refused = decode_at(&bytes, &limits, reduction);
        assert!(matches!(
            refused,
            Err(DecodeError::TooManyPixels { width: 160, .. })
        ));
    }
    // 60,000 × 60,000 pixels, of which the file has a few: nothing may be allocated for them.
    let frame = frame_at(&bytes);
    bytes[frame + 3..frame + 7].copy_from_slice(&[0xEA, 0x60, 0xEA, 0x60]);
    let refused = at(&bytes, Reduction::Eighth);
    assert!(matches!(
        refused,
        Err(DecodeError::TooManyPixels { width: 60_000, .. })
    ));
}

#[test]
fn a_file_cut_anywhere_is_truncated_at_every_reduction() {
    let whole = jpeg();
    for keep in (3..whole.len()).step_by(7) {
        let result = at(&whole[..keep], Reduction::Half);
        assert!(
            matches!(result, Err(DecodeError::Truncated { .. })),
            "{keep}: {result:?}"
        );
    }
}

#[test]
fn decoding_stays_on_the_callers_thread() {
    // Large enough for `jpeg-decoder` to want other threads.
    let bytes = jpeg_of(&scene(1024, 768).into());
    let threads = std::thread::spawn(move || {
        let before = rayon::current_thread_index();
        let decoded = at(&bytes, Reduction::Half).expect("decodes");
        assert_eq!(decoded.reduction, Reduction::Half);
        (
            before,
            rayon::current_thread_index(),
            rayon::current_num_threads(),
        )
    });
    assert_eq!(threads.join().expect("no panic"), (None, Some(0), 1));
}

/// Noise, so that damage hits coefficients and not only long runs of nothing.
fn noisy() -> Vec<u8> {
    let noise = |n: u32| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).expect("8 bits");
    let pixels: Vec<u8> = (0..48 * 32 * 3).map(noise).collect();
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 60)
        .encode(&pixels, 48, 32, ExtendedColorType::Rgb8)
        .expect("encodes");
    bytes
}

proptest! {
    #[test]
    fn damaged_files_are_pictures_of_the_right_size_or_refused(
        damage in proptest::collection::vec((0.0_f64..1.0, any::<u8>()), 1..4),
        which in 0_usize..3,
    ) {
        let mut bytes = noisy();
        for (place, value) in damage {
            let place = (place * bytes.len() as f64) as usize;
            bytes[place] = value;
        }
        let limits = ImageLimits { image_pixels_max: 1 << 20, ..ImageLimits::default() };
        let (whole, reduced) = (
            decode_at(&bytes, &limits, Reduction::None),
            decode_at(&bytes, &limits, REDUCED[which]),
        );
        if let (Ok(whole), Ok(reduced)) = (whole, reduced) {
            prop_assert_eq!(
                (whole.sample_width(), whole.sample_height()),
                (reduced.sample_width(), reduced.sample_height())
            );
        }
    }
}

#[test]
fn codes_without_a_meaning_in_sequence_are_left_to_the_full_decoder() {
    let bytes = jpeg();
    assert_eq!(
        at(&bytes, Reduction::Half).map(|d| d.reduction),
        Ok(Reduction::Half)
    );
    // The first table of AC codes that the encoder writes; a symbol it does not use there.
    let table = bytes
        .windows(5)
        .position(|b| b[..2] == [0xFF, 0xC4] && b[4] >> 4 == 1);
    let symbols = table.expect("has one") + 5 + 16;
    let mut odd = bytes;
    let last = odd[symbols..symbols + 162]
        .iter()
        .rposition(|symbol| *symbol == 0xFA);
    odd[symbols + last.expect("the last of the standard table")] = 0xE0;
    assert_eq!(
        at(&odd, Reduction::Half).map(|d| d.reduction),
        Ok(Reduction::None)
    );
}
