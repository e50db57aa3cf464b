//! The queue of cases for a human: every non-match, review and suspected attack has a way to one.
//!
//! An office sees its own cases, and a second person decides: never the one who captured. A
//! reviewer learns why there is a case, and neither the NIK nor a similarity nor an image, which
//! padan does not have; the person stands at the desk.

mod enqueue;
mod error;

use std::sync::Arc;

use time::{Duration, OffsetDateTime};

use crate::access::Caller;
use crate::audit::{Entry, Event, Text, Timestamp};
use crate::decision::{Decision, ReasonCode, ReviewVerdict};
use crate::keys::{self, Binding, NONCE_BYTES, SealError, Sealed};
use crate::records::Records;
use crate::store::{
    Claim, DecideReview, NextReview, Once, OnceOutcome, RequestKey, Review, ReviewOutcome,
};
use crate::subject::SubjectHash;
use crate::token::{self, Claims};

pub use enqueue::{Queued, Wish};
pub use error::{Refusal, ReviewError};

/// What an office has decided about its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReviewLimits {
    /// A case that a reviewer took and did not decide for this long is free again.
    pub claim_life: Duration,
    /// Life of the token of a human's decision.
    pub token_life: Duration,
    /// How old a decision may be that somebody asks a human for.
    pub decision_age_max: Duration,
}

impl Default for ReviewLimits {
    fn default() -> Self {
        Self {
            claim_life: Duration::minutes(15),
            token_life: token::LIFE_MAX,
            decision_age_max: Duration::days(7),
        }
    }
}

/// What a human looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EvidenceKind {
    /// The printed card, in the hand.
    PhysicalCard,
    /// The card's chip.
    Chip,
    /// A fingerprint, at the desk.
    Fingerprint,
    /// Questions that only this person answers.
    BiodataQuestions,
    /// The family card.
    FamilyCard,
    /// A portrait on another document.
    OtherPortrait,
}

impl EvidenceKind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::PhysicalCard,
        Self::Chip,
        Self::Fingerprint,
        Self::BiodataQuestions,
        Self::FamilyCard,
        Self::OtherPortrait,
    ];

    /// Its name in the trail.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PhysicalCard => "PHYSICAL_CARD",
            Self::Chip => "CHIP",
            Self::Fingerprint => "FINGERPRINT",
            Self::BiodataQuestions => "BIODATA_QUESTIONS",
            Self::FamilyCard => "FAMILY_CARD",
            Self::OtherPortrait => "OTHER_PORTRAIT",
        }
    }
}

/// A reviewer at the desk of an office.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desk {
    /// The office's certificate.
    pub caller: Caller,
    /// The office.
    pub office: Text,
    /// The reviewer's own account.
    pub reviewer: Text,
}

/// A human's decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Where, and who.
    pub desk: Desk,
    /// The caller's id of this request.
    pub request_id: Text,
    /// The case.
    pub case: Text,
    /// Whether it is this person.
    pub verdict: ReviewVerdict,
    /// On what; at least one.
    pub evidence: Vec<EvidenceKind>,
}

/// A case as a reviewer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its id.
    pub id: String,
    /// Why there is a case, worst first.
    pub reasons: Vec<ReasonCode>,
    /// The office.
    pub office: String,
    /// What the verification was for.
    pub purpose: String,
    /// When it came.
    pub created: Timestamp,
    /// Until when no other reviewer gets it.
    pub claimed_until: Timestamp,
}

/// The queue.
#[derive(Clone)]
pub struct Reviews {
    records: Arc<Records>,
    limits: ReviewLimits,
}

impl Reviews {
    /// The queue of `records`.
    #[must_use]
    pub fn new(records: Arc<Records>, limits: ReviewLimits) -> Self {
        Self { records, limits }
    }

    /// The records it works on.
    #[must_use]
    pub fn records(&self) -> &Arc<Records> {
        &self.records
    }

