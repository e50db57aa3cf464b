//! The enrolled side: convert, call, convert.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::admission::Admitted;
use super::caller::caller;
use super::convert::enrollment::{self as convert, responses};
use super::convert::requests::Meta;
use super::proto;
use super::proto::enrollment_server::Enrollment;
use super::proto::import_request::Message;
use super::status;
use crate::audit::Text;
use crate::enrolment::{Answer, Ask, Enrolment, EnrolmentError, ImportRow};
use crate::telemetry::{Metrics, SampleExamined};
use crate::verify::Urgency;

/// Messages that wait for a slow reader.
const WAITING_MAX: usize = 16;

/// The service behind the contract.
pub struct EnrollmentService {
    /// Enrols.
    pub enrolment: Arc<Enrolment>,
    /// Counts.
    pub metrics: Arc<Metrics>,
}

#[tonic::async_trait]
impl Enrollment for EnrollmentService {
    async fn put(
        &self,
        request: Request<proto::PutRequest>,
    ) -> Result<Response<proto::PutResponse>, Status> {
        let caller = caller(&request)?;
        let admitted = request.extensions().get::<Admitted>().cloned();
        let keys = self.enrolment.records().keys();
        let (meta, (ask, reference)) =
            convert::put(request.into_inner(), caller, keys).map_err(status::invalid)?;
        let urgency = Urgency {
            class: meta.class,
            deadline: admitted.as_ref().map(|admitted| admitted.deadline),
        };
        name(admitted.as_ref(), &meta);
        let put = self.enrolment.put(&ask, &reference, urgency);
        let answer = put.await.map_err(|error| status::from_enrolment(&error))?;
        if let Some(times) = &answer.times {
            SampleExamined { times }.emit(&self.metrics);
        }
        Ok(Response::new(responses::put_response(
            meta.request_id,
            answer,
        )))
    }

    async fn announce(
        &self,
        request: Request<proto::AnnounceRequest>,
    ) -> Result<Response<proto::AnnounceResponse>, Status> {
        let (asked, request) = self.asked("Enrollment.Announce", request, |it| {
            (it.meta.take(), it.subject.take(), false)
        })?;
        drop(request);
        let answer = self.enrolment.announce(&asked.ask).await;
        let (outcome, reasons) = told(answer)?;
        Ok(Response::new(proto::AnnounceResponse {
            request_id: asked.request_id,
            outcome,
            reasons,
        }))
    }

    async fn get_status(
        &self,
        request: Request<proto::GetStatusRequest>,
    ) -> Result<Response<proto::GetStatusResponse>, Status> {
        let (asked, request) = self.asked("Enrollment.GetStatus", request, |it| {
            (it.meta.take(), it.subject.take(), false)
        })?;
        drop(request);
        let standing = self.enrolment.standing(&asked.ask).await;
        let (standing, reference) = standing.map_err(|error| status::from_enrolment(&error))?;
        Ok(Response::new(responses::status_response(
            asked.request_id,
            standing,
            reference.as_ref(),
        )))
    }

    async fn delete(
        &self,
        request: Request<proto::DeleteRequest>,
    ) -> Result<Response<proto::DeleteResponse>, Status> {
        let (asked, request) = self.asked("Enrollment.Delete", request, |it| {
            (it.meta.take(), it.subject.take(), false)
        })?;
        drop(request);
        let (outcome, reasons) = told(self.enrolment.delete(&asked.ask).await)?;
        Ok(Response::new(proto::DeleteResponse {
            request_id: asked.request_id,
            outcome,
            reasons,
        }))
    }

    async fn set_blocked(
        &self,
        request: Request<proto::SetBlockedRequest>,
    ) -> Result<Response<proto::SetBlockedResponse>, Status> {
        let (asked, request) = self.asked("Enrollment.SetBlocked", request, |it| {
            (it.meta.take(), it.subject.take(), it.blocked)
        })?;
        let answer = self.enrolment.set_blocked(&asked.ask, request.blocked);
        let (outcome, reasons) = told(answer.await)?;
        Ok(Response::new(proto::SetBlockedResponse {
            request_id: asked.request_id,
            outcome,
            reasons,
        }))
    }

    type RekeyStream = ReceiverStream<Result<proto::RekeyResponse, Status>>;

