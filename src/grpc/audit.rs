//! The trail over gRPC: each method converts, notes who asks, calls, converts.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};

use super::caller::caller;
use super::convert::audit as convert;
use super::proto::audit_server::Audit;
use super::proto::verify_chain_response::Event as VerifyEvent;
use super::stream::outcome;
use super::{proto, status};
use crate::access::Caller;
use crate::audit::Timestamp;
use crate::store::StoreError;
use crate::trail::{BreachScope, Export, Trail, TrailError, Verification};

/// Checks, exports and scopes at a time: each reads much of the database.
const SCANS_MAX: usize = 2;

/// When the next one may have room.
const SCAN_RETRY: Duration = Duration::from_secs(10);

/// Messages that wait for a slow client.
const WAITING_MAX: usize = 4;

/// The service `Audit`.
pub struct AuditService {
    trail: Arc<Trail>,
    scans: Arc<Semaphore>,
}

type Answers<T> = ReceiverStream<Result<T, Status>>;
type Sender<T> = mpsc::Sender<Result<T, Status>>;

impl AuditService {
    /// The service on this trail.
    #[must_use]
    pub fn of(trail: Arc<Trail>) -> Self {
        Self {
            trail,
            scans: Arc::new(Semaphore::new(SCANS_MAX)),
        }
    }

    fn scan(&self) -> Result<OwnedSemaphorePermit, Status> {
        let permit = Arc::clone(&self.scans).try_acquire_owned();
        permit.map_err(|_| status::busy(SCAN_RETRY))
    }

    /// Refuses, with an entry, a caller that has an office of its own.
    async fn refuse_office(&self, caller: &Caller, method: &'static str) -> Result<(), Status> {
        match caller.office {
            None => Ok(()),
            Some(_) => Err(self.refusal(caller, method).await),
        }
    }

    async fn refusal(&self, caller: &Caller, method: &'static str) -> Status {
        const REASON: &str = "OTHER_OFFICE";
        match self.trail.note_refusal(caller, method, REASON).await {
            Err(error) => from_trail(&error),
            Ok(()) => status::refused(
                Code::PermissionDenied,
                REASON,
                "the caller may read the trail of its own office only: name that office in Query",
            ),
        }
    }
}

#[tonic::async_trait]
impl Audit for AuditService {
    type VerifyChainStream = Answers<proto::VerifyChainResponse>;
    type ExportStream = Answers<proto::ExportResponse>;
    type BreachScopeStream = Answers<proto::BreachScopeResponse>;

    async fn verify_chain(
        &self,
        request: Request<proto::VerifyChainRequest>,
    ) -> Result<Response<Self::VerifyChainStream>, Status> {
        let caller = caller(&request)?;
        let part = convert::part(request.into_inner().part).map_err(status::invalid)?;
        let permit = self.scan()?;
        let noted = self.trail.note_verify(&caller, &part).await;
        noted.map_err(|error| from_trail(&error))?;
        let verification = self.trail.verify(&part).await;
        let verification = verification.map_err(|error| from_trail(&error))?;
        Ok(stream(permit, |answers| {
            send_reports(verification, answers)
        }))
    }

    async fn query(
        &self,
        request: Request<proto::QueryRequest>,
    ) -> Result<Response<proto::QueryResponse>, Status> {
        let caller = caller(&request)?;
        let keys = self.trail.records().keys();
        let query = convert::query(request.into_inner(), keys, Timestamp::now());
        let query = query.map_err(status::invalid)?;
        let office = query.filter.office.as_ref().map_or("", |it| it.as_str());
        if !caller.may_act_for(office) {
            return Err(self.refusal(&caller, "Query").await);
        }
        let page = self.trail.query(&caller, &query).await;
        let page = page.map_err(|error| from_trail(&error))?;
        Ok(Response::new(convert::page(page, &query.filter)))
    }

    async fn export(
        &self,
        request: Request<proto::ExportRequest>,
    ) -> Result<Response<Self::ExportStream>, Status> {
        let caller = caller(&request)?;
        let part = convert::part(request.into_inner().part).map_err(status::invalid)?;
        self.refuse_office(&caller, "Export").await?;
        let permit = self.scan()?;
        let noted = self.trail.note_export(&caller, &part).await;
        noted.map_err(|error| from_trail(&error))?;
        let export = self.trail.export(&part).await;
        let export = export.map_err(|error| from_trail(&error))?;
        Ok(stream(permit, |answers| send_export(export, answers)))
    }

    async fn breach_scope(
        &self,
        request: Request<proto::BreachScopeRequest>,
    ) -> Result<Response<Self::BreachScopeStream>, Status> {
        let caller = caller(&request)?;
        let question = convert::scope(&request.into_inner()).map_err(status::invalid)?;
        self.refuse_office(&caller, "BreachScope").await?;
        let permit = self.scan()?;
        let scope = self.trail.breach_scope(&caller, &question).await;
        let scope = scope.map_err(|error| from_trail(&error))?;
        Ok(stream(permit, |answers| send_scope(scope, answers)))
    }
}

