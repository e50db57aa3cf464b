//! Untrusted bytes to an upright [`Picture`], under limits that are checked before allocation.
//!
//! Only memory-safe decoders are used: those of the `image` crate and, for large JPEGs, one that
//! makes them smaller as it decodes. What a container claims is checked first: its format by
//! signature, its size in bytes and pixels, for JPEG also its completeness and number of scans (a
//! progressive file may ask for thousands of passes over the picture).

mod format;
mod jpeg;
mod reduction;
mod scaled;
mod webp;

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageError};

pub use format::ImageFormat;
pub use reduction::{Decoded, REDUCED_PIXELS_MIN, Reduction};

use super::picture::Picture;

/// Limits on one encoded sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageLimits {
    /// Most bytes of the file.
    pub image_bytes_max: usize,
    /// Most pixels, width × height.
    pub image_pixels_max: u64,
    /// Longest side, pixels.
    pub image_side_px_max: u32,
}

impl Default for ImageLimits {
    /// 8 MiB, 25 million pixels, 8192 pixels a side: a 12-megapixel phone photograph fits twice.
    fn default() -> Self {
        Self {
            image_bytes_max: 8 * 1024 * 1024,
            image_pixels_max: 25_000_000,
            image_side_px_max: 8192,
        }
    }
}

/// Bytes that are not an acceptable image. The texts are for the caller; they carry no content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No bytes at all.
    #[error("the image is empty; send a JPEG, PNG or WebP file")]
    Empty,
    /// The file is too large.
    #[error("the image has {bytes} bytes; at most {limit} are accepted: crop or recompress it")]
    TooManyBytes {
        /// Bytes that arrived.
        bytes: usize,
        /// Bytes that are accepted.
        limit: usize,
    },
    /// The signature is not that of an accepted format.
    #[error("the image is {found}; accepted are JPEG, PNG and WebP")]
    UnknownFormat {
        /// What the signature says.
        found: &'static str,
    },
    /// The picture is too large.
    #[error(
        "the image has {width}×{height} pixels; at most {pixels_max} in all and {side_max} a side \
         are accepted"
    )]
    TooManyPixels {
        /// Width that the header claims.
        width: u32,
        /// Height that the header claims.
        height: u32,
        /// Pixels that are accepted.
        pixels_max: u64,
        /// Longest side that is accepted.
        side_max: u32,
    },
    /// The file ends too early.
    #[error("the {format} image is cut off: send the whole file")]
    Truncated {
        /// The format by signature.
        format: ImageFormat,
    },
    /// More passes over the picture than any camera makes.
    #[error("the JPEG image has too many scans for its size; save it again as a baseline JPEG")]
    TooManyScans,
    /// The decoder refused the content.
    #[error("the {format} image is damaged or uses an unsupported feature")]
    Malformed {
        /// The format by signature.
        format: ImageFormat,
    },
}

/// Decodes `bytes` and turns the picture upright as its EXIF orientation says.
///
/// Transparent pixels are laid over white, 16-bit samples are reduced to 8, grey becomes RGB; of
/// an animation the first frame counts.
///
/// # Errors
/// When the bytes are not one acceptable image; see [`DecodeError`].
pub fn decode(bytes: &[u8], limits: &ImageLimits) -> Result<Picture, DecodeError> {
    Ok(decode_at(bytes, limits, Reduction::None)?.picture)
}

/// The same, with the strongest reduction that serves detection, if its size makes it worthwhile.
///
/// The passes of detection shrink a picture to 640 pixels and less, so they see in the reduced
/// picture the faces that they see in the whole one. What looks closer does not: whoever needs
/// more of a face than there is in the reduced picture decodes it again, by [`decode_at`].
///
/// # Errors
/// When the bytes are not one acceptable image; see [`DecodeError`].
pub fn decode_for_detection(bytes: &[u8], limits: &ImageLimits) -> Result<Decoded, DecodeError> {
    decode_by(bytes, limits, Reduction::for_detection)
}

/// The same at this reduction, where the file allows it: a JPEG as cameras write it, with sides
/// that are multiples of the reduction's factor. Otherwise not reduced at all.
///
/// # Errors
/// When the bytes are not one acceptable image; see [`DecodeError`].
pub fn decode_at(
    bytes: &[u8],
    limits: &ImageLimits,
    reduction: Reduction,
) -> Result<Decoded, DecodeError> {
    decode_by(bytes, limits, |_, _| reduction)
}

