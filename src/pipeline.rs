//! Everything a lane does with one sample: decode ► detect ► align ► assess ► embed.

mod find;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use find::Found;

use crate::decision::ReasonCode;
use crate::embed::{Cascade, Embedding, FaceEmbedder, InferenceError, Template};
use crate::engine::{Checkpoint, Stopped, Worker};
use crate::sample::align::{ARCFACE_112, AlignError};
use crate::sample::decode::{DecodeError, ImageLimits, Reduction};
use crate::sample::detect::{DetectError, FaceChoice, FaceDetector};
use crate::sample::geometry::Face;
use crate::sample::picture::PixelError;
use crate::sample::quality::{self, QualityLimits, QualityMeasure, Subject};
use crate::sample::{SampleRole, Workspace};

/// What a pipeline is set up with, shared by all lanes.
#[derive(Debug, Clone, PartialEq)]
pub struct PipelineSettings {
    /// Limits on encoded samples.
    pub image: ImageLimits,
    /// Limits on quality, by role.
    pub quality: QualityLimits,
}

/// How far a sample goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// To faces and quality.
    Assess,
    /// To a template, unless a fault forbids it.
    Embed,
    /// To a template, whatever the quality, if there is a face at all: measures the matcher.
    EmbedAnyway,
}

/// One sample to work on.
#[derive(Clone)]
pub struct SampleTask {
    /// The encoded image.
    pub image: Bytes,
    /// Which limits apply.
    pub role: SampleRole,
    /// Which of several faces is meant.
    pub choice: FaceChoice,
    /// How far to go.
    pub goal: Goal,
    /// What the sample is compared with, where an embedder of two networks may spare the second.
    pub cascade: Option<CascadeTask>,
}

/// A comparison whose reference is known before the probe is embedded.
#[derive(Clone)]
pub struct CascadeTask {
    /// How both are compared.
    pub cascade: Cascade,
    /// The reference.
    pub reference: Embedding,
}

impl std::fmt::Debug for SampleTask {
    /// No byte of the image: it never reaches a log.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "SampleTask({} bytes, {:?})",
            self.image.len(),
            self.role
        )
    }
}

/// What a sample turned out to be.
#[derive(Debug)]
pub struct SampleResult {
    /// Width after EXIF orientation, pixels.
    pub width: u32,
    /// Height after EXIF orientation, pixels.
    pub height: u32,
    /// Faces, largest first, in pixels of the sample.
    pub faces: Vec<Face>,
    /// Index of the assessed face in `faces`.
    pub selected: Option<usize>,
    /// Clockwise quarter turns that bring the picture upright.
    pub quarter_turns: u8,
    /// How much smaller than the sample the picture was that all this was seen in. For whoever
    /// looks into a result: no decision depends on it.
    pub reduction: Reduction,
    /// Measures of the selected face.
    pub quality: Vec<QualityMeasure>,
    /// What is wrong, worst first; empty when fit for comparison.
    pub faults: Vec<ReasonCode>,
    /// Present when the goal asked for it and nothing forbade it.
    pub template: Option<Template>,
    /// Time by stage.
    pub times: SampleTimes,
}

/// Time spent by stage; zero when a stage did not run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SampleTimes {
    /// Waiting for a lane.
    pub queue: Duration,
    /// Bytes to pixels.
    pub decode: Duration,
    /// Pixels to faces.
    pub detect: Duration,
    /// Measures of quality.
    pub assess: Duration,
    /// The aligned crop.
    pub align: Duration,
    /// The embedding.
    pub embed: Duration,
}

