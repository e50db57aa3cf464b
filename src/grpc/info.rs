//! What there is to say about a running server.

use crate::engine::EngineSettings;
use crate::sample::decode::ImageLimits;

/// Room in a message for everything but the two images.
const MESSAGE_OVERHEAD_BYTES: usize = 64 * 1024;

/// What a server runs, for `GetServiceInfo`.
#[derive(Debug, Clone)]
pub struct ServiceInfo {
    /// Version of ONNX Runtime.
    pub runtime_version: String,
    /// Where it computes.
    pub execution_provider: &'static str,
    /// Lanes and queue.
    pub engine: EngineSettings,
    /// Limits on samples.
    pub image_limits: ImageLimits,
}

impl ServiceInfo {
    /// Most bytes of one request.
    #[must_use]
    pub fn message_bytes_max(&self) -> usize {
        2 * self.image_limits.image_bytes_max + MESSAGE_OVERHEAD_BYTES
    }
}
