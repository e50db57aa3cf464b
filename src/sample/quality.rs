//! Measures of one face's quality, each mapped to 0–100 in the manner of OFIQ (ISO/IEC 29794-5):
//! a native measure, a monotone mapping, a limit.
//!
//! The mappings are anchored so that **50 is the limit for probes and 25 the limit for
//! references**, whatever the component: below 50 the similarity of genuine pairs was seen to
//! suffer, below 25 it was mostly lost. `docs/quality.md` has the data behind each anchor.

mod exposure;
mod pose;
mod scale;

use super::SampleRole;
use super::decode::Reduction;
use super::geometry::Face;
use super::picture::{Picture, PixelError};
use crate::decision::ReasonCode;
use scale::Scale;

/// What a measure looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Component {
    /// Side of the face's box, pixels.
    FaceSide,
    /// Distance between the eyes, pixels.
    InterEyeDistance,
    /// Share of the aligned face inside the picture, 0 to 1.
    Margin,
    /// Turn to the side, degrees.
    Yaw,
    /// Nod, degrees.
    Pitch,
    /// In-plane tilt, degrees.
    Roll,
    /// Variance of the Laplacian over variance of luminance, in the aligned face.
    Sharpness,
    /// Mean luminance of the aligned face, 0 to 255.
    Brightness,
    /// Standard deviation of luminance in the aligned face.
    Contrast,
    /// Share of pixels above 247 in the aligned face, 0 to 1.
    OverExposure,
    /// Share of pixels below 8 in the aligned face, 0 to 1.
    UnderExposure,
    /// Mean luminance around the face minus that of the face.
    Backlight,
}

impl Component {
    /// All components, in the order of reports.
    pub const ALL: [Self; 12] = [
        Self::FaceSide,
        Self::InterEyeDistance,
        Self::Margin,
        Self::Yaw,
        Self::Pitch,
        Self::Roll,
        Self::Sharpness,
        Self::Brightness,
        Self::Contrast,
        Self::OverExposure,
        Self::UnderExposure,
        Self::Backlight,
    ];

    /// The name used in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FaceSide => "face_side",
            Self::InterEyeDistance => "inter_eye_distance",
            Self::Margin => "margin",
            Self::Yaw => "yaw",
            Self::Pitch => "pitch",
            Self::Roll => "roll",
            Self::Sharpness => "sharpness",
            Self::Brightness => "brightness",
            Self::Contrast => "contrast",
            Self::OverExposure => "over_exposure",
            Self::UnderExposure => "under_exposure",
            Self::Backlight => "backlight",
        }
    }

    /// Native measure to value; each pair is (native, value). Anchors at 25 and 50 are the limits.
    const fn scale(self) -> Scale {
        Scale(match self {
            Self::FaceSide => &[(0.0, 0.0), (40.0, 25.0), (64.0, 50.0), (160.0, 100.0)],
            Self::InterEyeDistance => &[(0.0, 0.0), (16.0, 25.0), (25.0, 50.0), (64.0, 100.0)],
            Self::Margin => &[(0.5, 0.0), (0.65, 25.0), (0.80, 50.0), (1.0, 100.0)],
            Self::Yaw => &[(0.0, 100.0), (34.0, 50.0), (40.0, 25.0), (60.0, 0.0)],
            Self::Pitch => &[(0.0, 100.0), (15.5, 50.0), (19.5, 25.0), (40.0, 0.0)],
            Self::Roll => &[(0.0, 100.0), (12.0, 50.0), (18.0, 25.0), (45.0, 0.0)],
            Self::Sharpness => &[(0.0, 0.0), (0.006, 25.0), (0.012, 50.0), (0.06, 100.0)],
            Self::Brightness => &[
                (0.0, 0.0),
                (18.0, 25.0),
                (30.0, 50.0),
                (80.0, 100.0),
                (160.0, 100.0),
                (200.0, 50.0),
                (215.0, 25.0),
                (255.0, 0.0),
            ],
            Self::Contrast => &[(0.0, 0.0), (10.0, 25.0), (15.0, 50.0), (40.0, 100.0)],
            Self::OverExposure => &[(0.0, 100.0), (0.20, 50.0), (0.35, 25.0), (1.0, 0.0)],
            Self::UnderExposure => &[(0.0, 100.0), (0.25, 50.0), (0.40, 25.0), (1.0, 0.0)],
            Self::Backlight => &[(50.0, 100.0), (90.0, 50.0), (110.0, 25.0), (200.0, 0.0)],
        })
    }

    /// What a measure below its limit means for the operator.
    fn fault(self, native: f64) -> ReasonCode {
        match self {
            Self::FaceSide | Self::InterEyeDistance => ReasonCode::FaceTooSmall,
            Self::Margin => ReasonCode::FaceCropped,
            Self::Yaw | Self::Pitch | Self::Roll => ReasonCode::Pose,
            // A veil of low contrast comes from a dirty lens; the text says to clean it.
            Self::Sharpness | Self::Contrast => ReasonCode::Blur,
            Self::Brightness if native < 128.0 => ReasonCode::TooDark,
            Self::UnderExposure => ReasonCode::TooDark,
            Self::Brightness | Self::OverExposure | Self::Backlight => ReasonCode::TooBrightBacklit,
        }
    }
}

