//! The stages of the pipeline, each ready to be run again and again.

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;

use bytes::Bytes;
use padan::compare::compare;
use padan::decision::{Evidence, decide};
use padan::embed::{Embedding, FaceEmbedder, Template};
use padan::engine::Checkpoint;
use padan::model::prelu::QuantizedPrelu;
use padan::model::{OrtEmbedder, YunetDetector};
use padan::pipeline::{Goal, Pipeline, SampleTask};
use padan::sample::SampleRole;
use padan::sample::align::{AlignedFace, AlignmentTemplate};
use padan::sample::decode::{ImageLimits, Reduction, decode};
use padan::sample::detect::{self, FaceChoice, FaceDetector, locate};
use padan::sample::geometry::Face;
use padan::sample::picture::Picture;
use padan::sample::quality::{self, Subject};
use padan::sample::yunet::{self, GridOutput, STRIDES};

use super::bare::{self, Bare};
use super::models::Models;
use super::pictures;

/// The largest feature map of SFace, 112×112×64, through the 8-bit `PReLU`.
fn prelu_stage() -> Stage {
    const CHANNELS: usize = 64;
    let prelu = QuantizedPrelu::new(&[90; CHANNELS], &[0.9; CHANNELS], &[0.3; CHANNELS], 20);
    let prelu = prelu.expect("sound constants");
    let input: Vec<u8> = (0..112 * 112 * CHANNELS)
        .map(|n| (n * 31 % 251) as u8)
        .collect();
    let mut output = vec![0; input.len()];
    stage("8-bit PReLU, 112x112x64", false, move || {
        prelu.apply(black_box(&input), &mut output);
        black_box(&output);
    })
}

/// One thing to measure.
pub struct Stage {
    /// What it is, for tables and for the baseline.
    pub name: String,
    /// Does it once.
    pub run: Box<dyn FnMut()>,
    /// Most of it is a network: one run is enough to count, and valgrind, which works out each
    /// fused multiplication by a call, takes half a minute for it.
    pub is_network: bool,
}

/// The one name of the yardstick of instruction counts.
pub const YARDSTICK: &str = "yardstick: bare YuNet, 320x320";

/// The bare embedder.
pub const YARDSTICK_EMBED: &str = "yardstick: bare SFace, 32 bits";

fn stage(name: impl Into<String>, is_network: bool, run: impl FnMut() + 'static) -> Stage {
    Stage {
        name: name.into(),
        run: Box::new(run),
        is_network,
    }
}

/// A sample, and what each stage takes.
struct Prepared {
    name: &'static str,
    image: Bytes,
    role: SampleRole,
    picture: Picture,
    face: Face,
    quarter_turns: u8,
    aligned: AlignedFace,
}

type Shared<T> = Rc<RefCell<T>>;

fn prepare(
    name: &'static str,
    image: Bytes,
    role: SampleRole,
    detector: &Shared<YunetDetector>,
    alignment: &AlignmentTemplate,
) -> Rc<Prepared> {
    let picture = decode(&image, &ImageLimits::default()).expect("decodes");
    let detector = &mut *detector.borrow_mut();
    let mut workspace = detect::Workspace::default();
    let found = locate(
        detector,
        &mut workspace,
        &picture,
        role,
        FaceChoice::Largest,
    );
    let found = found.expect("detects");
    assert!(found.faults.is_empty(), "{name}: {:?}", found.faults);
    let face = found.faces[found.selected.expect("has a face")];
    let mut aligned = AlignedFace::default();
    let done = aligned.align(&picture, &face.landmarks, alignment);
    done.expect("aligns");
    Rc::new(Prepared {
        name,
        image,
        role,
        face,
        quarter_turns: found.quarter_turns,
        aligned,
        picture,
    })
}

/// The stages of padan itself and the yardsticks, on the standard selfie and its reference.
pub struct Stages {
    detector: Shared<YunetDetector>,
    embedders: Vec<(String, Shared<OrtEmbedder>)>,
    alignment: &'static AlignmentTemplate,
    samples: [Rc<Prepared>; 2],
}

