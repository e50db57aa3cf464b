//! The enrolled side: convert, call, convert.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::caller::{announce, caller, slot};
use super::convert::enrollment::{self as convert, responses};
use super::proto;
use super::proto::enrollment_server::Enrollment;
use super::proto::import_request::Message;
use super::status;
use super::stream::outcome;
use crate::audit::Text;
use crate::enrolment::{Answer, Ask, Enrolment, EnrolmentError, ImportEvent, ImportRow};
use crate::keys::KeyRing;
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
        let (caller, slot) = (caller(&request)?, slot(&request));
        let request = request.into_inner();
        let convert = move |keys: &KeyRing| convert::put(request, caller, keys);
        let valid = on_thread(&self.enrolment, convert).await?;
        let (meta, (ask, reference)) = valid.map_err(status::invalid)?;
        let urgency = Urgency {
            class: meta.class,
            deadline: slot.as_ref().map(|slot| slot.deadline),
        };
        announce(slot.as_ref(), &meta.request_id);
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
        let (caller, slot) = (caller(&request)?, slot(&request));
        let request = request.into_inner();
        let meta = convert::only_meta(request.meta).map_err(status::invalid)?;
        announce(slot.as_ref(), &meta.request_id);
        let (answers, stream) = mpsc::channel(WAITING_MAX);
        let (report, mut reports) = mpsc::channel(1);
        let enrolment = Arc::clone(&self.enrolment);
        let id = meta.request_id;
        let name = Text::fitted(&id);
        let fresh = request.new_subject_keys;
        let rotating =
            tokio::spawn(async move { enrolment.rekey(&caller, &name, fresh, &report).await });
        let told = answers.clone();
        let telling = tokio::spawn(async move {
            while let Some(progress) = reports.recv().await {
                let message = responses::rekey_response(&id, progress);
                if told.send(Ok(message)).await.is_err() {
                    return;
                }
            }
        });
        tokio::spawn(end(answers, rotating, telling, None));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    type ImportStream = ReceiverStream<Result<proto::ImportResponse, Status>>;

    async fn import(
        &self,
        request: Request<Streaming<proto::ImportRequest>>,
    ) -> Result<Response<Self::ImportStream>, Status> {
        let (caller, slot) = (caller(&request)?, slot(&request));
        let mut messages = request.into_inner();
        let Some(Message::Start(start)) = messages.message().await?.and_then(|it| it.message)
        else {
            let why = "the first message starts the import";
            return Err(violated("start", why));
        };
        let (meta, import_id) = convert::import_start(start).map_err(status::invalid)?;
        announce(slot.as_ref(), &meta.request_id);
        let (answers, stream) = mpsc::channel(WAITING_MAX);
        // One row waits while those before it are worked on: pictures take memory.
        let (rows, taken) = mpsc::channel(1);
        let (events, mut reports) = mpsc::channel(1);
        let enrolment = Arc::clone(&self.enrolment);
        let importing =
            tokio::spawn(async move { enrolment.import(caller, import_id, taken, events).await });
        let enrolment = Arc::clone(&self.enrolment);
        let pumping = tokio::spawn(async move { pump(&enrolment, messages, rows).await });
        let (id, metrics) = (meta.request_id, Arc::clone(&self.metrics));
        let told = answers.clone();
        let telling = tokio::spawn(async move {
            while let Some(event) = reports.recv().await {
                if let ImportEvent::Row { answer, .. } = &event
                    && let Some(times) = &answer.times
                {
                    SampleExamined { times }.emit(&metrics);
                }
                let message = responses::import_response(&id, event);
                if told.send(Ok(message)).await.is_err() {
                    return;
                }
            }
        });
        tokio::spawn(end(answers, importing, telling, Some(pumping)));
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
        let (caller, slot) = (caller(&request)?, slot(&request));
        let mut request = request.into_inner();
        let (meta, subject, flag) = parts(&mut request);
        let keys = self.enrolment.records().keys();
        let (meta, ask) =
            convert::about(method, (meta, subject), flag, caller, keys).map_err(status::invalid)?;
        announce(slot.as_ref(), &meta.request_id);
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
        let row = on_thread(enrolment, |keys| convert::import_row(row, keys)).await?;
        // Nobody takes rows any more: whoever stopped says why.
        if rows.send(row).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Converts where it keeps nobody waiting: the digest of a request goes over its picture.
async fn on_thread<T: Send + 'static>(
    enrolment: &Enrolment,
    convert: impl FnOnce(&KeyRing) -> T + Send + 'static,
) -> Result<T, Status> {
    let keys = Arc::clone(enrolment.records().keys());
    outcome(&mut tokio::task::spawn_blocking(move || convert(&keys))).await
}