/// Answers from a task of its own, which ends when the client goes. What it was half through when
/// it failed never looks whole: the stream ends with an error.
fn stream<T, F>(
    permit: OwnedSemaphorePermit,
    work: impl FnOnce(Sender<T>) -> F,
) -> Response<Answers<T>>
where
    T: Send + 'static,
    F: Future<Output = Result<(), StoreError>> + Send + 'static,
{
    let (answers, receiver) = mpsc::channel(WAITING_MAX);
    let mut task = tokio::spawn(work(answers.clone()));
    tokio::spawn(async move {
        let ended = tokio::select! {
            ended = outcome(&mut task) => ended,
            () = answers.closed() => {
                task.abort();
                // The place is free when the task is gone, and not before.
                drop(task.await);
                Ok(Ok(()))
            }
        };
        let failed = match ended {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(status::from_store(&error)),
            Err(fault) => Some(fault),
        };
        if let Some(failed) = failed {
            // When the client is gone, nobody has to know.
            drop(answers.send(Err(failed)).await);
        }
        drop(permit);
    });
    Response::new(ReceiverStream::new(receiver))
}

async fn send_reports(
    mut verification: Verification,
    answers: Sender<proto::VerifyChainResponse>,
) -> Result<(), StoreError> {
    let entries = verification.entries();
    loop {
        let mut progress = |rows| {
            let progress = VerifyEvent::Progress(proto::VerifyProgress { rows, entries });
            let event = Some(progress);
            // Progress that nobody takes in time is left out.
            drop(answers.try_send(Ok(proto::VerifyChainResponse { event })));
        };
        let Some(report) = verification.next(&mut progress).await? else {
            return Ok(());
        };
        let event = Some(VerifyEvent::Chain(convert::chain_report(&report)));
        let answer = proto::VerifyChainResponse { event };
        if answers.send(Ok(answer)).await.is_err() {
            return Ok(());
        }
    }
}

async fn send_export(
    mut export: Export,
    answers: Sender<proto::ExportResponse>,
) -> Result<(), StoreError> {
    while let Some(piece) = export.next().await? {
        let answer = proto::ExportResponse {
            data: piece.into_bytes(),
        };
        if answers.send(Ok(answer)).await.is_err() {
            break;
        }
    }
    Ok(())
}

async fn send_scope(
    mut scope: BreachScope,
    answers: Sender<proto::BreachScopeResponse>,
) -> Result<(), StoreError> {
    let mut total = 0;
    while let Some(subjects) = scope.next().await? {
        total += subjects.len() as u64;
        let answer = proto::BreachScopeResponse {
            subject_hashes: subjects.iter().map(ToString::to_string).collect(),
            total: None,
        };
        if answers.send(Ok(answer)).await.is_err() {
            return Ok(());
        }
    }
    let last = proto::BreachScopeResponse {
        subject_hashes: Vec::new(),
        total: Some(total),
    };
    // When the client is gone, nobody has to know.
    drop(answers.send(Ok(last)).await);
    Ok(())
}

fn from_trail(error: &TrailError) -> Status {
    let text = error.to_string();
    match error {
        TrailError::Store(error) => status::from_store(error),
        TrailError::UnknownWriter(_) => status::refused(Code::NotFound, "NO_SUCH_CHAIN", &text),
        TrailError::BeyondEnd { .. } => status::refused(Code::NotFound, "BEYOND_THE_CHAIN", &text),
        TrailError::Header(_) => {
            status::refused(Code::FailedPrecondition, "TOO_MANY_CHAINS", &text)
        }
        TrailError::Journal(_) => {
            // Names folders of the server: for its log.
            tracing::error!(%error, "the journal failed");
            let message = "the server cannot read its journal: see its log";
            status::refused(Code::Unavailable, "JOURNAL_FAILED", message)
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt as _;

    use super::*;

    fn fault() -> Result<(), StoreError> {
        panic!("a fault of ours")
    }

    #[tokio::test]
    async fn a_stream_whose_task_panics_does_not_look_whole() {
        let scans = Arc::new(Semaphore::new(1));
        let permit = Arc::clone(&scans).try_acquire_owned().expect("room");
        let work = |answers: Sender<u32>| async move {
            drop(answers.send(Ok(1)).await);
            fault()
        };
        let mut answers = stream(permit, work).into_inner();
        let first = answers.next().await.expect("an answer");
        assert_eq!(first.expect("no fault yet"), 1);
        let last = answers.next().await.expect("a last word");
        assert_eq!(last.expect_err("a fault").code(), Code::Internal);
        assert!(answers.next().await.is_none());
        assert!(scans.try_acquire().is_ok(), "its place is free again");
    }
}
