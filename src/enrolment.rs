//! Enrolment: portraits become sealed templates, each under the key of its subject.
//!
//! A portrait takes the lanes as a reference would; one with faults is refused, and what was stored
//! before stays. Whatever changes is durable with its entry in the trail, and with the request's
//! id, before anybody is told of it. Two changes of one subject at once are ordered by the
//! subject's version: whoever comes late reads again and seals again.

mod change;
mod error;
mod import;
mod put;
mod rekey;

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::access::Caller;
use crate::audit::{Entry, Event, Text};
use crate::decision::ReasonCode;
use crate::embed::{ContractId, Template};
use crate::pipeline::SampleTimes;
use crate::records::{PORTRAIT, Records};
use crate::store::{Changed, Claim, Reference, RequestKey, Stored, SubjectStatus};
use crate::subject::{Biodata, Nik, NikError, SubjectHash};
use crate::verify::Verifier;

pub use error::EnrolmentError;
pub use import::{ImportEvent, ImportRow, RowContent};
pub use rekey::RekeyProgress;

/// How often a change is tried that another one of the same subject overtook.
const TRIES_MAX: u32 = 16;

/// What an office has decided about enrolment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whether portraits are kept, sealed, beside the templates made from them.
    pub keep_portraits: bool,
}

/// Who asks for a change, under which id, of whom.
pub struct Ask {
    /// Who asks.
    pub caller: Caller,
    /// The caller's id of the request.
    pub request_id: Text,
    /// Keyed digest of the whole request and its method.
    pub body_digest: [u8; 32],
    /// Whose references.
    pub nik: Result<Nik, NikError>,
}

impl std::fmt::Debug for Ask {
    /// Not the NIK.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Ask({})", self.request_id)
    }
}

/// Where a portrait comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The registry's central portrait.
    Registry,
    /// The card's chip.
    CardChip,
}

impl Source {
    /// All sources.
    pub const ALL: [Self; 2] = [Self::Registry, Self::CardChip];

    /// Its name in the store and in the trail.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registry => "REGISTRY",
            Self::CardChip => "CARD_CHIP",
        }
    }
}

/// What is to be enrolled.
#[derive(Clone)]
pub enum Material {
    /// A portrait, encoded.
    Portrait(Bytes),
    /// What was made of one elsewhere.
    Template(Template),
}

impl std::fmt::Debug for Material {
    /// Neither image nor embedding: they never reach a log.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Portrait(image) => write!(out, "Portrait({} bytes)", image.len()),
            Self::Template(template) => write!(out, "Template({})", template.contract_id),
        }
    }
}

/// A reference to be enrolled, with what is known about it.
#[derive(Debug, Clone)]
pub struct NewReference {
    /// The portrait or template.
    pub material: Material,
    /// The date of the portrait, `YYYY-MM-DD`; none when unknown.
    pub captured_on: Option<String>,
    /// Where it comes from.
    pub source: Source,
    /// What the registry says about the subject: only to warn.
    pub biodata: Biodata,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// Done as asked.
    Done,
    /// Not done; what was there before stays.
    Refused,
    /// There was nothing to do.
    Unchanged,
}

/// What is told of a request, and kept for the same request asked again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was refused, worst first.
    pub reasons: Vec<ReasonCode>,
    /// What else is wrong, in words without personal data.
    pub problem: Option<String>,
    /// The version that was stored.
    pub version: Option<u64>,
    /// The contract of what was stored.
    pub contract_id: Option<String>,
    /// What looks odd in the NIK, by name.
    pub warnings: Vec<String>,
    /// How long the portrait took; none for an answer that was given before.
    #[serde(skip)]
    pub times: Option<SampleTimes>,
}

impl Answer {
    pub(super) const fn new(outcome: Outcome) -> Self {
        Self {
            outcome,
            reasons: Vec::new(),
            problem: None,
            version: None,
            contract_id: None,
            warnings: Vec::new(),
            times: None,
        }
    }