/// Decodes at the reduction that `choose` finds for the width and height of the file.
fn decode_by(
    bytes: &[u8],
    limits: &ImageLimits,
    choose: impl Fn(u32, u32) -> Reduction,
) -> Result<Decoded, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    if bytes.len() > limits.image_bytes_max {
        return Err(DecodeError::TooManyBytes {
            bytes: bytes.len(),
            limit: limits.image_bytes_max,
        });
    }
    let format = format::sniff(bytes)?;
    let refused = |error: ImageError| classify(&error, format);
    let source = || Cursor::new(bytes);
    let (image, reduction) = match format {
        ImageFormat::Jpeg => {
            let is_plain = jpeg::check_structure(bytes)?.is_plain();
            let decoder = image::codecs::jpeg::JpegDecoder::new(source()).map_err(refused)?;
            upright(decoder, format, limits, |width, height| {
                let reduction = choose(width, height);
                let is_due = is_plain && reduction != Reduction::None;
                let image = is_due.then(|| scaled::decode(bytes, (width, height), reduction));
                Some((image.flatten()?, reduction))
            })
        }
        ImageFormat::Png => {
            let decoder = image::codecs::png::PngDecoder::new(source()).map_err(refused)?;
            upright(decoder, format, limits, |_, _| None)
        }
        ImageFormat::WebP => {
            webp::check_structure(bytes)?;
            let decoder = image::codecs::webp::WebPDecoder::new(source()).map_err(refused)?;
            upright(decoder, format, limits, |_, _| None)
        }
    }?;
    let rgb = if image.color().has_alpha() {
        over_white(image)
    } else {
        image.into_rgb8()
    };
    let (width, height) = rgb.dimensions();
    let picture = Picture::new(width, height, rgb.into_raw());
    let picture = picture.ok_or(DecodeError::Malformed { format })?;
    Ok(Decoded { picture, reduction })
}

/// Checks the size, decodes (by `reduced`, if it can, else by `decoder`) and turns upright.
fn upright(
    mut decoder: impl ImageDecoder,
    format: ImageFormat,
    limits: &ImageLimits,
    reduced: impl Fn(u32, u32) -> Option<(DynamicImage, Reduction)>,
) -> Result<(DynamicImage, Reduction), DecodeError> {
    let refused = |error: ImageError| classify(&error, format);
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limits.image_pixels_max || width.max(height) > limits.image_side_px_max {
        return Err(DecodeError::TooManyPixels {
            width,
            height,
            pixels_max: limits.image_pixels_max,
            side_max: limits.image_side_px_max,
        });
    }
    let mut allocation = image::Limits::default();
    // 16-bit RGBA, once as decoded and once as the decoder's own working copy.
    allocation.max_alloc = Some(pixels * 16 + (1 << 20));
    decoder.set_limits(allocation).map_err(refused)?;
    let orientation = decoder.orientation().map_err(refused)?;
    let (mut image, reduction) = if let Some(reduced) = reduced(width, height) {
        reduced
    } else {
        let image = DynamicImage::from_decoder(decoder).map_err(refused)?;
        (image, Reduction::None)
    };
    image.apply_orientation(orientation);
    Ok((image, reduction))
}

fn classify(error: &ImageError, format: ImageFormat) -> DecodeError {
    match error {
        ImageError::IoError(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => {
            DecodeError::Truncated { format }
        }
        _ => DecodeError::Malformed { format },
    }
}

/// What a viewer shows for a picture with transparency: colours laid over white.
fn over_white(image: DynamicImage) -> image::RgbImage {
    let rgba = image.into_rgba8();
    let mut rgb = image::RgbImage::new(rgba.width(), rgba.height());
    for (out, pixel) in rgb.pixels_mut().zip(rgba.pixels()) {
        let [red, green, blue, alpha] = pixel.0;
        out.0 = [red, green, blue].map(|colour| blend_over_white(colour, alpha));
    }
    rgb
}

fn blend_over_white(colour: u8, alpha: u8) -> u8 {
    let (colour, alpha) = (u32::from(colour), u32::from(alpha));
    let blended = (colour * alpha + 255 * (255 - alpha) + 127) / 255;
    u8::try_from(blended).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests;
