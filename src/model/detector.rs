//! `YuNet` on ONNX Runtime.

use super::session::{self, ModelError, ModelSession};
use super::{Manifest, ModelEntry, Runtime};
use crate::embed::InferenceError;
use crate::sample::detect::FaceDetector;
use crate::sample::geometry::Face;
use crate::sample::picture::Picture;
use crate::sample::yunet::{self, GridOutput, STRIDES};

/// Sides of the network's input are multiples of its coarsest stride.
const SIDE_STEP: usize = 32;

/// A `YuNet` session, owned by one thread.
pub struct YunetDetector {
    session: ModelSession,
    /// Output names by grid: class, object, box, landmarks.
    names: [[String; 4]; 3],
    id: String,
}

impl YunetDetector {
    /// Loads the entry's file and checks it.
    ///
    /// # Errors
    /// When the digest, the names or the shapes are not what the manifest says.
    pub fn load(
        runtime: &Runtime,
        manifest: &Manifest,
        entry: &ModelEntry,
    ) -> Result<Self, ModelError> {
        let content = manifest.load(entry)?;
        let session = ModelSession::build(runtime, entry, &content)?;
        let names = STRIDES
            .map(|stride| ["cls", "obj", "bbox", "kps"].map(|name| format!("{name}_{stride}")));
        for name in names.iter().flatten() {
            if !entry.output.iter().any(|output| output.name == *name) {
                return Err(ModelError::Shape {
                    id: entry.id.clone(),
                    expected: "the outputs of another detector".to_owned(),
                    found: format!("no {name}: only YuNet's outputs are understood"),
                });
            }
        }
        Ok(Self {
            session,
            names,
            id: entry.id.clone(),
        })
    }
}

impl FaceDetector for YunetDetector {
    fn detect(
        &mut self,
        picture: &Picture,
        confidence_min: f32,
    ) -> Result<Vec<Face>, InferenceError> {
        let width = (picture.width() as usize).next_multiple_of(SIDE_STEP);
        let height = (picture.height() as usize).next_multiple_of(SIDE_STEP);
        self.session.write(picture, width, height);
        let faces = self.faces(width, height, confidence_min);
        self.session.wipe();
        faces
    }
}

impl YunetDetector {
    /// What the network sees in the session's planes, of `width × height`.
    fn faces(
        &mut self,
        width: usize,
        height: usize,
        confidence_min: f32,
    ) -> Result<Vec<Face>, InferenceError> {
        let outputs = self.session.run(height, width)?;
        let mut grids = Vec::with_capacity(STRIDES.len());
        for (stride, names) in STRIDES.into_iter().zip(&self.names) {
            let [class, object, boxes, landmarks] = names;
            let get = |name: &str| session::output(&outputs, &self.id, name);
            grids.push(GridOutput {
                stride,
                class: get(class)?,
                object: get(object)?,
                boxes: get(boxes)?,
                landmarks: get(landmarks)?,
            });
        }
        Ok(yunet::decode(&grids, width, confidence_min))
    }
}
