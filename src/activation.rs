//! A verification by NIK: consent, reference, attempts, comparison, and a decision that is durable,
//! with its entry in the trail, before anybody is told of it.
//!
//! The order of checks is that of the registry's procedure: request ► consent ► operator ► number ►
//! reference ► attempts ► quality ► comparison. Whatever ends it early costs no inference and makes
//! no template. What the store commits is what is told: a limit that was reached meanwhile, or the
//! same request answered by another replica, replaces the decision made here.

mod ask;
mod error;
mod record;
mod redeem;
mod reply;
mod shadow;

use std::sync::Arc;

use time::{Duration, OffsetDateTime};

use crate::access::{Kind, Limiter};
use crate::audit::{Event, Text};
use crate::decision::{Policy, ReasonCode, Verdict};
use crate::embed::ContractId;
use crate::records::{Enrolled, OpenReference, Records};
use crate::serving::{LOADED_MAX, Lineup, Serving};
use crate::store::{
    Attempts, CONTRACTS_MAX, CommitOutcome, Consent, Known, Question, RequestKey, Standing, Stored,
};
use crate::subject::SubjectHash;
use crate::verify::{Reference, Urgency, Verification, Verifier, VerifyTask};

pub use ask::{Answer, Ask, Context, GivenConsent, Limits};
pub use error::ActivationError;
pub use redeem::RedeemError;
pub use reply::Reply;

/// One question to the database is about all of them.
const _: () = assert!(LOADED_MAX <= CONTRACTS_MAX);

/// How often a decision is made anew that a change of its subject overtook.
const TRIES_MAX: u32 = 4;

/// Verifies subjects.
pub struct Activation {
    verifier: Arc<Verifier>,
    records: Arc<Records>,
    limits: Limits,
    limiter: Arc<Limiter>,
}

/// How far a verification went.
struct Progress {
    verdict: Verdict,
    subject: Option<SubjectHash>,
    reference: Option<OpenReference>,
    verification: Option<Verification>,
    /// Comparisons that were left before this one.
    left: Option<u32>,
}

impl Progress {
    fn ended(subject: Option<SubjectHash>, reason: ReasonCode) -> Self {
        Self {
            verdict: Verdict {
                decision: reason.decision(),
                reasons: vec![reason],
            },
            subject,
            reference: None,
            verification: None,
            left: None,
        }
    }
}

impl Activation {
    /// Verifies on `verifier` the subjects of `records`.
    #[must_use]
    pub fn new(
        verifier: Arc<Verifier>,
        records: Arc<Records>,
        limits: Limits,
        limiter: Arc<Limiter>,
    ) -> Self {
        Self {
            verifier,
            records,
            limits,
            limiter,
        }
    }

    /// What compares for it.
    #[must_use]
    pub const fn verifier(&self) -> &Arc<Verifier> {
        &self.verifier
    }

    /// The records it works on.
    #[must_use]
    pub fn records(&self) -> &Arc<Records> {
        &self.records
    }

    /// Decides, and answers once the decision is durable.
    ///
    /// # Errors
    /// When nothing was decided, or nobody knows whether it became durable; never because of what
    /// the probe shows.
    pub async fn verify(&self, ask: Ask, urgency: Urgency) -> Result<Answer, ActivationError> {
        // What is activated from here on is for later requests.
        let lineup = self.verifier.lineup();
        let policy = lineup.policy(&ask.policy);
        let policy = policy.ok_or_else(|| ActivationError::unknown_policy(&ask.policy))?;
        self.check_rates(&ask)?;
        let answer = self.answer(&ask, (&lineup, policy), urgency).await;
        // A call that a record was looked up for leaves an entry, also without a decision.
        if let Err(error) = &answer
            && let Some(reason) = error.refusal()
        {
            let mut entry = record::entry_of(&self.records, &ask, Event::CallRefused);
            entry.subject = self.subject(&ask);
            entry.reasons = vec![Text::fitted(reason)];
            self.records.store().append(entry).await?;
        }
        answer
    }

