//! The queue of cases for a human: convert, call, convert.

use tonic::{Code, Request, Response, Status};

use super::caller::{announce, caller, slot};
use super::convert::reviews as convert;
use super::proto;
use super::proto::review_server::Review as Contract;
use super::status;
use crate::review::{Refusal, ReviewError, Reviews};

/// The service behind the contract.
pub struct ReviewService {
    /// The queue.
    pub reviews: Reviews,
}

#[tonic::async_trait]
impl Contract for ReviewService {
    async fn enqueue(
        &self,
        request: Request<proto::EnqueueRequest>,
    ) -> Result<Response<proto::EnqueueResponse>, Status> {
        let (caller, slot) = (caller(&request)?, slot(&request));
        let wish = convert::enqueue(request.into_inner(), caller).map_err(status::invalid)?;
        announce(slot.as_ref(), wish.request_id.as_str());
        let queued = self.reviews.enqueue(&wish).await;
        let queued = queued.map_err(|error| failed(&error))?;
        Ok(Response::new(proto::EnqueueResponse {
            request_id: wish.request_id.as_str().to_owned(),
            review_id: queued.id,
            decided: queued.is_decided,
        }))
    }

    async fn next(
        &self,
        request: Request<proto::NextRequest>,
    ) -> Result<Response<proto::NextResponse>, Status> {
        let caller = caller(&request)?;
        let desk = convert::next(request.get_ref(), caller).map_err(status::invalid)?;
        let found = self.reviews.next(&desk).await;
        let found = found.map_err(|error| failed(&error))?;
        Ok(Response::new(proto::NextResponse {
            case: found.map(convert::case),
        }))
    }

    async fn decide(
        &self,
        request: Request<proto::DecideRequest>,
    ) -> Result<Response<proto::DecideResponse>, Status> {
        let (caller, slot) = (caller(&request)?, slot(&request));
        let judgement = convert::decide(request.into_inner(), caller).map_err(status::invalid)?;
        announce(slot.as_ref(), judgement.request_id.as_str());
        let token = self.reviews.decide(&judgement).await;
        let token = token.map_err(|error| failed(&error))?;
        Ok(Response::new(proto::DecideResponse {
            request_id: judgement.request_id.as_str().to_owned(),
            result_token: token,
        }))
    }
}

/// The one translation of this service's errors.
fn failed(error: &ReviewError) -> Status {
    match error {
        ReviewError::Store(error) => status::from_store(error),
        ReviewError::Refused(refusal) => {
            status::refused(code(*refusal), refusal.name(), &refusal.to_string())
        }
        ReviewError::OtherBody => status::other_body(&error.to_string()),
        ReviewError::Internal(cause) => status::internal(cause),
    }
}

const fn code(refusal: Refusal) -> Code {
    match refusal {
        Refusal::OtherOffice => Code::PermissionDenied,
        Refusal::NoDecision | Refusal::NoCase => Code::NotFound,
        Refusal::NotForReview
        | Refusal::SamePerson
        | Refusal::TakenByOther
        | Refusal::DecidedBefore => Code::FailedPrecondition,
    }
}
