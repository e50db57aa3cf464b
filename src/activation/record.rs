//! What a decision leaves behind: its entry, its case for a human, its token and its reply.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::{
    ActivationError, Ask, GivenConsent, Limits, Progress, Reply, microseconds, reply, request_key,
    session_key,
};
use crate::audit::{Entry, Event, Text};
use crate::decision::{Decision, Policy, ReasonCode, Verdict};
use crate::keys::{self, SealError};
use crate::records::Records;
use crate::store::{Attempt, Consent, DecisionRecord, Effects, NewReview, Opened};
use crate::subject::SubjectHash;
use crate::token::{self, Claims};

/// A decision ready to be committed, and what is told once it is.
pub(super) struct Prepared {
    pub record: DecisionRecord,
    pub reply: Reply,
}

pub(super) fn prepare(
    records: &Records,
    limits: &Limits,
    ask: &Ask,
    policy: &Policy,
    now: OffsetDateTime,
    progress: &Progress,
) -> Result<Prepared, ActivationError> {
    let maker = Maker {
        records,
        limits,
        ask,
        policy,
        now,
        progress,
    };
    let (reply, effects) = maker.effects()?;
    // Only a comparison is an attempt: what ended before it costs none.
    let compared = progress.subject.filter(|_| maker.similarity().is_some());
    let attempt = compared.map(|subject| Attempt {
        session: session_key(ask),
        session_max: limits.session_attempts_max,
        subject,
        day: limits.day(now),
        day_max: limits.day_attempts_max,
    });
    let record = DecisionRecord {
        request: request_key(ask),
        body_digest: ask.body_digest,
        at_us: microseconds(now),
        attempt,
        consent: maker.consent(),
        opened: progress.reference.as_ref().map(|reference| Opened {
            keyed_us: reference.keyed_us,
            contract_id: reference.template.contract_id.to_string(),
            row_version: reference.version,
        }),
        effects,
    };
    Ok(Prepared { record, reply })
}

/// All that is known of one decision.
struct Maker<'a> {
    records: &'a Records,
    limits: &'a Limits,
    ask: &'a Ask,
    policy: &'a Policy,
    now: OffsetDateTime,
    progress: &'a Progress,
}