    async fn answer(
        &self,
        ask: &Ask,
        (lineup, policy): (&Lineup, &Policy),
        urgency: Urgency,
    ) -> Result<Answer, ActivationError> {
        for _ in 0..TRIES_MAX {
            let now = OffsetDateTime::now_utc();
            let progress = match self.admit(ask, now) {
                Ok((subject, consent)) => {
                    let consent = record::consent_of(ask, subject, consent);
                    let known = self.known(ask, lineup, now, consent).await?;
                    if let Some(stored) = known.stored {
                        return self.repeat(ask, stored).await;
                    }
                    self.decide(ask, lineup, (subject, known), urgency).await?
                }
                Err(reason) => {
                    let key = request_key(ask);
                    let stored = self.records.store().stored(&key, &ask.body_digest);
                    if let Some(stored) = stored.await? {
                        return self.repeat(ask, stored).await;
                    }
                    Progress::ended(self.subject(ask), reason)
                }
            };
            if let Some(answer) = self.commit(ask, (lineup, policy), now, progress).await? {
                return Ok(answer);
            }
        }
        Err(ActivationError::Overtaken)
    }

    /// Before the database is asked: whoever calls too often costs it nothing.
    fn check_rates(&self, ask: &Ask) -> Result<(), ActivationError> {
        let check = |kind, key: &str| {
            let checked = self.limiter.check(kind, key);
            checked.map_err(|retry_after| ActivationError::TooOften { retry_after })
        };
        // Under the caller's name: nobody uses up what another one's devices may call.
        let own = |name: &Text| format!("{}/{name}", ask.caller.name);
        check(Kind::Device, &own(&ask.context.device))?;
        if let Some(operator) = &ask.context.operator {
            check(Kind::Operator, &own(operator))?;
        }
        if let Some(subject) = self.subject(ask) {
            check(Kind::Subject, &subject.to_string())?;
        }
        Ok(())
    }

    /// The answer that the same request got before.
    async fn repeat(&self, ask: &Ask, stored: Stored) -> Result<Answer, ActivationError> {
        match stored {
            Stored::OtherBody => Err(ActivationError::OtherBody),
            Stored::Reply(sealed) => self.open_repeated(ask, &sealed).await,
        }
    }

    async fn open_repeated(&self, ask: &Ask, sealed: &[u8]) -> Result<Answer, ActivationError> {
        let subject = self.subject(ask);
        let key = match subject {
            Some(subject) if reply::is_under_subject(sealed) => {
                let key = self.records.subject_key(subject).await?;
                Some(key.ok_or(ActivationError::ReplyGone)?)
            }
            _ => None,
        };
        let keys = self.records.keys();
        let reply = reply::open(keys, subject, key.as_ref(), &ask.request_id, sealed);
        Ok(Answer {
            // The subject has another key by now.
            reply: reply.map_err(|_| ActivationError::ReplyGone)?,
            verification: None,
            is_repeated: true,
        })
    }

    fn subject(&self, ask: &Ask) -> Option<SubjectHash> {
        let nik = ask.nik.as_ref().ok()?;
        Some(self.records.keys().subject_hash(nik))
    }

