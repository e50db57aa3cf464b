//! From bytes to faces: a large sample is read small, and again larger when that was not enough.

use super::{Pipeline, SampleError, SampleTask, SampleTimes, timed};
use crate::engine::Checkpoint;
use crate::sample::align::{self, AlignmentTemplate};
use crate::sample::decode::{self, Decoded, Reduction};
use crate::sample::detect::{self, Detection};

/// Least pixels of the picture for one of the aligned crop, along a side. The crop takes its pixels
/// from between neighbours: at two for one it still sees what there is, below it would be the
/// reduction that blurs.
const DENSITY_MIN: f64 = 2.0;

/// A sample's faces, and the picture they were last seen in.
pub struct Found {
    pub decoded: Decoded,
    /// In pixels of the sample, whatever the reduction: this is where they are scaled back.
    pub detection: Detection,
}

impl Pipeline {
    /// Decodes the sample and finds its faces.
    ///
    /// Three results of a reduced picture are not final, so that no face is lost to the reduction:
    /// no face; faces that were found by looking closer, where more pixels may show more of them;
    /// and a selected face of too few pixels for the crop. What stays different is noise: of pixels
    /// that were averaged there is less, so a soft and noisy picture measures less sharp.
    pub(super) fn find(
        &mut self,
        task: &SampleTask,
        checkpoint: &Checkpoint<'_>,
        times: &mut SampleTimes,
    ) -> Result<Found, SampleError> {
        let limits = self.settings.image;
        let template = self.embedder.alignment();
        let mut decoded = timed(&mut times.decode, || {
            decode::decode_for_detection(&task.image, &limits)
        })?;
        loop {
            checkpoint.check()?;
            let mut detection = timed(&mut times.detect, || {
                let detector = self.detector.as_mut();
                let workspace = &mut self.workspace.detect;
                detect::locate(
                    detector,
                    workspace,
                    &decoded.picture,
                    task.role,
                    task.choice,
                )
            })?;
            let reduction = decoded.reduction;
            for face in &mut detection.faces {
                *face = reduction.to_sample(face);
            }
            let needed = reduction_for(&detection, reduction, template);
            if needed == reduction {
                return Ok(Found { decoded, detection });
            }
            checkpoint.check()?;
            // Two pictures of one sample are never held at once.
            drop(decoded);
            decoded = timed(&mut times.decode, || {
                decode::decode_at(&task.image, &limits, needed)
            })?;
        }
    }
}

/// The strongest reduction, up to the one these faces were found at, that is enough for them.
fn reduction_for(
    detection: &Detection,
    reduction: Reduction,
    template: &AlignmentTemplate,
) -> Reduction {
    let selected = detection.selected.and_then(|n| detection.faces.get(n));
    let Some(face) = selected.filter(|_| !detection.by_closer_looks) else {
        return Reduction::None;
    };
    match align::density(&face.landmarks, template) {
        Ok(density) => reduction.that_keeps(density, DENSITY_MIN),
        Err(_) => Reduction::None,
    }
}
