//! gRPC: each method converts, calls, converts. No decision is made here.

mod admission;
mod audit;
mod caller;
mod certificate;
mod convert;
mod deadline;
mod endpoint;
mod enrollment;
mod info;
mod models;
mod privacy;
mod results;
mod review;
mod server;
mod service;
mod status;
mod stream;

#[expect(
    missing_docs,
    clippy::pedantic,
    reason = "generated; the contract is documented in proto/padan/v1"
)]
pub mod proto {
    //! Generated from `proto/padan/v1`.
    tonic::include_proto!("padan.v1");

    /// The compiled contract, for reflection.
    pub const DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/padan_descriptor.bin"));
}

impl std::fmt::Debug for proto::Sample {
    /// No byte of the image: it never reaches a log.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Sample({} bytes)", self.image.len())
    }
}

impl std::fmt::Debug for proto::Subject {
    /// No digit of the NIK.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Subject(…)")
    }
}

impl std::fmt::Debug for proto::ReadyTemplate {
    /// No number of the embedding.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "ReadyTemplate({} bytes)", self.template.len())
    }
}

impl std::fmt::Debug for proto::Biodata {
    /// Nothing of a person.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Biodata(…)")
    }
}

pub use admission::DoorLayer;
pub use audit::AuditService;
pub use convert::{requests, responses};
pub use deadline::parse_timeout;
pub use endpoint::{ClientTls, InvalidUrl, endpoint, endpoint_with};
pub use enrollment::EnrollmentService;
pub use info::ServiceInfo;
pub use models::ModelsService;
pub use privacy::PrivacyService;
pub use review::ReviewService;
pub use server::{
    CONNECTION_WINDOW_BYTES, Drained, Kept, STREAM_WINDOW_BYTES, STREAMS_MAX, ServeError, Served,
    serve,
};
pub use service::FaceVerificationService;
pub use status::code_name;