impl SampleTimes {
    /// Names and times in the order of the stages.
    #[must_use]
    pub fn stages(&self) -> [(&'static str, Duration); 6] {
        [
            ("queue", self.queue),
            ("decode", self.decode),
            ("detect", self.detect),
            ("align", self.align),
            ("assess", self.assess),
            ("embed", self.embed),
        ]
    }
}

/// A sample that gave no result.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// The bytes are not an acceptable image: the caller's fault.
    #[error(transparent)]
    Image(#[from] DecodeError),
    /// A model failed: ours.
    #[error(transparent)]
    Inference(#[from] InferenceError),
    /// An image operation failed: ours.
    #[error(transparent)]
    Pixels(#[from] PixelError),
    /// Nobody wants the result any more.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl From<DetectError> for SampleError {
    fn from(error: DetectError) -> Self {
        match error {
            DetectError::Inference(error) => Self::Inference(error),
            DetectError::Pixels(error) => Self::Pixels(error),
        }
    }
}

/// One lane's detector and embedder, and the memory that they share from sample to sample.
pub struct Pipeline {
    detector: Box<dyn FaceDetector>,
    embedder: Box<dyn FaceEmbedder>,
    workspace: Workspace,
    settings: Arc<PipelineSettings>,
}

impl Pipeline {
    /// A pipeline of these models.
    #[must_use]
    pub fn new(
        detector: Box<dyn FaceDetector>,
        embedder: Box<dyn FaceEmbedder>,
        settings: Arc<PipelineSettings>,
    ) -> Self {
        Self {
            detector,
            embedder,
            workspace: Workspace::default(),
            settings,
        }
    }

    /// Works on one sample as far as its goal says and its faults allow.
    ///
    /// # Errors
    /// When the bytes are no acceptable image, a stage failed, or nobody wants the result any more.
    pub fn run(
        &mut self,
        task: &SampleTask,
        checkpoint: &Checkpoint<'_>,
    ) -> Result<SampleResult, SampleError> {
        let result = self.take_stages(task, checkpoint);
        // Whatever came of it: a face is not kept longer than its request.
        self.workspace.wipe();
        result
    }

    fn take_stages(
        &mut self,
        task: &SampleTask,
        checkpoint: &Checkpoint<'_>,
    ) -> Result<SampleResult, SampleError> {
        let mut times = SampleTimes::default();
        let found = self.find(task, checkpoint, &mut times)?;
        checkpoint.check()?;
        let (mut result, is_aligned) = self.examine(task.role, found, times)?;
        checkpoint.check()?;
        if is_aligned {
            self.embed(task, &mut result)?;
        }
        Ok(result)
    }

    /// Aligns and assesses the selected face. `false`: there is none that could be aligned.
    fn examine(
        &mut self,
        role: SampleRole,
        found: Found,
        mut times: SampleTimes,
    ) -> Result<(SampleResult, bool), SampleError> {
        let Found { decoded, detection } = found;
        let (picture, reduction) = (&decoded.picture, decoded.reduction);
        let mut faults = detection.faults;
        let selected = detection
            .selected
            .and_then(|index| detection.faces.get(index));
        let mut is_aligned = false;
        let mut quality = Vec::new();
        if let Some(face) = selected {
            let template = self.embedder.alignment();
            let landmarks = reduction.to_pixel_centres(&face.landmarks);
            let aligned = &mut self.workspace.face;
            let other = &mut self.workspace.other_face;
            let done = timed(&mut times.align, || {
                aligned.align(picture, &landmarks, &ARCFACE_112)?;
                if *template == ARCFACE_112 {
                    return Ok(());
                }
                let rect = reduction.to_picture(face.rect);
                other.cut(picture, rect, &landmarks, template)
            });
            match done {
                Ok(()) => {
                    let subject = Subject {
                        picture,
                        reduction,
                        face,
                        quarter_turns: detection.quarter_turns,
                        crop: aligned.crop(),
                        inside: aligned.inside(),
                    };
                    let limit = self.settings.quality.of(role);
                    let luminance = &mut self.workspace.luminance;
                    quality = timed(&mut times.assess, || {
                        quality::assess(&subject, limit, luminance)
                    })?;
                    faults.extend(quality::faults(&quality));
                    is_aligned = true;
                }
                // Five landmarks on one point are not a face.
                Err(AlignError::Degenerate(_)) => faults.push(ReasonCode::NoFace),
                Err(AlignError::Pixels(error)) => return Err(error.into()),
            }
        }
        faults.sort_unstable();
        faults.dedup();
        let result = SampleResult {
            width: decoded.sample_width(),
            height: decoded.sample_height(),
            faces: detection.faces,
            selected: detection.selected,
            quarter_turns: detection.quarter_turns,
            reduction,
            quality,
            faults,
            template: None,
            times,
        };
        Ok((result, is_aligned))
    }

    fn embed(&mut self, task: &SampleTask, result: &mut SampleResult) -> Result<(), SampleError> {
        let is_due = match task.goal {
            Goal::Assess => false,
            Goal::Embed => result.faults.is_empty(),
            Goal::EmbedAnyway => true,
        };
        if is_due {
            let embedder = self.embedder.as_mut();
            let Workspace {
                face, other_face, ..
            } = &self.workspace;
            let is_assessed = *embedder.alignment() == ARCFACE_112;
            let crop = if is_assessed { face } else { other_face }.crop();
            let embedding = timed(&mut result.times.embed, || match &task.cascade {
                Some(task) => embedder.embed_for(crop, &task.cascade, &task.reference),
                None => embedder.embed(crop),
            })?;
            result.template = Some(Template {
                contract_id: self.embedder.contract_id().clone(),
                embedding,
            });
        }
        Ok(())
    }
}

impl Worker for Pipeline {
    type Task = SampleTask;
    type Output = Result<SampleResult, SampleError>;

    fn work(
        &mut self,
        task: SampleTask,
        checkpoint: &Checkpoint<'_>,
    ) -> Result<Self::Output, Stopped> {
        match self.run(&task, checkpoint) {
            Err(SampleError::Stopped(stopped)) => Err(stopped),
            result => Ok(result),
        }
    }
}

/// Runs `work` and adds how long it took.
fn timed<T>(took: &mut Duration, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = work();
    *took += started.elapsed();
    result
}

#[cfg(test)]
pub(crate) mod tests;