impl Stages {
    /// Loads every model and prepares both samples.
    pub fn new(models: &Models) -> Self {
        let detector = Rc::new(RefCell::new(models.detector()));
        let load = |id: &str| (id.to_owned(), Rc::new(RefCell::new(models.embedder(id))));
        let embedders: Vec<_> = models.embedder_ids().into_iter().map(load).collect();
        let alignment = embedders[0].1.borrow().alignment();
        let sample = |name, image, role| prepare(name, image, role, &detector, alignment);
        let samples = [
            sample("selfie", pictures::selfie(), SampleRole::Probe),
            sample("reference", pictures::reference(), SampleRole::Reference),
        ];
        Self {
            detector,
            embedders,
            alignment,
            samples,
        }
    }

    /// Every stage of both samples but the whole of them.
    pub fn each(&self, models: &Models) -> Vec<Stage> {
        let mut stages = Vec::new();
        for sample in &self.samples {
            stages.push(decode_stage(sample));
            stages.push(self.detect_stage(sample));
            stages.push(self.align_stage(sample));
            stages.push(assess_stage(sample, models));
        }
        stages.extend(self.embed_stages());
        stages.push(compare_stage(models));
        stages
    }

    /// Smaller kernels that are worth a count of their own.
    pub fn kernels(&self, models: &Models) -> Vec<Stage> {
        let [selfie, _] = &self.samples;
        let (width, height) = (selfie.picture.width(), selfie.picture.height());
        let scale = bare::DETECTOR_SIDE as f32 / selfie.picture.longer_side() as f32;
        let size = [width, height].map(|side| (side as f32 * scale).round() as u32);
        let resized = move |picture: &Picture| picture.resized(size[0], size[1]).expect("resizes");
        let small = resized(&selfie.picture);
        let outputs = YunetOutputs::of(&small, models);
        let (sample, detector) = (Rc::clone(selfie), Rc::clone(&self.detector));
        vec![
            stage("resize selfie to 320", false, move || {
                black_box(resized(&sample.picture));
            }),
            stage("one detector pass, 320", true, move || {
                black_box(detector.borrow_mut().detect(&small, 0.5)).expect("detects");
            }),
            stage("decode YuNet's outputs", false, move || {
                black_box(outputs.decode());
            }),
            prelu_stage(),
        ]
    }

    /// A whole sample, by the pipeline.
    pub fn whole(&self, models: &Models) -> Vec<Stage> {
        let pipeline: Shared<Pipeline> = Rc::new(RefCell::new(models.pipeline()));
        let whole = |sample: &Rc<Prepared>| {
            let (pipeline, task) = (Rc::clone(&pipeline), task(sample));
            stage(format!("whole {}", sample.name), true, move || {
                let result = pipeline.borrow_mut().run(&task, &Checkpoint::always());
                let result = black_box(result).expect("runs");
                assert!(result.template.is_some(), "{:?}", result.faults);
            })
        };
        self.samples.iter().map(whole).collect()
    }

    fn detect_stage(&self, sample: &Rc<Prepared>) -> Stage {
        let (detector, sample) = (Rc::clone(&self.detector), Rc::clone(sample));
        let mut workspace = detect::Workspace::default();
        stage(format!("detect {}", sample.name), true, move || {
            let detector = &mut *detector.borrow_mut();
            let Prepared { picture, role, .. } = &*sample;
            let choice = FaceChoice::Largest;
            let found = locate(detector, &mut workspace, picture, *role, choice);
            black_box(found).expect("detects");
            workspace.wipe();
        })
    }

    /// Crop and mask, as the pipeline makes them.
    fn align_stage(&self, sample: &Rc<Prepared>) -> Stage {
        let (sample, alignment) = (Rc::clone(sample), self.alignment);
        let mut aligned = AlignedFace::default();
        stage(format!("align {}", sample.name), false, move || {
            let (picture, landmarks) = (&sample.picture, &sample.face.landmarks);
            black_box(aligned.align(picture, landmarks, alignment)).expect("aligns");
            aligned.wipe();
        })
    }

