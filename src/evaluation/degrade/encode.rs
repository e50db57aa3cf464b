//! Pixels to files.

use image::ExtendedColorType;
use image::ImageEncoder as _;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};

use super::DegradeError;
use crate::sample::picture::Picture;

/// Above, a PNG of noise could have more bytes than padan accepts of a sample (8 MiB).
const PNG_PIXELS_MAX: u64 = 2_000_000;

/// Of a JPEG that is to look unchanged.
const QUALITY_UNCHANGED: u8 = 95;

/// Below, fewer pixels are better than coarser ones.
const QUALITY_MIN: u8 = 10;

/// A file of these pixels with so many bytes at most: exactly, or as nearly as fits.
pub fn unchanged(picture: &Picture, bytes_max: usize) -> Result<Vec<u8>, DegradeError> {
    let pixels = u64::from(picture.width()) * u64::from(picture.height());
    if pixels <= PNG_PIXELS_MAX {
        let file = png(picture)?;
        if file.len() <= bytes_max {
            return Ok(file);
        }
    }
    let file = jpeg(picture, QUALITY_UNCHANGED)?;
    if file.len() <= bytes_max {
        return Ok(file);
    }
    jpeg_of_at_most(picture.clone(), bytes_max)
}

fn png(picture: &Picture) -> Result<Vec<u8>, DegradeError> {
    let mut file = Vec::new();
    PngEncoder::new_with_quality(&mut file, CompressionType::Fast, FilterType::Adaptive)
        .write_image(
            picture.rgb(),
            picture.width(),
            picture.height(),
            ExtendedColorType::Rgb8,
        )
        .map_err(|_| DegradeError::Encode)?;
    Ok(file)
}

/// A JPEG of this quality, 1 to 100.
pub fn jpeg(picture: &Picture, quality: u8) -> Result<Vec<u8>, DegradeError> {
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, quality)
        .write_image(
            picture.rgb(),
            picture.width(),
            picture.height(),
            ExtendedColorType::Rgb8,
        )
        .map_err(|_| DegradeError::Encode)?;
    Ok(file)
}

/// The JPEG of the highest quality that fits, of fewer pixels if it has to be. Sizes grow with the
/// quality, but for a few bytes here and there: the quality that bisection finds is one that fits.
pub fn jpeg_of_at_most(mut picture: Picture, bytes_max: usize) -> Result<Vec<u8>, DegradeError> {
    loop {
        let mut best = jpeg(&picture, QUALITY_MIN)?;
        let is_smallest = picture.longer_side() <= 16;
        if best.len() > bytes_max && !is_smallest {
            let smaller = |side: u32| (side * 7 / 8).max(1);
            picture = picture.resized(smaller(picture.width()), smaller(picture.height()))?;
            continue;
        }
        let (mut low, mut high) = (QUALITY_MIN, 100);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            let file = jpeg(&picture, middle)?;
            if file.len() <= bytes_max {
                (low, best) = (middle, file);
            } else {
                high = middle - 1;
            }
        }
        return Ok(best);
    }
}
