//! The rights of the people whose faces are compared: convert, call, convert.

use std::sync::Arc;

use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

use super::caller::{announce, caller, slot};
use super::convert::privacy as convert;
use super::proto;
use super::proto::privacy_server::Privacy as Contract;
use super::status;
use crate::keys::KeyRing;
use crate::privacy::{Privacy, PrivacyError};

/// The service behind the contract.
pub struct PrivacyService {
    /// Does what is asked.
    pub privacy: Privacy,
}

impl PrivacyService {
    fn keys(&self) -> &Arc<KeyRing> {
        self.privacy.records().keys()
    }
}

#[tonic::async_trait]
impl Contract for PrivacyService {
    type ExportSubjectStream = BoxStream<proto::ExportSubjectResponse>;

    async fn withdraw_consent(
        &self,
        request: Request<proto::WithdrawConsentRequest>,
    ) -> Result<Response<proto::WithdrawConsentResponse>, Status> {
        let (caller, slot) = (caller(&request)?, slot(&request));
        let (asked, consent) = convert::withdraw(request.into_inner(), caller, self.keys())
            .map_err(status::invalid)?;
        announce(slot.as_ref(), asked.request_id.as_str());
        let done = self.privacy.withdraw(&asked, consent.as_ref()).await;
        let done = done.map_err(|error| failed(&error))?;
        let request_id = asked.request_id.as_str().to_owned();
        Ok(Response::new(convert::withdrawn(request_id, done)))
    }

    async fn erase(
        &self,
        request: Request<proto::EraseRequest>,
    ) -> Result<Response<proto::EraseResponse>, Status> {
        let (caller, slot) = (caller(&request)?, slot(&request));
        let asked =
            convert::erase(request.into_inner(), caller, self.keys()).map_err(status::invalid)?;
        announce(slot.as_ref(), asked.request_id.as_str());
        let done = self.privacy.erase(&asked).await;
        let done = done.map_err(|error| failed(&error))?;
        let request_id = asked.request_id.as_str().to_owned();
        Ok(Response::new(convert::erased(request_id, done)))
    }

    async fn export_subject(
        &self,
        request: Request<proto::ExportSubjectRequest>,
    ) -> Result<Response<Self::ExportSubjectStream>, Status> {
        let (caller, slot) = (caller(&request)?, slot(&request));
        let asked =
            convert::export(request.into_inner(), caller, self.keys()).map_err(status::invalid)?;
        announce(slot.as_ref(), asked.request_id.as_str());
        let lines = self.privacy.export(asked).await;
        let lines = lines.map_err(|error| failed(&error))?;
        let lines = ReceiverStream::new(lines).map(|line| match line {
            Ok(line) => Ok(proto::ExportSubjectResponse { line }),
            Err(error) => Err(failed(&error)),
        });
        Ok(Response::new(Box::pin(lines)))
    }
}

/// The one translation of this service's errors.
fn failed(error: &PrivacyError) -> Status {
    match error {
        PrivacyError::Store(error) => status::from_store(error),
        PrivacyError::Journal(error) => {
            tracing::error!(%error, "an erasure could not be noted outside the database");
            let message = "the journal of erasures cannot be written now: ask again with the same \
                           request id";
            status::refused(tonic::Code::Unavailable, "JOURNAL", message)
        }
        PrivacyError::OtherBody => status::other_body(&error.to_string()),
    }
}