    fn embed_stages(&self) -> Vec<Stage> {
        let embed = |(id, embedder): &(String, Shared<OrtEmbedder>)| {
            let (embedder, sample) = (Rc::clone(embedder), Rc::clone(&self.samples[0]));
            stage(format!("embed, {id}"), true, move || {
                black_box(embedder.borrow_mut().embed(sample.aligned.crop())).expect("embeds");
            })
        };
        self.embedders.iter().map(embed).collect()
    }
}

/// Two made-up templates: how alike they are costs nothing.
fn compare_stage(models: &Models) -> Stage {
    let policy = models.policy();
    let [probe, reference] = [0.1_f32, 0.2].map(|step| {
        let numbers: Vec<f32> = (0..128_u8).map(|n| (f32::from(n) * step).sin()).collect();
        Template {
            contract_id: policy.contract_id.clone(),
            embedding: Embedding::from_output(&numbers).expect("has a direction"),
        }
    });
    stage("compare and decide", false, move || {
        let similarity = compare(&probe, &reference).expect("one contract");
        let evidence = Evidence {
            probe_faults: &[],
            reference_faults: &[],
            similarity: Some(similarity),
        };
        black_box(decide(&policy, &evidence));
    })
}

/// ONNX Runtime alone on the detector.
pub fn yardstick_detect(models: &Models) -> Stage {
    let mut detector = Bare::detector(models);
    stage(YARDSTICK, true, move || detector.run())
}

/// ONNX Runtime alone on the 32-bit embedder.
pub fn yardstick_embed(models: &Models) -> Stage {
    let mut embedder = Bare::embedder(models);
    stage(YARDSTICK_EMBED, true, move || embedder.run())
}

fn decode_stage(sample: &Rc<Prepared>) -> Stage {
    let sample = Rc::clone(sample);
    stage(format!("decode {}", sample.name), false, move || {
        black_box(decode(&sample.image, &ImageLimits::default())).expect("decodes");
    })
}

fn assess_stage(sample: &Rc<Prepared>, models: &Models) -> Stage {
    let sample = Rc::clone(sample);
    let limit = models.config.pipeline.quality.of(sample.role);
    let mut luminance = Vec::new();
    stage(format!("assess {}", sample.name), false, move || {
        let subject = Subject {
            picture: &sample.picture,
            reduction: Reduction::None,
            face: &sample.face,
            quarter_turns: sample.quarter_turns,
            crop: sample.aligned.crop(),
            inside: sample.aligned.inside(),
        };
        black_box(quality::assess(&subject, limit, &mut luminance)).expect("assesses");
        luminance.fill(0);
    })
}

fn task(sample: &Prepared) -> SampleTask {
    SampleTask {
        cascade: None,
        image: sample.image.clone(),
        role: sample.role,
        choice: FaceChoice::Largest,
        goal: Goal::Embed,
    }
}

/// What the network says about a picture: class, object, box and landmarks of each grid.
struct YunetOutputs(Vec<[Vec<f32>; 4]>);

impl YunetOutputs {
    fn of(picture: &Picture, models: &Models) -> Self {
        let mut bare = Bare::detector(models);
        bare.show(picture);
        let grid = |stride: usize| {
            let names = ["cls", "obj", "bbox", "kps"].map(|name| format!("{name}_{stride}"));
            let outputs = bare.outputs(&names.each_ref().map(String::as_str));
            outputs.try_into().expect("four")
        };
        let outputs = Self(STRIDES.map(grid).into());
        assert_eq!(outputs.decode().len(), 1, "the selfie shows one face");
        outputs
    }

    fn decode(&self) -> Vec<Face> {
        let outputs = STRIDES.into_iter().zip(&self.0);
        let grids: Vec<GridOutput<'_>> = outputs
            .map(|(stride, [class, object, boxes, landmarks])| GridOutput {
                stride,
                class,
                object,
                boxes,
                landmarks,
            })
            .collect();
        yunet::decode(&grids, bare::DETECTOR_SIDE, 0.5)
    }
}
