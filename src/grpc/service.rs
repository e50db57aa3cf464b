//! The methods: convert, call, convert.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::admission::Admitted;
use super::caller::{announce, caller};
use super::convert::{requests, responses, subjects};
use super::info::ServiceInfo;
use super::proto;
use super::proto::face_verification_server::FaceVerification;
use super::status::{self, ImageFields};
use crate::access::Role;
use crate::activation::Activation;
use crate::pipeline::SampleResult;
use crate::store::StoreError;
use crate::telemetry::{CaptureAssessed, Metrics, SampleExamined, VerificationDecided};
use crate::verify::{Urgency, Verifier, reasons_for};

/// The service behind the contract.
pub struct FaceVerificationService {
    /// Makes the decisions.
    pub verifier: Arc<Verifier>,
    /// Verifies subjects; absent where no references are kept.
    pub activation: Option<Arc<Activation>>,
    /// Says what runs.
    pub info: ServiceInfo,
    /// Counts.
    pub metrics: Arc<Metrics>,
}

#[tonic::async_trait]
impl FaceVerification for FaceVerificationService {
    async fn verify(
        &self,
        request: Request<proto::VerifyRequest>,
    ) -> Result<Response<proto::VerifyResponse>, Status> {
        const FIELDS: ImageFields = ImageFields {
            probe: "probe.image",
            reference: "reference_sample.image",
        };
        if let Some(activation) = &self.activation {
            return self.verify_subject(activation, request).await;
        }
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
            decision: verification.verdict.decision,
            reasons: &verification.verdict.reasons,
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
        let active = self.verifier.active();
        Ok(Response::new(responses::service_info(&self.info, &active)))
    }
}

impl FaceVerificationService {
    async fn verify_subject(
        &self,
        activation: &Arc<Activation>,
        request: Request<proto::VerifyRequest>,
    ) -> Result<Response<proto::VerifyResponse>, Status> {
        const FIELDS: ImageFields = ImageFields {
            probe: "probe.image",
            reference: "subject",
        };
        let (admitted, caller) = (admitted(&request)?, caller(&request)?);
        // An operator sees the band: a number invites to bargain with it.
        let tells_similarity = caller.role == Role::Backend;
        let keys = activation.records().keys();
        let (meta, ask) =
            subjects::activation(request.into_inner(), caller, keys).map_err(status::invalid)?;
        let urgency = admit(&admitted, &meta);
        // On a task of its own: what was begun is decided and recorded, also when nobody waits.
        let activation = Arc::clone(activation);
        let answer = tokio::spawn(async move { activation.verify(ask, urgency).await });
        let answer = answer
            .await
            .map_err(|_| status::from_store(&StoreError::Unknown))?
            .map_err(|error| status::from_activation(&error, FIELDS))?;
        self.count(answer.verification.iter().map(|seen| &seen.probe));
        if !answer.is_repeated {
            let event = VerificationDecided {
                decision: answer.reply.decision,
                reasons: &answer.reply.reasons,
                policy_version: &answer.reply.policy_version,
                request_id: &meta.request_id,
            };
            event.emit(&self.metrics);
        }
        Ok(Response::new(responses::activation(
            meta.request_id,
            &answer,
            tells_similarity,
        )))
    }

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
        .ok_or_else(|| status::internal("the request was not admitted"))
}

fn admit(admitted: &Admitted, meta: &requests::Meta) -> Urgency {
    announce(Some(admitted), &meta.request_id);
    Urgency {
        class: meta.class,
        deadline: Some(admitted.deadline),
    }
}