    async fn rekey(
        &self,
        request: Request<proto::RekeyRequest>,
    ) -> Result<Response<Self::RekeyStream>, Status> {
        let caller = caller(&request)?;
        let admitted = request.extensions().get::<Admitted>().cloned();
        let request = request.into_inner();
        let meta = convert::only_meta(request.meta).map_err(status::invalid)?;
        name(admitted.as_ref(), &meta);
        let (answers, stream) = mpsc::channel(WAITING_MAX);
        let (report, mut reports) = mpsc::channel(1);
        let enrolment = Arc::clone(&self.enrolment);
        let id = meta.request_id;
        let name = Text::fitted(&id);
        let told = answers.clone();
        let fresh = request.new_subject_keys;
        tokio::spawn(async move {
            let done = enrolment.rekey(&caller, &name, fresh, &report).await;
            end(done, &told).await;
        });
        tokio::spawn(async move {
            while let Some(progress) = reports.recv().await {
                let message = responses::rekey_response(&id, progress);
                if answers.send(Ok(message)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    type ImportStream = ReceiverStream<Result<proto::ImportResponse, Status>>;

    async fn import(
        &self,
        request: Request<Streaming<proto::ImportRequest>>,
    ) -> Result<Response<Self::ImportStream>, Status> {
        let caller = caller(&request)?;
        let admitted = request.extensions().get::<Admitted>().cloned();
        let mut messages = request.into_inner();
        let Some(Message::Start(start)) = messages.message().await?.and_then(|it| it.message)
        else {
            let why = "the first message starts the import";
            return Err(violated("start", why));
        };
        let (meta, import_id) = convert::import_start(start).map_err(status::invalid)?;
        name(admitted.as_ref(), &meta);
        let (answers, stream) = mpsc::channel(WAITING_MAX);
        // One row waits while those before it are worked on: pictures take memory.
        let (rows, taken) = mpsc::channel(1);
        let (events, mut told) = mpsc::channel(1);
        let (enrolment, ended) = (Arc::clone(&self.enrolment), answers.clone());
        let importing = tokio::spawn(async move {
            let done = enrolment.import(caller, import_id, taken, events).await;
            end(done, &ended).await;
        });
        let (enrolment, refused) = (Arc::clone(&self.enrolment), answers.clone());
        tokio::spawn(async move {
            if let Err(status) = pump(&enrolment, messages, rows).await {
                // What is in flight is finished and marked before the caller learns of it.
                drop(importing.await);
                drop(refused.send(Err(status)).await);
            }
        });
        let (id, metrics) = (meta.request_id, Arc::clone(&self.metrics));
        tokio::spawn(async move {
            while let Some(event) = told.recv().await {
                if let crate::enrolment::ImportEvent::Row { answer, .. } = &event
                    && let Some(times) = &answer.times
                {
                    SampleExamined { times }.emit(&metrics);
                }
                let message = responses::import_response(&id, event);
                if answers.send(Ok(message)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// A request about one subject.
struct Asked {
    request_id: String,
    ask: Ask,
}

type AboutSubject = (Option<proto::RequestMeta>, Option<proto::Subject>, bool);

impl EnrollmentService {
    /// Validates a request about one subject; what is left of it comes back.
    fn asked<T>(
        &self,
        method: &str,
        request: Request<T>,
        parts: impl FnOnce(&mut T) -> AboutSubject,
    ) -> Result<(Asked, T), Status> {
        let caller = caller(&request)?;
        let admitted = request.extensions().get::<Admitted>().cloned();
        let mut request = request.into_inner();
        let (meta, subject, flag) = parts(&mut request);
        let keys = self.enrolment.records().keys();
        let (meta, ask) =
            convert::about(method, (meta, subject), flag, caller, keys).map_err(status::invalid)?;
        name(admitted.as_ref(), &meta);
        let request_id = meta.request_id;
        Ok((Asked { request_id, ask }, request))
    }
}

/// Rows from the wire, until there are no more or one of them is none.
async fn pump(
    enrolment: &Enrolment,
    mut messages: Streaming<proto::ImportRequest>,
    rows: mpsc::Sender<ImportRow>,
) -> Result<(), Status> {
    let mut last = 0;
    while let Some(message) = messages.next().await {
        let Some(Message::Row(row)) = message?.message else {
            return Err(violated(
                "row",
                "after the first message there are rows only",
            ));
        };
        if row.row <= last || i64::try_from(row.row).is_err() {
            let why = "must be greater than the number of the row before, and at least 1";
            return Err(violated("row.row", why));
        }
        last = row.row;
        let row = convert::import_row(row, enrolment.records().keys());
        // Nobody takes rows any more: whoever stopped says why.
        if rows.send(row).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// The last word of a stream that failed; one that ended well needs none.
async fn end<T>(done: Result<(), EnrolmentError>, answers: &mpsc::Sender<Result<T, Status>>) {
    match done {
        Ok(()) | Err(EnrolmentError::Abandoned) => {}
        // Whoever listened may be gone.
        Err(error) => drop(answers.send(Err(status::from_enrolment(&error))).await),
    }
}

fn violated(field: &'static str, description: &str) -> Status {
    status::invalid(vec![status::Violation {
        field,
        description: description.to_owned(),
    }])
}

/// Tells the door the request's id, for its log.
fn name(admitted: Option<&Admitted>, meta: &Meta) {
    if let Some(admitted) = admitted {
        // The door made the slot for this request alone: it is empty.
        drop(admitted.request_id.set(meta.request_id.clone()));
    }
}

fn told(answer: Result<Answer, EnrolmentError>) -> Result<(i32, Vec<proto::Reason>), Status> {
    let answer = answer.map_err(|error| status::from_enrolment(&error))?;
    Ok(responses::change(&answer))
}