    /// The oldest case of the office that this reviewer may decide, now theirs for a while; none
    /// when there is none.
    ///
    /// # Errors
    /// When the caller does not act for the office, or the database fails.
    pub async fn next(&self, desk: &Desk) -> Result<Option<Case>, ReviewError> {
        if !desk.caller.may_act_for(desk.office.as_str()) {
            let entry = self.refused("Next", desk, None);
            return Err(self.refuse(Refusal::OtherOffice, entry).await);
        }
        let now = Timestamp::now();
        let next = NextReview {
            office: desk.office.as_str().to_owned(),
            reviewer: desk.reviewer.as_str().to_owned(),
            at_us: now.microseconds(),
            lapsed_us: self.lapsed_us(now),
        };
        let found = self.records.store().next_review(next).await?;
        Ok(found.map(|review| self.case(review, now)))
    }

    fn case(&self, review: Review, now: Timestamp) -> Case {
        let life = self.limits.claim_life;
        // A reason of a newer padan is left out: the case itself is not.
        let reasons = review.case.reasons.split(',').filter_map(reason);
        Case {
            reasons: reasons.collect(),
            id: review.case.id,
            office: review.case.office,
            purpose: review.case.purpose,
            created: Timestamp::from_microseconds(review.case.created_us).unwrap_or(now),
            claimed_until: later(now, life),
        }
    }

    /// Decides a case. Returns the result token of the decision.
    ///
    /// # Errors
    /// When it is not this reviewer's to decide, or nobody knows whether it was.
    pub async fn decide(&self, judgement: &Judgement) -> Result<String, ReviewError> {
        let desk = &judgement.desk;
        let refused = || self.refused("Decide", desk, Some(judgement));
        if !desk.caller.may_act_for(desk.office.as_str()) {
            return Err(self.refuse(Refusal::OtherOffice, refused()).await);
        }
        let store = self.records.store();
        let (id, office) = (judgement.case.as_str(), desk.office.as_str());
        let Some(review) = store.review(id, office).await? else {
            return Err(self.refuse(Refusal::NoCase, refused()).await);
        };
        let now = Timestamp::now();
        let token = self.token(&review, judgement.verdict)?;
        let subject = review.case.subject;
        let claim = Claim {
            request: RequestKey::new(&desk.caller.name, &judgement.request_id),
            body_digest: self.body_digest(judgement),
            at_us: now.microseconds(),
            reply: self.seal(&subject, &judgement.request_id, &token)?,
        };
        let once = Once {
            claim,
            change: self.change(judgement, &review, now),
        };
        let refusal = match store.decide_review_once(once).await? {
            OnceOutcome::Before { reply, .. } => {
                return self.open(&subject, &judgement.request_id, &reply);
            }
            OnceOutcome::OtherBody => return Err(ReviewError::OtherBody),
            OnceOutcome::Now(ReviewOutcome::Decided(_)) => return Ok(token),
            OnceOutcome::Now(ReviewOutcome::NotFound) => Refusal::NoCase,
            OnceOutcome::Now(ReviewOutcome::SamePerson) => Refusal::SamePerson,
            OnceOutcome::Now(ReviewOutcome::TakenByOther) => Refusal::TakenByOther,
            OnceOutcome::Now(ReviewOutcome::DecidedBefore) => Refusal::DecidedBefore,
        };
        let mut entry = refused();
        entry.subject = Some(subject);
        Err(self.refuse(refusal, entry).await)
    }

    fn change(&self, judgement: &Judgement, review: &Review, now: Timestamp) -> DecideReview {
        let desk = &judgement.desk;
        let evidence = names(&judgement.evidence);
        let mut entry = self.entry(Event::Review, desk, Some(judgement));
        entry.time = now;
        entry.subject = Some(review.case.subject);
        entry.decision = Some(Text::fitted(judgement.verdict.name()));
        entry.purpose = Some(Text::fitted(&review.case.purpose));
        entry.device = Some(Text::fitted(&review.case.device));
        entry.detail("evidence", &evidence);
        entry.detail("decided_request", &review.request.id);
        DecideReview {
            id: judgement.case.as_str().to_owned(),
            office: desk.office.as_str().to_owned(),
            reviewer: desk.reviewer.as_str().to_owned(),
            verdict: format!("{}: {evidence}", judgement.verdict.name()),
            at_us: now.microseconds(),
            lapsed_us: self.lapsed_us(now),
            entry,
        }
    }

