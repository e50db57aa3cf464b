//! A wish for a human, after a decision that padan made.

use time::Duration;

use super::{Refusal, ReviewError, Reviews};
use crate::access::Caller;
use crate::audit::{Entry, Event, Text, Timestamp};
use crate::decision::Decision;
use crate::digest;
use crate::store::{
    EnqueueReview, Enqueued, EntryQuery, NewReview, Position, RequestKey, Selection, StoreError,
};

/// Decisions by this name have no variant of their own yet.
const SUSPECTED_ATTACK: &str = "SUSPECTED_ATTACK";

/// Clocks of replicas differ a little.
const CLOCK_SKEW_MAX: Duration = Duration::minutes(1);

/// A wish for a human.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Who asks: only for its own requests.
    pub caller: Caller,
    /// The caller's id of this request.
    pub request_id: Text,
    /// The request that was decided.
    pub decided_request: Text,
    /// The office where it was decided.
    pub office: Text,
    /// The officer who asks; none: the citizen does.
    pub operator: Option<Text>,
}

/// A case in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// Its id.
    pub id: String,
    /// Whether it was decided meanwhile.
    pub is_decided: bool,
}

/// A decision as the trail has it.
struct Decided {
    position: Position,
    at_us: i64,
    entry: Entry,
}

impl Reviews {
    /// Puts the case of a decided request into the queue of its office. Asked again, or about a
    /// request that is there by itself, it says where that case is.
    ///
    /// # Errors
    /// When the caller has no such decision, or it is not one for a human.
    pub async fn enqueue(&self, wish: &Wish) -> Result<Queued, ReviewError> {
        let refused = |refusal, decided: Option<&Decided>| {
            let mut entry = self.entry_of(Event::CallRefused, wish);
            entry.detail("method", "Review/Enqueue");
            entry.subject = decided.and_then(|decided| decided.entry.subject);
            self.refuse(refusal, entry)
        };
        if !wish.caller.may_act_for(wish.office.as_str()) {
            return Err(refused(Refusal::OtherOffice, None).await);
        }
        let now = Timestamp::now();
        let Some(decided) = self.decided(wish, now).await? else {
            return Err(refused(Refusal::NoDecision, None).await);
        };
        let Some(case) = case(&decided, wish, now) else {
            return Err(refused(Refusal::NotForReview, Some(&decided)).await);
        };
        let mut entry = self.entry_of(Event::Review, wish);
        entry.subject = Some(case.subject);
        entry.purpose.clone_from(&decided.entry.purpose);
        entry.device.clone_from(&decided.entry.device);
        entry.reasons.clone_from(&decided.entry.reasons);
        entry.decision = Some(Text::fitted("QUEUED"));
        entry.detail("review", &case.id);
        let id = case.id.clone();
        let enqueue = EnqueueReview {
            case,
            request: RequestKey::new(&wish.caller.name, &wish.decided_request),
            decided_us: decided.at_us,
            entry,
        };
        match self.records.store().enqueue_review(enqueue).await? {
            Enqueued::Done(_) => Ok(Queued {
                id,
                is_decided: false,
            }),
            Enqueued::Before { id, is_decided } => Ok(Queued { id, is_decided }),
            // Nobody is kept any more whom the decision was about.
            Enqueued::Erased => Err(refused(Refusal::NoDecision, Some(&decided)).await),
        }
    }

    /// The last decision on the caller's request in the office.
    async fn decided(&self, wish: &Wish, now: Timestamp) -> Result<Option<Decided>, ReviewError> {
        /// More entries of one request than there are.
        const ENTRIES_MAX: u32 = 1000;
        let id = wish.decided_request.as_str().to_owned();
        let us = |time: Duration| i64::try_from(time.whole_microseconds()).unwrap_or(i64::MAX);
        let query = EntryQuery {
            selection: if wish.caller.is_certified {
                Selection::Request(RequestKey {
                    caller: wish.caller.name.as_str().to_owned(),
                    id,
                })
            } else {
                Selection::UncertifiedRequest(id)
            },
            from_us: now.microseconds() - us(self.limits.decision_age_max),
            until_us: now.microseconds() + us(CLOCK_SKEW_MAX),
            after: None,
            limit: ENTRIES_MAX,
        };
        for stored in self
            .records
            .store()
            .entries(&query)
            .await?
            .into_iter()
            .rev()
        {
            let entry = Entry::parse(&stored.text).map_err(StoreError::from)?;
            if entry.event == Event::Verification && entry.office.as_ref() == Some(&wish.office) {
                return Ok(Some(Decided {
                    position: stored.position,
                    at_us: stored.at_us,
                    entry,
                }));
            }
        }
        Ok(None)
    }

    fn entry_of(&self, event: Event, wish: &Wish) -> Entry {
        let mut entry = self.records.entry(event, &wish.caller);
        entry.office = Some(wish.office.clone());
        entry.operator.clone_from(&wish.operator);
        entry.request = Some(wish.request_id.clone());
        entry.detail("decided_request", wish.decided_request.as_str());
        entry
    }
}

/// The case of a decision; none when no human has to look at it.
fn case(decided: &Decided, wish: &Wish, now: Timestamp) -> Option<NewReview> {
    let entry = &decided.entry;
    let decision = entry.decision.as_ref()?.as_str();
    let is_for_humans = [
        Decision::NoMatch.name(),
        Decision::ManualReview.name(),
        SUSPECTED_ATTACK,
    ]
    .contains(&decision);
    let text = |text: Option<&Text>| text.map_or_else(String::new, |it| it.as_str().to_owned());
    let reasons: Vec<_> = entry.reasons.iter().map(Text::as_str).collect();
    is_for_humans.then_some(NewReview {
        id: id_of(&decided.position),
        subject: entry.subject?,
        office: wish.office.as_str().to_owned(),
        captured_by: text(entry.operator.as_ref()),
        purpose: text(entry.purpose.as_ref()),
        device: text(entry.device.as_ref()),
        reasons: reasons.join(","),
        evidence: None,
        created_us: now.microseconds(),
    })
}

/// The same for the same decision, so that two replicas make one case of it.
fn id_of(position: &Position) -> String {
    let parts = [
        b"padan review v1".as_slice(),
        position.writer.as_str().as_bytes(),
        &position.sequence.to_be_bytes(),
    ];
    let hash = digest::sha256_hex(&digest::length_prefixed(&parts));
    let bytes = hash
        .get(..32)
        .and_then(|digits| digest::bytes_of_hex(digits).ok());
    let id = uuid::Builder::from_custom_bytes(bytes.unwrap_or_default());
    id.into_uuid().to_string()
}
