//! The methods: convert, call, convert.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::admission::Admitted;
use super::convert::{requests, responses};
use super::info::ServiceInfo;
use super::proto;
use super::proto::face_verification_server::FaceVerification;
use super::status::{self, ImageFields};
use crate::pipeline::SampleResult;
use crate::telemetry::{CaptureAssessed, Metrics, SampleExamined, VerificationDecided};
use crate::verify::{Urgency, Verifier, reasons_for};

/// The service behind the contract.
pub struct Service {
    /// Makes the decisions.
    pub verifier: Arc<Verifier>,
    /// Says what runs.
    pub info: ServiceInfo,
    /// Counts.
    pub metrics: Arc<Metrics>,
}

#[tonic::async_trait]
impl FaceVerification for Service {
    async fn verify(
        &self,
        request: Request<proto::VerifyRequest>,
    ) -> Result<Response<proto::VerifyResponse>, Status> {
        const FIELDS: ImageFields = ImageFields {
            probe: "probe.image",
            reference: "reference_sample.image",
        };
        let admitted = admitted(&request)?;
        let (meta, task) = requests::verify(request.into_inner()).map_err(status::invalid)?;
        let urgency = admit(&admitted, &meta);
        let verification = self
            .verifier
            .verify(task, urgency)
            .await
            .map_err(|error| status::from_error(&error, FIELDS))?;
        self.count(std::iter::once(&verification.probe).chain(&verification.reference));
        let event = VerificationDecided {
            verdict: &verification.verdict,
            policy_version: &verification.policy.version,
            request_id: &meta.request_id,
        };
        event.emit(&self.metrics);
        Ok(Response::new(responses::verify(
            meta.request_id,
            &verification,
        )))
    }

    async fn assess_capture(
        &self,
        request: Request<proto::AssessCaptureRequest>,
    ) -> Result<Response<proto::AssessCaptureResponse>, Status> {
        const FIELDS: ImageFields = ImageFields {
            probe: "sample.image",
            reference: "sample.image",
        };
        let admitted = admitted(&request)?;
        let (meta, (image, role)) =
            requests::assess(request.into_inner()).map_err(status::invalid)?;
        let urgency = admit(&admitted, &meta);
        let result = self
            .verifier
            .assess(image, role, urgency)
            .await
            .map_err(|error| status::from_error(&error, FIELDS))?;
        self.count([&result]);
        let reasons = reasons_for(role, &result.faults);
        let event = CaptureAssessed {
            reasons: &reasons,
            request_id: &meta.request_id,
        };
        event.emit(&self.metrics);
        Ok(Response::new(responses::assess(
            meta.request_id,
            &result,
            &reasons,
        )))
    }

    async fn get_service_info(
        &self,
        _: Request<proto::GetServiceInfoRequest>,
    ) -> Result<Response<proto::GetServiceInfoResponse>, Status> {
        let policies = self.verifier.policies().iter();
        Ok(Response::new(responses::service_info(&self.info, policies)))
    }
}

impl Service {
    fn count<'a>(&self, samples: impl IntoIterator<Item = &'a SampleResult>) {
        for sample in samples {
            SampleExamined {
                times: &sample.times,
            }
            .emit(&self.metrics);
        }
    }
}

/// What the door said. Without a door in front, nothing is served.
fn admitted<T>(request: &Request<T>) -> Result<Admitted, Status> {
    let admitted = request.extensions().get::<Admitted>();
    admitted
        .cloned()
        .ok_or_else(|| Status::internal("the request was not admitted"))
}

fn admit(admitted: &Admitted, meta: &requests::Meta) -> Urgency {
    // The door made the slot for this request alone: it is empty.
    drop(admitted.request_id.set(meta.request_id.clone()));
    Urgency {
        class: meta.class,
        deadline: Some(admitted.deadline),
    }
}
