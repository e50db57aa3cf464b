use super::*;

/// A made-up sample with gradients and edges, as a PNG.
fn sample(width: u32, height: u32) -> Vec<u8> {
    let pixel = |x: u32, y: u32| {
        let edge = if (x / 16 + y / 24).is_multiple_of(2) {
            40
        } else {
            0
        };
        [
            (x * 200 / width) as u8 + edge,
            (y * 180 / height) as u8 + edge,
            90,
        ]
    };
    let picture = image::RgbImage::from_fn(width, height, |x, y| image::Rgb(pixel(x, y)));
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .expect("encodes");
    bytes.into_inner()
}

fn apply(degradation: Degradation, sample: &[u8]) -> (Vec<u8>, Picture) {
    let limits = ImageLimits::default();
    let file = degradation.apply(sample, &limits).expect("works");
    let picture = decode(&file, &limits).expect("an image");
    (file, picture)
}

/// A file of these pixels, within the usual limits.
fn unchanged(picture: &Picture) -> Result<Vec<u8>, DegradeError> {
    encode::unchanged(picture, ImageLimits::default().image_bytes_max)
}

/// What compresses worst.
fn noise(width: u32, height: u32) -> Picture {
    let mut rgb = vec![0; (width * height * 3) as usize];
    let mut state = 1_u32;
    rgb.fill_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    Picture::new(width, height, rgb).expect("fits")
}

fn size(picture: &Picture) -> (u32, u32) {
    (picture.width(), picture.height())
}

/// Mean of one colour (0, 1 or 2) of the pixels in a square around a place.
fn mean(picture: &Picture, place: (u32, u32), colour: usize) -> f64 {
    let mut sum = 0.0;
    for y in place.1..place.1 + 8 {
        for x in place.0..place.0 + 8 {
            let at = ((y * picture.width() + x) * 3) as usize + colour;
            sum += f64::from(picture.rgb()[at]);
        }
    }
    sum / 64.0
}

#[test]
fn every_degradation_has_a_name_a_side_and_the_same_result_each_time() {
    let sample = sample(250, 250);
    let mut names = std::collections::BTreeSet::new();
    for degradation in Degradation::ALL {
        let name = degradation.name();
        assert!(names.insert(name), "{name} twice");
        assert_eq!(Degradation::named(name), Some(degradation));
        assert!(!degradation.describe().is_empty());
        let side = match degradation.side() {
            SampleRole::Probe => "probe-",
            SampleRole::Reference => "reference-",
        };
        assert!(name.starts_with(side), "{name}");
        let (one, picture) = apply(degradation, &sample);
        assert_eq!(one, apply(degradation, &sample).0, "{name}");
        let clean = decode(&sample, &ImageLimits::default()).expect("decodes");
        assert_ne!(picture, clean, "{name}");
    }
    assert_eq!(Degradation::named("reference"), None);
}

#[test]
fn small_references_keep_their_shape_and_are_not_enlarged() {
    for (from, small, smallest) in [
        ((250, 250), (240, 240), (120, 120)),
        ((600, 800), (240, 320), (120, 160)),
        ((800, 600), (240, 180), (120, 90)),
        ((300, 1200), (80, 320), (40, 160)),
        ((100, 100), (100, 100), (100, 100)),
    ] {
        let sample = sample(from.0, from.1);
        assert_eq!(
            size(&apply(Degradation::Reference240x320, &sample).1),
            small
        );
        assert_eq!(
            size(&apply(Degradation::Reference120x160, &sample).1),
            smallest
        );
    }
}

#[test]
fn a_chip_has_room_for_4096_bytes_and_they_are_used() {
    let (file, picture) = apply(Degradation::ReferenceJpeg4Kb, &sample(600, 800));
    assert!((3000..=4096).contains(&file.len()), "{} bytes", file.len());
    assert!(picture.width() <= 240 && picture.height() <= 320);
    // Noise takes fewer pixels, and still fits.
    let file = encode::jpeg_of_at_most(noise(240, 320), CHIP_BYTES_MAX).expect("encodes");
    assert!(file.len() <= 4096);
    let small = decode(&file, &ImageLimits::default()).expect("an image");
    assert!(small.width() < 240);
}

#[test]
fn a_wall_is_behind_the_person_and_hardly_on_the_face() {
    let grey = unchanged(&Picture::filled(240, 320, [120; 3])).expect("encodes");
    for (degradation, wall) in [
        (Degradation::ReferenceRedBackground, portrait::RED),
        (Degradation::ReferenceBlueBackground, portrait::BLUE),
    ] {
        let (_, picture) = apply(degradation, &grey);
        for (colour, wanted) in wall.into_iter().enumerate() {
            let wanted = f64::from(wanted);
            assert!((mean(&picture, (2, 2), colour) - wanted).abs() < 1.0);
            assert!((mean(&picture, (230, 60), colour) - wanted).abs() < 1.0);
            let spill = 120.0 * 0.92 + wanted * 0.08;
            assert!((mean(&picture, (116, 140), colour) - spill).abs() < 1.0);
            assert!((mean(&picture, (116, 300), colour) - spill).abs() < 1.0);
        }
    }
}

#[test]
fn the_probe_gets_softer_darker_or_smaller() {
    let sample = sample(400, 300);
    let clean = decode(&sample, &ImageLimits::default()).expect("decodes");
    let contrast = |picture: &Picture| {
        let rows = picture.rgb().chunks_exact(3 * 400);
        let steps = rows.flat_map(|row| row.windows(4).map(|it| it[0].abs_diff(it[3])));
        steps.map(u64::from).sum::<u64>()
    };
    let (_, blurred) = apply(Degradation::ProbeBlur, &sample);
    assert!(contrast(&blurred) < contrast(&clean), "edges are softer");
    assert!(
        (mean(&blurred, (200, 150), 2) - 90.0).abs() < 1.0,
        "the even channel stays"
    );
    let (_, dark) = apply(Degradation::ProbeDark, &sample);
    // 255 × 0.35 × (90 / 255)^1.4 = 20.8, but for what the noise of 64 pixels leaves.
    assert!((mean(&dark, (200, 150), 2) - 20.8).abs() < 3.0);
    let (file, compressed) = apply(Degradation::ProbeCompressed, &sample);
    assert_eq!(size(&compressed), size(&clean));
    assert!(file.starts_with(&[0xff, 0xd8]), "a JPEG");
}

#[test]
fn large_results_stay_within_the_limits() {
    let large = encode::jpeg(&Picture::filled(3000, 2000, [150; 3]), 90).expect("encodes");
    let (file, picture) = apply(Degradation::ProbeDark, &large);
    assert_eq!(size(&picture), (3000, 2000));
    assert!(file.len() < ImageLimits::default().image_bytes_max);
}

#[test]
fn what_was_accepted_is_accepted_when_degraded_whatever_the_limit() {
    let sample = encode::jpeg(&noise(320, 240), 50).expect("encodes");
    // What is kept of noise takes more than that as a PNG, and as a JPEG of quality 95.
    let limits = ImageLimits {
        image_bytes_max: sample.len(),
        ..ImageLimits::default()
    };
    for degradation in Degradation::ALL {
        let file = degradation.apply(&sample, &limits).expect("works");
        assert!(decode(&file, &limits).is_ok(), "{}", degradation.name());
    }
}

#[test]
fn what_is_no_image_is_refused() {
    let limits = ImageLimits::default();
    for degradation in Degradation::ALL {
        let refused = degradation.apply(b"GIF89a", &limits);
        assert!(matches!(refused, Err(DegradeError::Image(_))));
    }
}
