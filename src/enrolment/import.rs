//! A bulk import: rows come in, several are worked on at once, each is answered when it is durable.
//!
//! The store remembers up to which row everything is done. A row that comes again is known by its
//! number in the import, and costs nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender};
use tokio::task::JoinSet;

use super::{Answer, Ask, Enrolment, EnrolmentError, NewReference, Outcome};
use crate::access::Caller;
use crate::audit::Text;
use crate::engine::Class;
use crate::records::RecordsError;
use crate::store::StoreError;
use crate::subject::{Nik, NikError};
use crate::verify::{Urgency, VerifyError};

/// Rows in flight beyond the lanes: they wait for the disk while the lanes work.
const BEYOND_LANES: usize = 2;
/// Answers between two marks of what is done.
const ROWS_BETWEEN_MARKS: u64 = 50;
/// Tries of a row that the store was too busy for.
const TRIES_MAX: u32 = 8;
/// Pause before the second try; each later one is longer by as much.
const PAUSE: Duration = Duration::from_millis(250);

/// A row of an import.
#[derive(Debug)]
pub struct ImportRow {
    /// Its number, from 1 on.
    pub number: u64,
    /// Keyed digest of the whole row.
    pub body_digest: [u8; 32],
    /// What it holds, or what is wrong with it, in words without personal data.
    pub content: Result<RowContent, String>,
}

/// What a row holds.
#[derive(Debug)]
pub struct RowContent {
    /// Whose reference.
    pub nik: Result<Nik, NikError>,
    /// The reference.
    pub reference: NewReference,
}

/// What is told during an import.
#[derive(Debug)]
pub enum ImportEvent {
    /// All rows up to this one were done before.
    Started {
        /// 0 for a new import.
        done_to: u64,
    },
    /// A row was done.
    Row {
        /// Its number.
        number: u64,
        /// What became of it.
        answer: Answer,
    },
    /// What was done so far.
    Progress(ImportProgress),
}

/// How far an import is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportProgress {
    /// All rows up to this one are done.
    pub done_to: u64,
    /// Rows stored by this call, or known to be.
    pub stored: u64,
    /// Rows refused by this call.
    pub refused: u64,
}

/// Up to which row all are done, though they are done out of order.
#[derive(Debug, Default)]
struct Ledger {
    in_flight: BTreeSet<u64>,
    last: u64,
}

impl Ledger {
    fn begin(&mut self, row: u64) {
        self.in_flight.insert(row);
        self.last = self.last.max(row);
    }

    fn done_to(&self) -> u64 {
        let first = self.in_flight.first();
        first.map_or(self.last, |first| first.saturating_sub(1))
    }
}

struct Run {
    enrolment: Arc<Enrolment>,
    caller: Caller,
    import_id: Text,
    events: Sender<ImportEvent>,
    ledger: Ledger,
    progress: ImportProgress,
    unmarked: u64,
}

type Done = (u64, Result<Answer, EnrolmentError>);

impl Enrolment {
    /// Enrols `rows`, whose numbers rise, until there are no more, and tells of each. Bounded: no
    /// more rows are taken than lanes can work on, and none while nobody receives what is told.
    ///
    /// # Errors
    /// When a row cannot be worked on for another reason than the row. All that was told of is
    /// durable.
    pub async fn import(
        self: &Arc<Self>,
        caller: Caller,
        import_id: Text,
        rows: Receiver<ImportRow>,
        events: Sender<ImportEvent>,
    ) -> Result<(), EnrolmentError> {
        let mut run = Run {
            enrolment: Arc::clone(self),
            caller,
            import_id,
            events,
            ledger: Ledger::default(),
            progress: ImportProgress::default(),
            unmarked: 0,
        };
        run.start().await?;
        let finished = run.work(rows).await;
        // What is done is marked also when something broke.
        let marked = run.mark().await;
        finished.and(marked)
    }
}

impl Run {
    async fn start(&mut self) -> Result<(), EnrolmentError> {
        let store = self.enrolment.records.store();
        let mark = store.remember(&self.mark_name(), "0").await?;
        let damaged = |_| StoreError::Damaged("the mark of an import".to_owned());
        let done_to = mark.parse().map_err(damaged)?;
        self.ledger.last = done_to;
        self.progress.done_to = done_to;
        self.tell(ImportEvent::Started { done_to }).await
    }

    /// Two callers may use the same name for an import.
    fn mark_name(&self) -> String {
        format!("import {} {}", self.caller.name, self.import_id)
    }