/// Whether a measure reached its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QualityVerdict {
    /// At or above the limit.
    Pass,
    /// Below the limit.
    Fail,
    /// It could not be taken.
    NotAssessed,
}

/// One measure of one face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QualityMeasure {
    /// What it looks at.
    pub component: Component,
    /// The measure in the component's unit; 0 when it could not be taken.
    pub native: f64,
    /// 0 (useless) to 100 (ideal); absent when it could not be taken.
    pub value: Option<u8>,
    /// Least value that passes.
    pub limit: u8,
}

impl QualityMeasure {
    /// Whether it reached its limit.
    #[must_use]
    pub fn verdict(&self) -> QualityVerdict {
        match self.value {
            None => QualityVerdict::NotAssessed,
            Some(value) if value < self.limit => QualityVerdict::Fail,
            Some(_) => QualityVerdict::Pass,
        }
    }
}

/// Least values that pass, by role; the same for every component, see the module's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QualityLimits {
    /// For probes.
    pub probe: u8,
    /// For references.
    pub reference: u8,
}

impl Default for QualityLimits {
    fn default() -> Self {
        Self {
            probe: 50,
            reference: 25,
        }
    }
}

impl QualityLimits {
    /// The limit for a role.
    #[must_use]
    pub fn of(&self, role: SampleRole) -> u8 {
        match role {
            SampleRole::Probe => self.probe,
            SampleRole::Reference => self.reference,
        }
    }
}

/// A bright face is not backlit, however bright its surroundings.
const BACKLIT_LUMINANCE_MAX: f64 = 70.0;

/// One face, as it is assessed.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The sample, or a reduced picture of it.
    pub picture: &'a Picture,
    /// How much smaller than the sample the picture is.
    pub reduction: Reduction,
    /// The face, in pixels of the sample.
    pub face: &'a Face,
    /// Clockwise quarter turns that bring the picture upright.
    pub quarter_turns: u8,
    /// The aligned face.
    pub crop: &'a Picture,
    /// Which pixels of the aligned face show the picture.
    pub inside: &'a [bool],
}

/// Measures one face. `luminance` is a buffer for that of the crop.
///
/// # Errors
/// When an image operation fails.
pub fn assess(
    subject: &Subject<'_>,
    limit: u8,
    luminance: &mut Vec<u8>,
) -> Result<Vec<QualityMeasure>, PixelError> {
    let Subject {
        picture,
        reduction,
        face,
        quarter_turns,
        crop,
        inside,
    } = *subject;
    crop.luminance_into(luminance)?;
    let light = exposure::measure(luminance, inside, crop.width() as usize);
    let angles = pose::estimate(&face.landmarks, quarter_turns);
    let around = exposure::surroundings(picture, reduction.to_picture(face.rect));
    let backlight = around.map(|around| around - light.mean);
    let native = |component: Component| match component {
        Component::FaceSide => Some(f64::from(face.rect.side())),
        Component::InterEyeDistance => Some(f64::from(face.landmarks.inter_eye_px())),
        Component::Margin => Some(exposure::share(inside)),
        Component::Yaw => angles.map(|angles| angles.yaw),
        Component::Pitch => angles.map(|angles| angles.pitch),
        Component::Roll => angles.map(|angles| angles.roll),
        Component::Sharpness => light.sharpness,
        Component::Brightness => Some(light.mean),
        Component::Contrast => Some(light.deviation),
        Component::OverExposure => Some(light.share_bright),
        Component::UnderExposure => Some(light.share_dark),
        Component::Backlight => backlight,
    };
    let measures = Component::ALL.map(|component| {
        let native = native(component).filter(|native| native.is_finite());
        let value = native.map(|native| {
            let value = component.scale().value(match component {
                Component::Yaw | Component::Pitch | Component::Roll => native.abs(),
                _ => native,
            });
            match component {
                Component::Backlight if light.mean >= BACKLIT_LUMINANCE_MAX => value.max(50),
                _ => value,
            }
        });
        QualityMeasure {
            component,
            native: native.unwrap_or(0.0),
            value,
            limit,
        }
    });
    Ok(measures.into())
}

/// What the failed measures mean, in the order of the measures; may repeat.
pub fn faults(measures: &[QualityMeasure]) -> impl Iterator<Item = ReasonCode> + '_ {
    let failed = measures
        .iter()
        .filter(|m| m.verdict() == QualityVerdict::Fail);
    failed.map(|measure| measure.component.fault(measure.native))
}

#[cfg(test)]
mod tests;
