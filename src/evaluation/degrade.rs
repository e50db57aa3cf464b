//! Samples made worse on purpose, to learn how the false non-match rate moves.
//!
//! Each degradation is a pure function of a sample's bytes: the same sample always becomes the same
//! degraded one. One thing is changed at a time, and what is not changed is kept: the result is a
//! PNG, or, where that could be larger than padan accepts, a JPEG of quality 95, or of the best
//! that is not; unless compression is what is asked about. JPEGs are those of the `image` crate:
//! without chroma subsampling and with the tables of the standard, so at the same quality larger
//! than a camera's.
//!
//! They are simulations. A portrait that was scanned from paper, or printed on a card, has other
//! faults, and more of them.

mod encode;
mod pixels;
mod portrait;

use sha2::{Digest as _, Sha256};

use crate::sample::SampleRole;
use crate::sample::decode::{DecodeError, ImageLimits, decode};
use crate::sample::picture::{Picture, PixelError};

/// Pixels of a stored portrait, width and height.
const PORTRAIT: (u32, u32) = (240, 320);

/// Pixels of a thumbnail of one.
const THUMBNAIL: (u32, u32) = (120, 160);

/// Most bytes of a portrait on a small chip.
const CHIP_BYTES_MAX: usize = 4096;

/// A way to make samples of one side worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Degradation {
    /// A small portrait.
    Reference240x320,
    /// A very small one.
    Reference120x160,
    /// A small portrait in 4096 bytes.
    ReferenceJpeg4Kb,
    /// Without colour.
    ReferenceGrey,
    /// Before a red wall.
    ReferenceRedBackground,
    /// Before a blue wall.
    ReferenceBlueBackground,
    /// Out of focus.
    ProbeBlur,
    /// With little light.
    ProbeDark,
    /// Held at a slant.
    ProbeRotated,
    /// Sent over a narrow line.
    ProbeCompressed,
}

/// A sample that could not be degraded.
#[derive(Debug, thiserror::Error)]
pub enum DegradeError {
    /// It is no acceptable image to begin with.
    #[error(transparent)]
    Image(#[from] DecodeError),
    /// An image operation failed: ours.
    #[error(transparent)]
    Pixels(#[from] PixelError),
    /// The encoder failed: ours.
    #[error("the degraded sample could not be encoded")]
    Encode,
}

impl Degradation {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 10] = [
        Self::Reference240x320,
        Self::Reference120x160,
        Self::ReferenceJpeg4Kb,
        Self::ReferenceGrey,
        Self::ReferenceRedBackground,
        Self::ReferenceBlueBackground,
        Self::ProbeBlur,
        Self::ProbeDark,
        Self::ProbeRotated,
        Self::ProbeCompressed,
    ];

    /// Its name on the command line and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reference240x320 => "reference-240x320",
            Self::Reference120x160 => "reference-120x160",
            Self::ReferenceJpeg4Kb => "reference-jpeg-4kb",
            Self::ReferenceGrey => "reference-grey",
            Self::ReferenceRedBackground => "reference-red-background",
            Self::ReferenceBlueBackground => "reference-blue-background",
            Self::ProbeBlur => "probe-blur",
            Self::ProbeDark => "probe-dark",
            Self::ProbeRotated => "probe-rotated",
            Self::ProbeCompressed => "probe-compressed",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// Which side of a comparison it is for.
    #[must_use]
    pub const fn side(self) -> SampleRole {
        match self {
            Self::Reference240x320
            | Self::Reference120x160
            | Self::ReferenceJpeg4Kb
            | Self::ReferenceGrey
            | Self::ReferenceRedBackground
            | Self::ReferenceBlueBackground => SampleRole::Reference,
            Self::ProbeBlur | Self::ProbeDark | Self::ProbeRotated | Self::ProbeCompressed => {
                SampleRole::Probe
            }
        }
    }

    /// What it does, for whoever reads a report.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Reference240x320 => {
                "the whole sample scaled down to fit in 240×320 pixels; not cropped to the face, \
                 never enlarged"
            }
            Self::Reference120x160 => {
                "the whole sample scaled down to fit in 120×160 pixels; not cropped to the face, \
                 never enlarged"
            }
            Self::ReferenceJpeg4Kb => {
                "fitted in 240×320 pixels, then the best JPEG of at most 4096 bytes; below quality \
                 10 it is made smaller instead"
            }
            Self::ReferenceGrey => "luminance only (ITU-R BT.601)",
            Self::ReferenceRedBackground => {
                "red outside of an ellipse for the head and one for the shoulders in the middle of \
                 the sample, wherever the person really is, and 8 % of it over everything"
            }
            Self::ReferenceBlueBackground => {
                "blue outside of an ellipse for the head and one for the shoulders in the middle \
                 of the sample, wherever the person really is, and 8 % of it over everything"
            }
            Self::ProbeBlur => "a Gaussian blur of 1 % of the shorter side",
            Self::ProbeDark => {
                "little light: values to the power of 1.4, then 35 % of them, and noise with a \
                 standard deviation of 5 of 255"
            }
            Self::ProbeRotated => "turned clockwise by 15° about its middle, grey in the corners",
            Self::ProbeCompressed => "a JPEG of quality 20",
        }
    }

    /// The degraded sample as a file, from the sample's file.
    ///
    /// # Errors
    /// When the sample is no image within `limits`, or an operation on it failed.
    pub fn apply(self, sample: &[u8], limits: &ImageLimits) -> Result<Vec<u8>, DegradeError> {
        let picture = decode(sample, limits)?;
        let picture = match self {
            Self::Reference240x320 => portrait::fit(&picture, PORTRAIT)?,
            Self::Reference120x160 => portrait::fit(&picture, THUMBNAIL)?,
            Self::ReferenceJpeg4Kb => {
                let picture = portrait::fit(&picture, PORTRAIT)?;
                return encode::jpeg_of_at_most(picture, CHIP_BYTES_MAX);
            }
            Self::ReferenceGrey => pixels::grey(&picture)?,
            Self::ReferenceRedBackground => portrait::before_a_wall(&picture, portrait::RED),
            Self::ReferenceBlueBackground => portrait::before_a_wall(&picture, portrait::BLUE),
            Self::ProbeBlur => picture.blurred(blur_px(&picture))?,
            Self::ProbeDark => pixels::dark(&picture, Sha256::digest(sample).into()),
            Self::ProbeRotated => pixels::rotated(&picture)?,
            Self::ProbeCompressed => return encode::jpeg(&picture, 20),
        };
        encode::unchanged(&picture, limits.image_bytes_max)
    }
}

/// A small JPEG of a sample, for people to look at.
///
/// # Errors
/// When the sample is no image within `limits`, or an operation on it failed.
pub fn thumbnail(sample: &[u8], limits: &ImageLimits) -> Result<Vec<u8>, DegradeError> {
    let picture = portrait::fit(&decode(sample, limits)?, THUMBNAIL)?;
    encode::jpeg(&picture, 80)
}

/// Standard deviation of the blur in pixels.
fn blur_px(picture: &Picture) -> f64 {
    f64::from(picture.width().min(picture.height())) * 0.01
}

#[cfg(test)]
mod tests;
