//! The models of this process: convert, call, convert.

use std::sync::Arc;

use tonic::{Code, Request, Response, Status};

use super::caller::caller;
use super::convert::models as convert;
use super::proto;
use super::proto::models_server::Models;
use super::status;
use crate::access::Caller;
use crate::serving::{LoadError, Serving, Swap, SwapError};

/// The service behind the contract.
pub struct ModelsService {
    /// Does what is asked.
    pub swap: Arc<Swap>,
}

impl ModelsService {
    /// On a task of its own: what was begun is done and recorded, also when nobody waits.
    async fn run<T, F>(&self, change: impl FnOnce(Arc<Swap>) -> F) -> Result<T, Status>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, SwapError>> + Send + 'static,
    {
        let changed = tokio::spawn(change(Arc::clone(&self.swap))).await;
        let changed = changed.map_err(|error| status::internal(&error.to_string()))?;
        changed.map_err(|error| failed(&error))
    }

    fn told(&self, model: &Serving) -> proto::LoadedModel {
        convert::loaded(&self.swap.lineup(), model)
    }
}

/// Who asks, and for what.
fn asked<T>(request: Request<T>) -> Result<(Caller, T), Status> {
    Ok((caller(&request)?, request.into_inner()))
}

#[tonic::async_trait]
impl Models for ModelsService {
    async fn list_models(
        &self,
        _: Request<proto::ListModelsRequest>,
    ) -> Result<Response<proto::ListModelsResponse>, Status> {
        let lineup = self.swap.lineup();
        let loaded = lineup.loaded().iter();
        let models = loaded.map(|model| convert::loaded(&lineup, model));
        let models = models.collect();
        Ok(Response::new(proto::ListModelsResponse { models }))
    }

    async fn load_model(
        &self,
        request: Request<proto::LoadModelRequest>,
    ) -> Result<Response<proto::LoadModelResponse>, Status> {
        let (caller, request) = asked(request)?;
        let id = convert::id(request.id).map_err(status::invalid)?;
        let load = |swap: Arc<Swap>| async move { swap.load(&caller, &id).await };
        let model = Some(self.told(&*self.run(load).await?));
        Ok(Response::new(proto::LoadModelResponse { model }))
    }

    async fn unload_model(
        &self,
        request: Request<proto::UnloadModelRequest>,
    ) -> Result<Response<proto::UnloadModelResponse>, Status> {
        let (caller, request) = asked(request)?;
        let with_previous = request.even_if_previous;
        let id = convert::id(request.id).map_err(status::invalid)?;
        let unload =
            |swap: Arc<Swap>| async move { swap.unload(&caller, &id, with_previous).await };
        self.run(unload).await?;
        Ok(Response::new(proto::UnloadModelResponse {}))
    }

    async fn start_shadow(
        &self,
        request: Request<proto::StartShadowRequest>,
    ) -> Result<Response<proto::ShadowReport>, Status> {
        let (caller, request) = asked(request)?;
        let (id, pace) = convert::shadow(request).map_err(status::invalid)?;
        let start = |swap: Arc<Swap>| async move { swap.start_shadow(&caller, &id, pace).await };
        let report = self.run(start).await?;
        Ok(Response::new(convert::report(&report)))
    }

    async fn get_shadow_report(
        &self,
        _: Request<proto::GetShadowReportRequest>,
    ) -> Result<Response<proto::ShadowReport>, Status> {
        let report = self.swap.shadow_report();
        let report = report.map_err(|error| failed(&error))?;
        Ok(Response::new(convert::report(&report)))
    }

    async fn stop_shadow(
        &self,
        request: Request<proto::StopShadowRequest>,
    ) -> Result<Response<proto::ShadowReport>, Status> {
        let (caller, _) = asked(request)?;
        let stop = |swap: Arc<Swap>| async move { swap.stop_shadow(&caller).await };
        let report = self.run(stop).await?;
        Ok(Response::new(convert::report(&report)))
    }

    async fn activate(
        &self,
        request: Request<proto::ActivateRequest>,
    ) -> Result<Response<proto::ActivateResponse>, Status> {
        let (caller, request) = asked(request)?;
        let (id, contract) = convert::activate(request).map_err(status::invalid)?;
        let activate =
            |swap: Arc<Swap>| async move { swap.activate(&caller, &id, &contract).await };
        let active = Some(self.told(&*self.run(activate).await?));
        Ok(Response::new(proto::ActivateResponse { active }))
    }

    async fn rollback(
        &self,
        request: Request<proto::RollbackRequest>,
    ) -> Result<Response<proto::RollbackResponse>, Status> {
        let (caller, request) = asked(request)?;
        let from = convert::rollback(request).map_err(status::invalid)?;
        let roll_back =
            |swap: Arc<Swap>| async move { swap.roll_back(&caller, from.as_deref()).await };
        let active = Some(self.told(&*self.run(roll_back).await?));
        Ok(Response::new(proto::RollbackResponse { active }))
    }
}

/// The one translation of this service's errors. Only administrators are told them, so that texts
/// may name files of the server.
fn failed(error: &SwapError) -> Status {
    let (code, reason) = match error {
        SwapError::Store(error) => return status::from_store(error),
        SwapError::Internal(cause) => return status::internal(cause),
        SwapError::Load(LoadError::Unknown(_)) => {
            return status::invalid(vec![status::Violation {
                field: "id",
                description: error.to_string(),
            }]);
        }
        SwapError::Load(LoadError::Refused(_)) => (Code::FailedPrecondition, "MODEL_REFUSED"),
        SwapError::Loading => (Code::Aborted, "MODEL_LOADING"),
        SwapError::TooMany => (Code::FailedPrecondition, "TOO_MANY_MODELS"),
        SwapError::AlreadyLoaded { .. } => (Code::AlreadyExists, "MODEL_LOADED"),
        SwapError::NotLoaded { .. } => (Code::FailedPrecondition, "MODEL_NOT_LOADED"),
        SwapError::OtherContract { .. } => (Code::FailedPrecondition, "OTHER_CONTRACT"),
        SwapError::AlreadyActive { .. } => (Code::FailedPrecondition, "MODEL_ACTIVE"),
        SwapError::LanesDead { .. } => (Code::FailedPrecondition, "NO_LANES"),
        SwapError::NoPrevious => (Code::FailedPrecondition, "NO_PREVIOUS_MODEL"),
        SwapError::InUse { .. } => (Code::FailedPrecondition, "MODEL_IN_USE"),
        SwapError::ShadowRuns => (Code::FailedPrecondition, "SHADOW_RUNS"),
        SwapError::NoShadow => (Code::FailedPrecondition, "NO_SHADOW"),
    };
    status::refused(code, reason, &error.to_string())
}
