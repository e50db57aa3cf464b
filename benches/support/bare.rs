//! The yardsticks: ONNX Runtime alone on a fixed input, one thread, as padan's sessions are set up.

use ndarray::Array4;
use ort::session::{Session, builder::GraphOptimizationLevel};
use padan::model::ModelTask;

use super::models::Models;

/// The detector of the yardstick, whatever is served.
pub const DETECTOR: &str = "yunet_2023mar";

/// The embedder of the yardstick, in 32 bits, whatever is served.
pub const EMBEDDER: &str = "sface_2021dec";

/// Side of the detector's input, pixels.
pub const DETECTOR_SIDE: usize = 320;

const EMBEDDER_SIDE: usize = 112;

/// A session and an input for it.
pub struct Bare {
    session: Session,
    input: Array4<f32>,
}

impl Bare {
    /// The detector on 320×320.
    pub fn detector(models: &Models) -> Self {
        Self::new(models, DETECTOR, ModelTask::Detector, DETECTOR_SIDE)
    }

    /// The 32-bit embedder.
    pub fn embedder(models: &Models) -> Self {
        Self::new(models, EMBEDDER, ModelTask::Embedder, EMBEDDER_SIDE)
    }

    fn new(models: &Models, id: &str, task: ModelTask, side: usize) -> Self {
        let content = models.manifest.load(models.entry(id, task)).expect("reads");
        let build = || {
            Session::builder(models.runtime.environment())?
                .with_optimization_level(GraphOptimizationLevel::All)?
                .with_intra_threads(1)?
                .with_inter_threads(1)?
                .commit_from_memory(&content)
        };
        // Any values do: the time of a convolution does not hang on them. Not zeros, which some
        // kernels skip.
        let value = |(_, channel, y, x)| ((channel * 31 + y * 7 + x * 3) % 256) as f32;
        Self {
            session: build().expect("the model is valid"),
            input: Array4::from_shape_fn((1, 3, side, side), value),
        }
    }

    /// Runs the network once.
    pub fn run(&mut self) {
        let input = ort::value::TensorRef::from_array_view(&self.input).expect("a tensor");
        let outputs = self.session.run(ort::inputs![input]).expect("runs");
        std::hint::black_box(&outputs);
    }

    /// Runs the network once and copies an output, by its name.
    pub fn outputs(&mut self, names: &[&str]) -> Vec<Vec<f32>> {
        let input = ort::value::TensorRef::from_array_view(&self.input).expect("a tensor");
        let outputs = self.session.run(ort::inputs![input]).expect("runs");
        let copy = |name: &&str| {
            let output = outputs.get(*name).expect("the model has it");
            output
                .try_extract_tensor::<f32>()
                .expect("floats")
                .1
                .to_vec()
        };
        names.iter().map(copy).collect()
    }

    /// Sets the input to a picture in the top left corner, blue first.
    pub fn show(&mut self, picture: &padan::sample::picture::Picture) {
        self.input.fill(0.0);
        let width = picture.width() as usize;
        for (number, pixel) in picture.rgb().chunks_exact(3).enumerate() {
            for (channel, value) in pixel.iter().rev().enumerate() {
                self.input[[0, channel, number / width, number % width]] = f32::from(*value);
            }
        }
    }
}
