//! Finding the faces of a sample: a ladder of passes from cheap to thorough.
//!
//! One small pass and a closer look at the face it found are enough for a normal selfie. Later
//! passes are for what defeats common detectors: pictures that lie on their side without saying so,
//! small faces in a large picture, faces that fill the frame. The constants were chosen by the
//! recall study in `docs/detection.md`; confidences are those of `YuNet`.

mod ladder;
mod scales;

use ladder::{Search, Views};
use scales::Scales;

use super::SampleRole;
use super::geometry::{Face, Point};
use super::picture::{Picture, PixelError};
use crate::decision::ReasonCode;
use crate::embed::InferenceError;

/// One pass of a detection network over a picture as it is. One thread owns one detector.
pub trait FaceDetector: Send {
    /// Faces with at least this confidence, best first, each once, in pixels of `picture`.
    ///
    /// # Errors
    /// When the runtime fails.
    fn detect(
        &mut self,
        picture: &Picture,
        confidence_min: f32,
    ) -> Result<Vec<Face>, InferenceError>;
}

/// Detection could not be done: a fault of the machine, never of the sample.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The network.
    #[error(transparent)]
    Inference(#[from] InferenceError),
    /// Scaling or turning.
    #[error(transparent)]
    Pixels(#[from] PixelError),
}

/// Which of several faces is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaceChoice {
    /// The largest; a second comparable face is a fault.
    Largest,
    /// The one nearest the centre, whoever else is in view: for benchmarks that label it so.
    Central,
}

/// The faces of a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// All faces, largest first, in pixels of the sample as received.
    pub faces: Vec<Face>,
    /// Index of the face that is meant; absent when there is none.
    pub selected: Option<usize>,
    /// Clockwise quarter turns that bring the picture upright, 0 to 3.
    pub quarter_turns: u8,
    /// No face, or a second one.
    pub faults: Vec<ReasonCode>,
    /// Found by the pass for small faces, which believes a face only after a closer look at it: in
    /// a larger picture of the same sample it might believe others, too. All other passes shrink a
    /// picture to 320 pixels and less, and find the same faces in any picture larger than that.
    pub by_closer_looks: bool,
}

/// A second face in a probe is comparable from this share of the larger one's side: whoever is
/// less than twice as far from the camera may be meant.
const COMPARABLE_SIDE_RATIO: f32 = 0.5;

/// A second face in a reference counts from this confidence, whatever its size.
const REFERENCE_SECOND_CONFIDENCE: f32 = 0.80;

/// The pictures that a search makes of a sample: smaller, cut out and turned. Kept from search to
/// search, they need no new memory; what they hold never changes what is found.
#[derive(Default)]
pub struct Workspace {
    half: Picture,
    views: Views,
}

impl Workspace {
    /// Leaves nothing of the sample, and keeps the memory.
    pub fn wipe(&mut self) {
        self.half.wipe();
        self.views.wipe();
    }

    /// The pixels of every picture.
    #[cfg(test)]
    pub fn pixels(&mut self) -> Vec<&[u8]> {
        let views = self.views.all().into_iter();
        views.chain([&self.half]).map(Picture::rgb).collect()
    }
}

/// Finds the faces of `picture` and the one that is meant.
///
/// # Errors
/// When the network or an image operation fails.
pub fn locate(
    detector: &mut dyn FaceDetector,
    workspace: &mut Workspace,
    picture: &Picture,
    role: SampleRole,
    choice: FaceChoice,
) -> Result<Detection, DetectError> {
    let mut search = Search {
        detector,
        picture: Scales::of(picture, &mut workspace.half)?,
        views: &mut workspace.views,
    };
    let mut found = search.climb()?;
    let mut faces = std::mem::take(&mut found.faces);
    faces.sort_by(|a, b| b.rect.area().total_cmp(&a.rect.area()));
    let selected = match choice {
        FaceChoice::Largest => (!faces.is_empty()).then_some(0),
        FaceChoice::Central => nearest(&faces, centre_of(picture)),
    };
    if let Some(face) = selected.and_then(|index| faces.get_mut(index)) {
        *face = search.steady(&found, *face)?;
    }
    let faults = match selected {
        None => vec![ReasonCode::NoFace],
        Some(_) if choice == FaceChoice::Largest && has_second(&faces, role) => {
            vec![ReasonCode::MultipleFaces]
        }
        Some(_) => Vec::new(),
    };
    Ok(Detection {
        faces,
        selected,
        quarter_turns: found.quarter_turns,
        faults,
        by_closer_looks: found.by_closer_looks,
    })
}

/// Whether a second face could be the one that is meant. `faces` are largest first.
fn has_second(faces: &[Face], role: SampleRole) -> bool {
    let Some((first, others)) = faces.split_first() else {
        return false;
    };
    others.iter().any(|face| match role {
        SampleRole::Probe => face.rect.side() >= COMPARABLE_SIDE_RATIO * first.rect.side(),
        SampleRole::Reference => face.confidence >= REFERENCE_SECOND_CONFIDENCE,
    })
}

fn centre_of(picture: &Picture) -> Point {
    let (width, height) = picture.size_f32();
    Point::new(width / 2.0, height / 2.0)
}

/// Index of the face whose box's centre is nearest to `point`.
fn nearest(faces: &[Face], point: Point) -> Option<usize> {
    let distance = |face: &Face| face.rect.centre().distance(point);
    let numbered = faces.iter().enumerate();
    let nearest = numbered.min_by(|(_, a), (_, b)| distance(a).total_cmp(&distance(b)));
    nearest.map(|(index, _)| index)
}

#[cfg(test)]
mod tests;