    pub(super) fn refused(reasons: Vec<ReasonCode>) -> Self {
        Self {
            reasons,
            ..Self::new(Outcome::Refused)
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        // Texts and numbers under fixed names: always JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// How a subject stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A reference is there that a loaded model can compare.
    Ready,
    /// Unknown, or erased.
    None,
    /// Known, without any reference.
    NotSynced,
    /// Only references of contracts whose models are not loaded.
    OtherContract,
    /// Blocked, whatever it has.
    Blocked,
    /// The number is no NIK.
    NikMalformed,
}

/// Enrols subjects.
pub struct Enrolment {
    verifier: Arc<Verifier>,
    records: Arc<Records>,
    settings: Settings,
}

impl Enrolment {
    /// Enrols into `records` what `verifier` makes of portraits.
    #[must_use]
    pub fn new(verifier: Arc<Verifier>, records: Arc<Records>, settings: Settings) -> Self {
        Self {
            verifier,
            records,
            settings,
        }
    }

    /// The records it works on.
    #[must_use]
    pub fn records(&self) -> &Arc<Records> {
        &self.records
    }

    /// How a subject stands, with its reference of the served contract or, without one, its newest.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn standing(
        &self,
        ask: &Ask,
    ) -> Result<(Standing, Option<Reference>), EnrolmentError> {
        let Some(subject) = self.subject(ask) else {
            // A question has no answer to be repeated: it takes no request id.
            let mut entry = self.entry(Event::CallRefused, ask, "status");
            entry.reasons = vec![Text::fitted(ReasonCode::NikMalformed.name())];
            self.records.store().append(entry).await?;
            return Ok((Standing::NikMalformed, None));
        };
        let lineup = self.verifier.lineup();
        let served = lineup.active().contract_id();
        let store = self.records.store();
        let found = store.subject(subject, served.as_str()).await?;
        let Some((row, mut reference)) =
            found.filter(|(row, _)| row.status != SubjectStatus::Erased)
        else {
            return Ok((Standing::None, None));
        };
        // As long as the model of another contract is loaded, its templates are compared by it.
        for contract in lineup.contracts().skip(1) {
            if reference.is_none() {
                let found = store.subject(subject, contract.as_str()).await?;
                reference = found.and_then(|(_, reference)| reference);
            }
        }
        let is_served = reference.is_some();
        let reference = match reference {
            Some(reference) => Some(reference),
            None => self.newest(subject).await?,
        };
        let standing = match (row.status, &reference) {
            (SubjectStatus::Blocked, _) => Standing::Blocked,
            (_, None) => Standing::NotSynced,
            (_, Some(_)) if is_served => Standing::Ready,
            (_, Some(_)) => Standing::OtherContract,
        };
        Ok((standing, reference))
    }

    /// The newest template of any contract.
    async fn newest(&self, subject: SubjectHash) -> Result<Option<Reference>, EnrolmentError> {
        let store = self.records.store();
        let mut newest: Option<Reference> = None;
        for contract in store.contracts(subject).await? {
            if contract == PORTRAIT {
                continue;
            }
            let found = store.subject(subject, &contract).await?;
            let found = found.and_then(|(_, reference)| reference);
            newest = newest
                .into_iter()
                .chain(found)
                .max_by_key(|it| it.row_version);
        }
        Ok(newest)
    }

    fn subject(&self, ask: &Ask) -> Option<SubjectHash> {
        let nik = ask.nik.as_ref().ok()?;
        Some(self.records.keys().subject_hash(nik))
    }

    /// The contract that templates are made under now.
    fn served(&self) -> ContractId {
        self.verifier.active().contract_id().clone()
    }

    /// The answer that the same request got before.
    async fn repeated(&self, ask: &Ask) -> Result<Option<Answer>, EnrolmentError> {
        let key = request_key(ask);
        match self.records.store().stored(&key, &ask.body_digest).await? {
            None => Ok(None),
            Some(Stored::OtherBody) => Err(EnrolmentError::OtherBody),
            Some(Stored::Reply(reply)) => answered(&reply).map(Some),
        }
    }

    /// An entry about what `ask` does.
    fn entry(&self, event: Event, ask: &Ask, operation: &str) -> Entry {
        let mut entry = self.records.entry(event, &ask.caller);
        entry.request = Some(ask.request_id.clone());
        entry.subject = self.subject(ask);
        entry.detail("operation", operation);
        entry
    }
}

fn request_key(ask: &Ask) -> RequestKey {
    RequestKey::new(&ask.caller.name, &ask.request_id)
}

fn claim(ask: &Ask, answer: &Answer, at_us: i64) -> Claim {
    Claim {
        request: request_key(ask),
        body_digest: ask.body_digest,
        reply: answer.to_bytes(),
        at_us,
    }
}

/// What is told of a change; none when it was stale.
fn told(changed: Changed, answer: Answer) -> Result<Option<Answer>, EnrolmentError> {
    match changed {
        Changed::Done(_) => Ok(Some(answer)),
        Changed::Stale => Ok(None),
        Changed::Repeated(reply) => answered(&reply).map(Some),
        Changed::OtherBody => Err(EnrolmentError::OtherBody),
    }
}

/// An answer that was kept.
fn answered(reply: &[u8]) -> Result<Answer, EnrolmentError> {
    let damaged = |_| EnrolmentError::Internal("a kept answer is none of enrolment's".to_owned());
    serde_json::from_slice(reply).map_err(damaged)
}
