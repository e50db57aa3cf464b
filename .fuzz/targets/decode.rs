//! Any bytes are a picture within the limits, or a refusal; never a panic, never more memory than
//! the limits allow. Reduced or not, it is a picture of the same size.

#![no_main]

use libfuzzer_sys::fuzz_target;
use padan::sample::decode::{DecodeError, Decoded, ImageLimits, Reduction, decode, decode_at};

/// Small, so that a run sees many files; the code does not depend on them.
const LIMITS: ImageLimits = ImageLimits {
    image_bytes_max: 64 * 1024,
    image_pixels_max: 256 * 256,
    image_side_px_max: 1024,
};

fuzz_target!(|bytes: &[u8]| {
    let whole = decode(bytes, &LIMITS);
    match &whole {
        Ok(picture) => {
            let (width, height) = (picture.width(), picture.height());
            let pixels = u64::from(width) * u64::from(height);
            assert!(pixels > 0 && pixels <= LIMITS.image_pixels_max);
            assert!(width.max(height) <= LIMITS.image_side_px_max);
            assert_eq!(picture.rgb().len() as u64, pixels * 3);
            assert!(bytes.len() <= LIMITS.image_bytes_max);
        }
        Err(DecodeError::Empty) => assert!(bytes.is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    for reduction in Reduction::ALL {
        let Ok(reduced) = decode_at(bytes, &LIMITS, reduction) else {
            continue;
        };
        let Decoded { picture, reduction } = &reduced;
        let pixels = u64::from(picture.width()) * u64::from(picture.height());
        assert_eq!(picture.rgb().len() as u64, pixels * 3);
        let (width, height) = (reduced.sample_width(), reduced.sample_height());
        assert!(u64::from(width) * u64::from(height) <= LIMITS.image_pixels_max);
        if let Ok(whole) = &whole {
            assert_eq!((width, height), (whole.width(), whole.height()), "{reduction:?}");
        }
    }
});
