use std::cell::Cell;

use super::*;
use crate::embed::{ContractId, Embedding};
use crate::sample::align::{ARCFACE_112, AlignmentTemplate, TEMPLATES};
use crate::sample::geometry::{Landmarks, Point, Rect};
use crate::sample::picture::Picture;

/// Sees the same face in the middle of every picture.
pub(crate) struct OneFace;

impl FaceDetector for OneFace {
    fn detect(&mut self, picture: &Picture, _: f32) -> Result<Vec<Face>, InferenceError> {
        let (width, height) = picture.size_f32();
        let scale = width.min(height) / 224.0;
        let place = |p: Point| Point::new(p.x * scale + width / 4.0, p.y * scale + height / 4.0);
        Ok(vec![Face {
            rect: Rect {
                x: width / 4.0,
                y: height / 4.0,
                width: width / 2.0,
                height: height / 2.0,
            },
            landmarks: Landmarks::from_points(ARCFACE_112.points.map(place)),
            confidence: 0.95,
        }])
    }
}

/// Has one answer for every face.
struct OneAnswer {
    contract_id: ContractId,
    alignment: &'static AlignmentTemplate,
    answer: Result<[f32; 2], &'static str>,
}

impl FaceEmbedder for OneAnswer {
    fn contract_id(&self) -> &ContractId {
        &self.contract_id
    }

    fn alignment(&self) -> &'static AlignmentTemplate {
        self.alignment
    }

    fn embed(&mut self, crop: &Picture) -> Result<Embedding, InferenceError> {
        let side = self.alignment.side_px;
        assert_eq!((crop.width(), crop.height()), (side, side));
        assert!(crop.rgb().contains(&200), "the face is there when needed");
        let numbers = self.answer.map_err(|cause| InferenceError {
            model: "answers".to_owned(),
            cause: cause.to_owned(),
            is_unavailable: false,
        })?;
        Ok(Embedding::from_output(&numbers).expect("has a direction"))
    }
}

fn pipeline(answer: Result<[f32; 2], &'static str>) -> Pipeline {
    aligned_pipeline(answer, &ARCFACE_112)
}

fn aligned_pipeline(
    answer: Result<[f32; 2], &'static str>,
    alignment: &'static AlignmentTemplate,
) -> Pipeline {
    let settings = PipelineSettings {
        image: ImageLimits::default(),
        quality: QualityLimits::default(),
    };
    let contract_id = ContractId::new("answers:0");
    let embedder = OneAnswer {
        contract_id,
        alignment,
        answer,
    };
    Pipeline::new(Box::new(OneFace), Box::new(embedder), Arc::new(settings))
}

/// A bright picture as a file.
fn task() -> SampleTask {
    let picture = image::RgbImage::from_pixel(256, 256, image::Rgb([200; 3]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    let written = picture.write_to(&mut bytes, image::ImageFormat::Png);
    written.expect("encodes");
    SampleTask {
        image: bytes.into_inner().into(),
        role: SampleRole::Probe,
        choice: FaceChoice::Largest,
        cascade: None,
        goal: Goal::EmbedAnyway,
    }
}

/// Whether the workspace was used and holds nothing.
fn is_wiped(pipeline: &mut Pipeline) -> bool {
    let Workspace {
        detect,
        face,
        other_face,
        luminance,
    } = &mut pipeline.workspace;
    let seen = detect.pixels().concat();
    let pixels = (112 * 112, 112 * 112 * 3);
    let was_used = !seen.is_empty() && (luminance.len(), face.crop().rgb().len()) == pixels;
    let crops = face.crop().rgb().iter().chain(other_face.crop().rgb());
    let mut all = luminance.iter().chain(crops).chain(&seen);
    was_used && all.all(|value| *value == 0) && face.inside().iter().all(|inside| !inside)
}

#[test]
fn no_face_is_kept_when_its_sample_is_done() {
    let mut pipeline = pipeline(Ok([1.0, 0.0]));
    let result = pipeline.run(&task(), &Checkpoint::always());
    assert!(result.expect("works").template.is_some());
    assert!(is_wiped(&mut pipeline));
}

#[test]
fn no_face_is_kept_when_its_sample_fails() {
    let mut pipeline = pipeline(Err("out of order"));
    let result = pipeline.run(&task(), &Checkpoint::always());
    assert!(matches!(result, Err(SampleError::Inference(_))));
    assert!(is_wiped(&mut pipeline));
}

#[test]
fn no_face_is_kept_when_its_caller_hangs_up() {
    let mut pipeline = pipeline(Ok([1.0, 0.0]));
    let checks = Cell::new(0);
    let is_abandoned = || {
        checks.set(checks.get() + 1);
        // After decoding, detection and assessment.
        checks.get() == 3
    };
    let result = pipeline.run(&task(), &Checkpoint::new(None, &is_abandoned));
    assert!(matches!(
        result,
        Err(SampleError::Stopped(Stopped::Abandoned))
    ));
    assert!(is_wiped(&mut pipeline));
}

#[test]
fn another_alignment_changes_the_crop_of_the_embedder_and_no_measure_of_quality() {
    let mut first = pipeline(Ok([1.0, 0.0]));
    let usual = first.run(&task(), &Checkpoint::always()).expect("works");
    for template in TEMPLATES {
        let mut other = aligned_pipeline(Ok([1.0, 0.0]), template);
        let result = other.run(&task(), &Checkpoint::always()).expect("works");
        assert!(result.template.is_some(), "{}", template.name);
        assert_eq!(result.quality, usual.quality, "{}", template.name);
        assert!(is_wiped(&mut other), "{}", template.name);
    }
}