    /// The token says that a human decided: an approval is not a match.
    fn token(&self, review: &Review, verdict: ReviewVerdict) -> Result<String, ReviewError> {
        let case = &review.case;
        let mut nonce = [0; 16];
        keys::fill_random(&mut nonce).map_err(SealError::from)?;
        let now = OffsetDateTime::now_utc();
        let claims = Claims {
            subject: case.subject,
            device: case.device.clone(),
            operator: case.captured_by.clone(),
            office: case.office.clone(),
            purpose: case.purpose.clone(),
            decision: Decision::ManualReview,
            review: Some(verdict),
            request_id: review.request.id.clone(),
            nonce,
            issued: now,
            expires: now + self.limits.token_life,
        };
        Ok(token::issue(self.records.keys().token_key(), &claims)?)
    }

    fn body_digest(&self, judgement: &Judgement) -> [u8; 32] {
        let evidence = names(&judgement.evidence);
        self.records.keys().body_digest(&[
            b"Review.Decide",
            judgement.case.as_str().as_bytes(),
            judgement.desk.office.as_str().as_bytes(),
            judgement.desk.reviewer.as_str().as_bytes(),
            judgement.verdict.name().as_bytes(),
            evidence.as_bytes(),
        ])
    }

    /// The token for the same decision sent again: it names the subject, so it is sealed.
    fn seal(
        &self,
        subject: &SubjectHash,
        request_id: &Text,
        token: &str,
    ) -> Result<Vec<u8>, ReviewError> {
        let key = self.records.keys().reply_key(subject);
        let binding = Binding::reply(subject, request_id.as_str(), 0);
        let sealed = keys::seal(&key, &binding, token.as_bytes())?;
        Ok([sealed.nonce.as_slice(), &sealed.ciphertext].concat())
    }

    fn open(
        &self,
        subject: &SubjectHash,
        request_id: &Text,
        kept: &[u8],
    ) -> Result<String, ReviewError> {
        let damaged = || ReviewError::from(SealError::DoesNotOpen);
        let (nonce, ciphertext) = kept
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or_else(damaged)?;
        let sealed = Sealed {
            nonce: *nonce,
            ciphertext: ciphertext.to_vec(),
        };
        let key = self.records.keys().reply_key(subject);
        let binding = Binding::reply(subject, request_id.as_str(), 0);
        let text = keys::open(&key, &binding, &sealed)?;
        String::from_utf8(text.to_vec()).map_err(|_| damaged())
    }

    fn lapsed_us(&self, now: Timestamp) -> i64 {
        let life = self.limits.claim_life.whole_microseconds();
        let life = i64::try_from(life).unwrap_or(i64::MAX);
        now.microseconds().saturating_sub(life)
    }

    fn entry(&self, event: Event, desk: &Desk, judgement: Option<&Judgement>) -> Entry {
        let mut entry = self.records.entry(event, &desk.caller);
        entry.office = Some(desk.office.clone());
        entry.operator = Some(desk.reviewer.clone());
        if let Some(judgement) = judgement {
            entry.request = Some(judgement.request_id.clone());
            entry.detail("review", judgement.case.as_str());
        }
        entry
    }

    fn refused(&self, method: &str, desk: &Desk, judgement: Option<&Judgement>) -> Entry {
        let mut entry = self.entry(Event::CallRefused, desk, judgement);
        entry.detail("method", &format!("Review/{method}"));
        entry
    }

    /// Leaves the entry of a refused call, then refuses it.
    async fn refuse(&self, refusal: Refusal, mut entry: Entry) -> ReviewError {
        entry.reasons = vec![Text::fitted(refusal.name())];
        match self.records.store().append(entry).await {
            Ok(_) => refusal.into(),
            Err(error) => error.into(),
        }
    }
}

fn names(evidence: &[EvidenceKind]) -> String {
    let names: Vec<_> = evidence.iter().map(|kind| kind.name()).collect();
    names.join(",")
}

fn reason(name: &str) -> Option<ReasonCode> {
    serde_json::from_value(serde_json::Value::String(name.to_owned())).ok()
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    let by = i64::try_from(by.whole_microseconds()).unwrap_or_default();
    Timestamp::from_microseconds(now.microseconds().saturating_add(by)).unwrap_or(now)
}
