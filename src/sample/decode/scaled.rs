//! Decoding a JPEG at a half, a quarter or an eighth of its sides.
//!
//! Of each block of 8×8 pixels only the coarse part is computed, in place of all of it and a
//! reduction later. `image` cannot, so this is the one use of `jpeg-decoder`; whatever it is not
//! sure to read as `image` does is left to `image` (see [`super::jpeg::Structure`]).

use image::{DynamicImage, GrayImage, RgbImage};
use jpeg_decoder::{CodingProcess, ColorTransform, Decoder, PixelFormat};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::reduction::Reduction;

thread_local! {
    /// `jpeg-decoder` gives work to threads: to one more for each channel, or to rayon's. A lane is
    /// the unit of parallelism, and others would only compete with it. So each thread that decodes
    /// is the whole of a pool of rayon's. rayon keeps a few hundred bytes of such a pool for ever:
    /// this is for lanes, of which there is a fixed number, not for a thread for each picture.
    static THIS_THREAD_ALONE: Option<ThreadPool> =
        ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().ok();
}

/// The picture at this reduction, not turned yet; `None` when that is for the full decoder.
///
/// `size` is width and height as the full decoder reads them; the caller has held them against the
/// limits.
pub fn decode(bytes: &[u8], size: (u32, u32), reduction: Reduction) -> Option<DynamicImage> {
    let factor = u32::from(reduction.factor());
    let (width, height) = size;
    // Half a pixel at an edge would, in a picture that EXIF turns, move all others.
    if !width.is_multiple_of(factor) || !height.is_multiple_of(factor) {
        return None;
    }
    if !THIS_THREAD_ALONE.with(Option::is_some) {
        return None;
    }
    let mut decoder = Decoder::new(bytes);
    decoder.read_info().ok()?;
    let info = decoder.info()?;
    if (info.width.into(), info.height.into()) != size
        || info.coding_process != CodingProcess::DctSequential
    {
        return None;
    }
    let (width, height) = (width / factor, height / factor);
    let scaled = decoder
        .scale(width.try_into().ok()?, height.try_into().ok()?)
        .ok()?;
    if (scaled.0.into(), scaled.1.into()) != (width, height) {
        return None;
    }
    match info.pixel_format {
        PixelFormat::L8 => {
            let pixels = decoder.decode().ok()?;
            GrayImage::from_raw(width, height, pixels).map(DynamicImage::from)
        }
        PixelFormat::RGB24 => {
            decoder.set_color_transform(ColorTransform::YCbCr);
            let pixels = decoder.decode().ok()?;
            RgbImage::from_raw(width, height, pixels).map(DynamicImage::from)
        }
        PixelFormat::L16 | PixelFormat::CMYK32 => None,
    }
}

#[cfg(test)]
mod tests;