/// The last word of a stream, behind all that was told; one that ended well needs none.
async fn end<T>(
    answers: mpsc::Sender<Result<T, Status>>,
    mut working: JoinHandle<Result<(), EnrolmentError>>,
    mut telling: JoinHandle<()>,
    pumping: Option<JoinHandle<Result<(), Status>>>,
) {
    // What is in flight is finished and marked before the caller learns of any fault.
    let worked = match outcome(&mut working).await {
        // Who listened is gone, or telling them failed, which is said below.
        Ok(Ok(()) | Err(EnrolmentError::Abandoned)) => Ok(()),
        Ok(Err(error)) => Err(status::from_enrolment(&error)),
        Err(fault) => Err(fault),
    };
    let told = outcome(&mut telling).await;
    let mut last = worked.and(told);
    if let Some(mut pumping) = pumping {
        if last.is_ok() && !answers.is_closed() {
            // Nothing comes after it: work ends well when there are no more rows.
            last = outcome(&mut pumping).await.and_then(|pumped| pumped);
        } else {
            // It may wait for a row that nobody takes.
            pumping.abort();
        }
    }
    if let Err(status) = last {
        // Whoever listened may be gone.
        drop(answers.send(Err(status)).await);
    }
}

fn violated(field: &'static str, description: &str) -> Status {
    status::invalid(vec![status::Violation {
        field,
        description: description.to_owned(),
    }])
}

fn told(answer: Result<Answer, EnrolmentError>) -> Result<(i32, Vec<proto::Reason>), Status> {
    let answer = answer.map_err(|error| status::from_enrolment(&error))?;
    Ok(responses::change(&answer))
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn fault<T>() -> T {
        panic!("a fault of ours")
    }

    /// The last word of a stream of these tasks.
    async fn last_word(
        working: JoinHandle<Result<(), EnrolmentError>>,
        telling: JoinHandle<()>,
        pumping: Option<JoinHandle<Result<(), Status>>>,
    ) -> Option<Code> {
        let (answers, mut stream) = mpsc::channel::<Result<(), Status>>(1);
        end(answers, working, telling, pumping).await;
        let last = stream.recv().await;
        last.map(|last| last.expect_err("only a fault is told").code())
    }

    #[tokio::test]
    async fn a_stream_one_of_whose_tasks_panics_does_not_look_whole() {
        let worked = || tokio::spawn(async { Ok(()) });
        let told = || tokio::spawn(async {});
        let pumped = || Some(tokio::spawn(async { Ok(()) }));
        assert_eq!(last_word(worked(), told(), pumped()).await, None);
        assert_eq!(last_word(worked(), told(), None).await, None);
        let internal = Some(Code::Internal);
        let broken = tokio::spawn(async { fault() });
        assert_eq!(last_word(broken, told(), pumped()).await, internal);
        // Whoever works sees only that nobody listens any more.
        let abandoned = tokio::spawn(async { Err(EnrolmentError::Abandoned) });
        let broken = tokio::spawn(async { fault() });
        assert_eq!(last_word(abandoned, broken, pumped()).await, internal);
        let broken = tokio::spawn(async { fault() });
        assert_eq!(last_word(worked(), told(), Some(broken)).await, internal);
    }

    #[tokio::test]
    async fn the_fault_of_the_work_is_told_while_a_row_is_waited_for() {
        let failed = || tokio::spawn(async { Err(EnrolmentError::Contended) });
        let told = tokio::spawn(async {});
        let waiting = tokio::spawn(std::future::pending());
        let last = last_word(failed(), told, Some(waiting)).await;
        let told = tokio::spawn(async {});
        assert!(last.is_some());
        assert_eq!(last, last_word(failed(), told, None).await);
    }
}
