//! One sample, from bytes to an aligned face: `decode` ► `detect` ► `align` ► `quality`.
//!
//! Pure functions around one small trait, [`detect::FaceDetector`]. Nothing here knows ONNX
//! Runtime, gRPC or a policy; OpenCV gets pixels, never a file. What the stages write to is the
//! caller's, in a [`Workspace`], so that a lane needs no new memory for each sample.

pub mod align;
pub mod decode;
pub mod detect;
pub mod geometry;
pub mod picture;
pub mod quality;
pub mod yunet;

/// Which side of the comparison a sample is on; limits differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleRole {
    /// The live capture.
    Probe,
    /// The enrolled side.
    Reference,
}

/// What the stages after `decode` write to. A lane has one and uses it for sample after sample.
///
/// The lane wipes it at the end of each sample: a workspace is never a place where a face outlives
/// its request. Memory that was given back to the allocator (the file, the decoded picture, a view
/// of it too large to keep) and what ONNX Runtime and OpenCV keep for themselves is not wiped: it
/// is overwritten when it is used again.
#[derive(Default)]
pub struct Workspace {
    /// Pictures of the search for faces.
    pub detect: detect::Workspace,
    /// The selected face, as its quality is measured, and as most embedders take it.
    pub face: align::AlignedFace,
    /// The selected face for an embedder of another alignment.
    pub other_face: align::AlignedFace,
    /// Luminance of its crop.
    pub luminance: Vec<u8>,
}

impl Workspace {
    /// Leaves nothing of the sample, and keeps the memory.
    pub fn wipe(&mut self) {
        let Self {
            detect,
            face,
            other_face,
            luminance,
        } = self;
        detect.wipe();
        face.wipe();
        other_face.wipe();
        luminance.fill(0);
    }
}