impl Maker<'_> {
    fn similarity(&self) -> Option<crate::compare::Similarity> {
        self.progress.verification.as_ref()?.similarity
    }

    /// The reply, and what goes into the store with it.
    fn effects(&self) -> Result<(Reply, Effects), ActivationError> {
        let (verdict, similarity) = (&self.progress.verdict, self.similarity());
        let mut reply = Reply::new(verdict.decision, verdict.reasons.clone(), self.policy);
        reply.similarity = similarity.map(crate::compare::Similarity::value);
        let used = u32::from(similarity.is_some());
        reply.attempts_left = self.progress.left.map(|left| left.saturating_sub(used));
        let review = self.review(verdict);
        reply.review_id = review.as_ref().map(|review| review.id.clone());
        reply.token = self.token(verdict.decision)?;
        let mut entry = self.entry(verdict);
        entry.similarity = similarity.map(Into::into);
        let kept = reply::seal(
            self.records.keys(),
            self.progress.subject,
            self.progress
                .reference
                .as_ref()
                .map(|reference| &*reference.key),
            &self.ask.request_id,
            &reply,
        )?;
        let effects = Effects {
            entry,
            reply: kept,
            review,
        };
        Ok((reply, effects))
    }

    fn entry(&self, verdict: &Verdict) -> Entry {
        let context = &self.ask.context;
        let mut entry = entry_of(self.records, self.ask, Event::Verification);
        entry.decision = Some(Text::fitted(verdict.decision.name()));
        entry.policy = Some(Text::fitted(&self.policy.version));
        let reasons = verdict.reasons.iter();
        entry.reasons = reasons.map(|reason| Text::fitted(reason.name())).collect();
        entry.subject = self.progress.subject;
        if let Some(reference) = &self.progress.reference {
            entry.reference_version = Some(reference.version);
            entry.contracts = vec![Text::fitted(self.policy.contract_id.as_str())];
        }
        entry.detail("session", context.session.as_str());
        if let Some(consent) = &self.ask.consent {
            entry.detail("consent", consent.id.as_str());
            entry.detail("consent_basis", consent.basis.as_str());
            entry.detail("consent_notice", consent.notice_version.as_str());
            // A time out of the calendar was refused before.
            entry.detail(
                "consent_given",
                &consent.given_at.format(&Rfc3339).unwrap_or_default(),
            );
        }
        entry
    }

    fn review(&self, verdict: &Verdict) -> Option<NewReview> {
        let subject = self.progress.subject?;
        let context = &self.ask.context;
        let names: Vec<_> = verdict.reasons.iter().map(|reason| reason.name()).collect();
        (verdict.decision == Decision::ManualReview).then(|| NewReview {
            id: Uuid::new_v4().to_string(),
            subject,
            office: context.office.as_str().to_owned(),
            captured_by: text_or_empty(context.operator.as_ref()),
            purpose: context.purpose.as_str().to_owned(),
            device: context.device.as_str().to_owned(),
            reasons: names.join(","),
            evidence: None,
            created_us: microseconds(self.now),
        })
    }

    /// For every decision that the backend has to act on.
    fn token(&self, decision: Decision) -> Result<Option<String>, ActivationError> {
        let acts = match decision {
            Decision::Match | Decision::NoMatch | Decision::ManualReview => true,
            Decision::RetryCapture | Decision::CannotVerify => false,
        };
        let Some(subject) = self.progress.subject.filter(|_| acts) else {
            return Ok(None);
        };
        let context = &self.ask.context;
        let mut nonce = [0; 16];
        keys::fill_random(&mut nonce).map_err(SealError::from)?;
        let claims = Claims {
            subject,
            device: context.device.as_str().to_owned(),
            operator: text_or_empty(context.operator.as_ref()),
            office: context.office.as_str().to_owned(),
            purpose: context.purpose.as_str().to_owned(),
            decision,
            review: None,
            request_id: self.ask.request_id.as_str().to_owned(),
            nonce,
            issued: self.now,
            expires: self.now + self.limits.token_life,
        };
        let key = self.records.keys().token_key();
        Ok(Some(token::issue(key, &claims)?))
    }

    /// The consent to be recorded with the decision: of a subject, and one that was good.
    fn consent(&self) -> Option<Consent> {
        let subject: SubjectHash = self.progress.subject?;
        let given = self.ask.consent.as_ref()?;
        // Both end a verification before the consent was looked at.
        let is_unchecked = |reason: &ReasonCode| {
            matches!(
                reason,
                ReasonCode::ConsentMissing | ReasonCode::OperatorNotAllowed
            )
        };
        if self.progress.verdict.reasons.iter().any(is_unchecked) {
            return None;
        }
        Some(consent_of(self.ask, subject, given))
    }
}

/// The consent as the store keeps it.
pub(super) fn consent_of(ask: &Ask, subject: SubjectHash, given: &GivenConsent) -> Consent {
    let context = &ask.context;
    Consent {
        id: given.id.as_str().to_owned(),
        subject,
        purpose: context.purpose.as_str().to_owned(),
        legal_basis: given.basis.as_str().to_owned(),
        notice_version: given.notice_version.as_str().to_owned(),
        channel: context.channel.as_str().to_owned(),
        office: context.office.as_str().to_owned(),
        operator: text_or_empty(context.operator.as_ref()),
        granted_us: microseconds(given.given_at),
        withdrawn_us: None,
    }
}

/// The circumstances of a verification, as every entry about it says them.
pub(super) fn entry_of(records: &Records, ask: &Ask, event: Event) -> Entry {
    let context = &ask.context;
    let mut entry = records.entry(event, &ask.caller);
    entry.channel = Some(context.channel.clone());
    entry.device = Some(context.device.clone());
    entry.office = Some(context.office.clone());
    entry.operator.clone_from(&context.operator);
    entry.purpose = Some(context.purpose.clone());
    entry.request = Some(ask.request_id.clone());
    entry
}

fn text_or_empty(text: Option<&Text>) -> String {
    text.map_or_else(String::new, |text| text.as_str().to_owned())
}