    /// The checks that need no record.
    fn admit<'a>(
        &self,
        ask: &'a Ask,
        now: OffsetDateTime,
    ) -> Result<(SubjectHash, &'a GivenConsent), ReasonCode> {
        let consent = self.current_consent(ask, now);
        let consent = consent.ok_or(ReasonCode::ConsentMissing)?;
        if !ask.caller.may_act_for(ask.context.office.as_str()) {
            return Err(ReasonCode::OperatorNotAllowed);
        }
        let subject = self.subject(ask).ok_or(ReasonCode::NikMalformed)?;
        Ok((subject, consent))
    }

    /// Everything that is asked of the database, in one go: each time is a wait of its own.
    async fn known(
        &self,
        ask: &Ask,
        lineup: &Lineup,
        now: OffsetDateTime,
        consent: Consent,
    ) -> Result<Known, ActivationError> {
        let question = Question {
            request: request_key(ask),
            body_digest: ask.body_digest,
            consent,
            session: session_key(ask),
            day: self.limits.day(now),
            contracts: lineup.contracts().map(ToString::to_string).collect(),
        };
        Ok(self.records.store().known(&question).await?)
    }

    async fn decide(
        &self,
        ask: &Ask,
        lineup: &Lineup,
        (subject, known): (SubjectHash, Known),
        urgency: Urgency,
    ) -> Result<Progress, ActivationError> {
        let ended = |reason| Ok(Progress::ended(Some(subject), reason));
        if known.standing != Standing::Holds {
            return ended(ReasonCode::ConsentMissing);
        }
        // A template of a contract that does not serve any more holds while its model is loaded.
        let model = model_of(lineup, &known)?;
        // Not before the consent is known to hold: until here the reference was sealed.
        let opened = self
            .records
            .open_found(subject, known.subject, model.contract_id());
        let reference = match opened.await? {
            Enrolled::Nothing => return ended(ReasonCode::ReferenceNotFound),
            Enrolled::Blocked => return ended(ReasonCode::NikStatusBlocked),
            Enrolled::NotSynced => return ended(ReasonCode::ReferenceNotSynced),
            Enrolled::Reference(reference) => reference,
        };
        let left = self.attempts_left(known.attempts);
        if left == 0 {
            return Ok(Progress {
                left: Some(0),
                ..Progress::ended(Some(subject), ReasonCode::AttemptsExceeded)
            });
        }
        let task = VerifyTask {
            probe: ask.probe.clone(),
            reference: Reference::Template(reference.template.clone()),
            policy: ask.policy.clone(),
        };
        let verification = model.verify(task, urgency).await?;
        model.note_verification();
        Ok(Progress {
            verdict: verification.verdict.clone(),
            subject: Some(subject),
            reference: Some(reference),
            verification: Some(verification),
            left: Some(left),
        })
    }

    /// The consent, if it is of now.
    fn current_consent<'a>(&self, ask: &'a Ask, now: OffsetDateTime) -> Option<&'a GivenConsent> {
        let consent = ask.consent.as_ref()?;
        let age = now - consent.given_at;
        // Clocks differ a little.
        (age >= -Duration::MINUTE && age <= self.limits.consent_age_max).then_some(consent)
    }

    fn attempts_left(&self, made: Attempts) -> u32 {
        let left = |max: u32, made: u64| max.saturating_sub(u32::try_from(made).unwrap_or(max));
        left(self.limits.session_attempts_max, made.session)
            .min(left(self.limits.day_attempts_max, made.day))
    }

    /// None: what the decision rests on changed meanwhile, or others made the last attempts.
    async fn commit(
        &self,
        ask: &Ask,
        (lineup, policy): (&Lineup, &Policy),
        now: OffsetDateTime,
        progress: Progress,
    ) -> Result<Option<Answer>, ActivationError> {
        // Of the model that compared; without a comparison, of the one that serves.
        let decided = progress.verification.as_ref();
        let policy = decided.map_or(policy, |verification| &verification.policy);
        let prepared = record::prepare(&self.records, &self.limits, ask, policy, now, &progress)?;
        let reply = match self.records.store().commit(prepared.record).await? {
            CommitOutcome::Committed(_) => prepared.reply,
            CommitOutcome::Repeated(sealed) => {
                return self.open_repeated(ask, &sealed).await.map(Some);
            }
            CommitOutcome::OtherBody => return Err(ActivationError::OtherBody),
            // The comparison is told to nobody: it was one too many, or of what is not so any more.
            CommitOutcome::AttemptsExceeded | CommitOutcome::Stale => return Ok(None),
        };
        self.offer(ask, lineup, &progress);
        Ok(Some(Answer {
            reply,
            verification: progress.verification,
            is_repeated: false,
        }))
    }
}

/// The model that the reference found is of; without a reference, the one that serves.
fn model_of<'a>(lineup: &'a Lineup, known: &Known) -> Result<&'a Arc<Serving>, ActivationError> {
    let found = known.subject.as_ref();
    let Some(reference) = found.and_then(|(_, reference)| reference.as_ref()) else {
        return Ok(lineup.active());
    };
    let model = lineup.of_contract(&ContractId::new(&reference.contract_id));
    let unasked = || ActivationError::Internal("a reference of an unasked contract".to_owned());
    model.ok_or_else(unasked)
}

fn request_key(ask: &Ask) -> RequestKey {
    RequestKey::new(&ask.caller.name, &ask.request_id)
}

/// Two callers may use the same name for a session.
fn session_key(ask: &Ask) -> String {
    format!("{}/{}", ask.caller.name, ask.context.session)
}

/// Since 1970, UTC.
fn microseconds(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX)
}
