//! One sample, from bytes to an aligned face: `decode` ► `detect` ► `quality` ► `align`.
//!
//! Pure functions around one small trait, [`detect::FaceDetector`]. Nothing here knows ONNX
//! Runtime, gRPC or a policy; OpenCV gets pixels, never a file.

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