    async fn work(&mut self, mut rows: Receiver<ImportRow>) -> Result<(), EnrolmentError> {
        let lanes = self
            .enrolment
            .verifier
            .active()
            .engine()
            .settings()
            .lanes
            .get();
        let mut tasks: JoinSet<Done> = JoinSet::new();
        let mut are_all_in = false;
        while !are_all_in || !tasks.is_empty() {
            let has_room = !are_all_in && tasks.len() < lanes + BEYOND_LANES;
            tokio::select! {
                row = rows.recv(), if has_room => match row {
                    Some(row) => self.begin(row, &mut tasks).await?,
                    None => are_all_in = true,
                },
                Some(done) = tasks.join_next() => {
                    let failed = |_| EnrolmentError::Internal("a task failed".to_owned());
                    let (number, answer) = done.map_err(failed)?;
                    self.finish(number, answer?).await?;
                }
            }
        }
        Ok(())
    }

    async fn begin(
        &mut self,
        row: ImportRow,
        tasks: &mut JoinSet<Done>,
    ) -> Result<(), EnrolmentError> {
        let number = row.number;
        if number <= self.progress.done_to {
            let answer = Answer::new(Outcome::Unchanged);
            return self.tell(ImportEvent::Row { number, answer }).await;
        }
        self.ledger.begin(number);
        let enrolment = Arc::clone(&self.enrolment);
        let (nik, reference) = match row.content {
            Ok(content) => (content.nik, Ok(content.reference)),
            Err(problem) => (Err(NikError::NotSixteenDigits), Err(problem)),
        };
        let ask = Ask {
            caller: self.caller.clone(),
            // No request id has a slash: that of a row is no other request's.
            request_id: Text::fitted(&format!("import/{}/{number}", self.import_id)),
            body_digest: row.body_digest,
            nik,
        };
        tasks.spawn(async move { (number, patiently(&enrolment, &ask, reference).await) });
        Ok(())
    }

    async fn finish(&mut self, number: u64, answer: Answer) -> Result<(), EnrolmentError> {
        self.ledger.in_flight.remove(&number);
        match answer.outcome {
            Outcome::Done | Outcome::Unchanged => self.progress.stored += 1,
            Outcome::Refused => self.progress.refused += 1,
        }
        self.unmarked += 1;
        self.tell(ImportEvent::Row { number, answer }).await?;
        if self.unmarked >= ROWS_BETWEEN_MARKS {
            self.mark().await?;
        }
        Ok(())
    }

    async fn mark(&mut self) -> Result<(), EnrolmentError> {
        self.unmarked = 0;
        self.progress.done_to = self.ledger.done_to();
        let store = self.enrolment.records.store();
        store
            .advance(&self.mark_name(), self.progress.done_to)
            .await?;
        self.tell(ImportEvent::Progress(self.progress)).await
    }

    async fn tell(&self, event: ImportEvent) -> Result<(), EnrolmentError> {
        let told = self.events.send(event).await;
        told.map_err(|_| EnrolmentError::Abandoned)
    }
}

/// Enrols a row, again when there was no room for it: nobody waits for an import.
async fn patiently(
    enrolment: &Enrolment,
    ask: &Ask,
    reference: Result<NewReference, String>,
) -> Result<Answer, EnrolmentError> {
    let mut tries = 1;
    loop {
        match row(enrolment, ask, &reference).await {
            Err(EnrolmentError::Verify(VerifyError::Busy { retry_after })) => {
                tokio::time::sleep(retry_after).await;
            }
            Err(EnrolmentError::Records(RecordsError::Store(error)))
                if error.retryable() && tries < TRIES_MAX =>
            {
                tokio::time::sleep(PAUSE * tries).await;
                tries += 1;
            }
            // The number of the row was another row's.
            Err(EnrolmentError::OtherBody) => {
                let problem = "this row had other content in an earlier call: give the import \
                               another import_id";
                return Ok(unusable(problem.to_owned()));
            }
            answer => return answer,
        }
    }
}

async fn row(
    enrolment: &Enrolment,
    ask: &Ask,
    reference: &Result<NewReference, String>,
) -> Result<Answer, EnrolmentError> {
    let urgency = Urgency {
        class: Class::Bulk,
        deadline: None,
    };
    let (problem, reference) = match reference {
        Err(problem) => (problem.clone(), None),
        Ok(reference) => match enrolment.put(ask, reference, urgency).await {
            Err(EnrolmentError::Verify(VerifyError::Image { cause, .. })) => {
                (cause.to_string(), Some(reference))
            }
            Err(error @ EnrolmentError::Dimension { .. }) => (error.to_string(), Some(reference)),
            answer => return answer,
        },
    };
    let refused = unusable(problem);
    enrolment.refuse(ask, "put", reference, refused).await
}

fn unusable(problem: String) -> Answer {
    Answer {
        problem: Some(problem),
        ..Answer::refused(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rows_up_to_the_first_one_in_flight_are_done() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.done_to(), 0);
        for row in [1, 2, 5] {
            ledger.begin(row);
        }
        assert_eq!(ledger.done_to(), 0);
        ledger.in_flight.remove(&2);
        assert_eq!(ledger.done_to(), 0);
        ledger.in_flight.remove(&1);
        assert_eq!(ledger.done_to(), 4);
        ledger.in_flight.remove(&5);
        assert_eq!(ledger.done_to(), 5);
    }
}
