//! A request's way through the service: two samples to the lanes, their templates compared, a
//! decision. Knows no transport and no runtime.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::compare::{ContractMismatch, Scoring, Similarity};
use crate::decision::{Evidence, Policy, ReasonCode, Verdict, decide};
use crate::embed::{ContractId, Template};
use crate::engine::{Class, Completed, JobError, Reply, SubmitError};
use crate::pipeline::{CascadeTask, Goal, SampleError, SampleResult, SampleTask};
use crate::sample::SampleRole;
use crate::sample::decode::DecodeError;
use crate::sample::detect::FaceChoice;
use crate::serving::{Lineup, Offer, Registry, Serving};

/// The enrolled side.
#[derive(Clone)]
pub enum Reference {
    /// A sample, encoded: it takes a lane of its own.
    Sample(Bytes),
    /// What was made of one before: it costs a comparison.
    Template(Template),
}

impl std::fmt::Debug for Reference {
    /// Neither image nor embedding: they never reach a log.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sample(image) => write!(out, "Sample({} bytes)", image.len()),
            Self::Template(template) => write!(out, "Template({})", template.contract_id),
        }
    }
}

/// A probe and what to compare it with.
#[derive(Clone)]
pub struct VerifyTask {
    /// The live capture, encoded.
    pub probe: Bytes,
    /// The enrolled side.
    pub reference: Reference,
    /// Id of the policy; empty means the default one.
    pub policy: String,
}

impl std::fmt::Debug for VerifyTask {
    /// No byte of the images: they never reach a log.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (probe, reference) = (self.probe.len(), &self.reference);
        write!(out, "VerifyTask({probe} bytes and {reference:?})")
    }
}

/// How urgent a request is, and until when its answer is of use.
#[derive(Debug, Clone, Copy)]
pub struct Urgency {
    /// The class it is served in.
    pub class: Class,
    /// Nobody waits after this.
    pub deadline: Option<Instant>,
}

/// A decision with all that led to it.
#[derive(Debug)]
pub struct Verification {
    /// The decision and its reasons.
    pub verdict: Verdict,
    /// Present exactly when the two sides were compared.
    pub similarity: Option<Similarity>,
    /// The policy that decided.
    pub policy: Policy,
    /// The probe.
    pub probe: SampleResult,
    /// The reference; absent when it came as a template, which nothing is to be said about.
    pub reference: Option<SampleResult>,
    /// From the call to the decision.
    pub total: Duration,
}

/// A request that has no decision.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// No such policy.
    #[error("there is no policy named \"{policy}\"; GetServiceInfo names those of a server")]
    UnknownPolicy {
        /// The name in the request.
        policy: String,
    },
    /// A sample is not an acceptable image.
    #[error("{cause}")]
    Image {
        /// Which sample.
        role: SampleRole,
        /// What is wrong.
        cause: DecodeError,
    },
    /// No capacity now.
    #[error("no capacity now")]
    Busy {
        /// When there is likely some again.
        retry_after: Duration,
    },
    /// The deadline passed.
    #[error("the deadline passed before a decision was made")]
    Expired,
    /// The service is going away, or has no device to compute on.
    #[error("the service is shutting down, or its accelerator failed")]
    Closed,
    /// padan broke.
    #[error("{0}")]
    Internal(String),
}

impl From<SubmitError> for VerifyError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Full { retry_after } => Self::Busy { retry_after },
            SubmitError::Closed => Self::Closed,
        }
    }
}

impl From<JobError> for VerifyError {
    fn from(error: JobError) -> Self {
        match error {
            JobError::Expired => Self::Expired,
            JobError::Crashed => Self::Internal("a worker failed".to_owned()),
        }
    }
}

impl From<ContractMismatch> for VerifyError {
    fn from(error: ContractMismatch) -> Self {
        Self::Internal(error.to_string())
    }
}

/// Compares samples by policies, on the model that serves.
pub struct Verifier {
    models: Arc<Registry>,
}

impl Verifier {
    /// A verifier on these models.
    #[must_use]
    pub fn new(models: Arc<Registry>) -> Self {
        Self { models }
    }

    /// The models it works on.
    #[must_use]
    pub fn models(&self) -> &Arc<Registry> {
        &self.models
    }

    /// Which models there are at this moment: what a request takes once, at its beginning.
    #[must_use]
    pub fn lineup(&self) -> Arc<Lineup> {
        self.models.lineup()
    }

    /// The model that serves at this moment.
    #[must_use]
    pub fn active(&self) -> Arc<Serving> {
        self.models.active()
    }

    /// Compares a probe with a reference and decides: two samples on the active model, a template
    /// on the model of its contract.
    ///
    /// # Errors
    /// As [`Serving::verify`].
    pub async fn verify(
        &self,
        task: VerifyTask,
        urgency: Urgency,
    ) -> Result<Verification, VerifyError> {
        let lineup = self.lineup();
        let (model, image) = match &task.reference {
            Reference::Sample(image) => (lineup.active(), Some(image.clone())),
            Reference::Template(template) => {
                let model = lineup.of_contract(&template.contract_id);
                (model.unwrap_or_else(|| lineup.active()), None)
            }
        };
        let shadow = lineup.shadow().map(|it| (it, task.probe.clone()));
        let made = model.verify(task, urgency).await?;
        model.note_verification();
        if let (Some((shadow, probe)), Some(image)) = (shadow, image) {
            let reference = Box::pin(std::future::ready(Some(image)));
            shadow.offer(&lineup, &made, || Some(Offer { probe, reference }));
        }
        Ok(made)
    }

    /// Looks at one sample: faces, quality, faults. Makes no template.
    ///
    /// # Errors
    /// When the sample is no image, or there is no capacity or time.
    pub async fn assess(
        &self,
        image: Bytes,
        role: SampleRole,
        urgency: Urgency,
    ) -> Result<SampleResult, VerifyError> {
        let task = sample_task(image, role, Goal::Assess);
        self.active().examine(task, urgency).await
    }

    /// Makes a template of a portrait, by the limits for references. Without one when the portrait
    /// has faults.
    ///
    /// # Errors
    /// When the portrait is no image, or there is no capacity or time.
    pub async fn enrol(&self, image: Bytes, urgency: Urgency) -> Result<SampleResult, VerifyError> {
        let task = sample_task(image, SampleRole::Reference, Goal::Embed);
        self.active().examine(task, urgency).await
    }
}

impl Serving {
    /// Compares a probe with a reference and decides. Two samples run on two lanes when two are
    /// free.
    ///
    /// # Errors
    /// When there is no decision; never because of what the samples show. A template of another
    /// contract than the policy's is refused before it costs a lane.
    pub async fn verify(
        &self,
        task: VerifyTask,
        urgency: Urgency,
    ) -> Result<Verification, VerifyError> {
        let started = Instant::now();
        let policy = self.policy(&task.policy)?.clone();
        let mut probe = sample_task(task.probe, SampleRole::Probe, Goal::Embed);
        let (probe, reference) = match task.reference {
            Reference::Sample(image) => {
                let reference = sample_task(image, SampleRole::Reference, Goal::Embed);
                self.examine_both(probe, reference, urgency).await?
            }
            Reference::Template(template) => {
                check_contract(&template, &policy.contract_id)?;
                probe.cascade = cascade_task(policy.scoring, &template);
                let probe = self.examine(probe, urgency).await?;
                (probe, ReferenceSide::Template(template))
            }
        };
        let similarity = match (&probe.template, reference.template()) {
            (Some(probe), Some(reference)) => Some(policy.scoring.compare(probe, reference)?),
            _ => None,
        };
        let evidence = Evidence {
            probe_faults: &probe.faults,
            reference_faults: reference.faults(),
            similarity,
        };
        Ok(Verification {
            verdict: decide(&policy, &evidence),
            similarity,
            policy,
            probe,
            reference: reference.into_result(),
            total: started.elapsed(),
        })
    }

    async fn examine(
        &self,
        task: SampleTask,
        urgency: Urgency,
    ) -> Result<SampleResult, VerifyError> {
        let role = task.role;
        let engine = self.engine();
        let [reply] = engine.submit(urgency.class, urgency.deadline, [task])?;
        finish(reply, role).await
    }

    async fn examine_both(
        &self,
        probe: SampleTask,
        reference: SampleTask,
        urgency: Urgency,
    ) -> Result<(SampleResult, ReferenceSide), VerifyError> {
        let tasks = [probe, reference];
        let engine = self.engine();
        let [probe, reference] = engine.submit(urgency.class, urgency.deadline, tasks)?;
        let probe = finish(probe, SampleRole::Probe).await?;
        let reference = finish(reference, SampleRole::Reference).await?;
        Ok((probe, ReferenceSide::Sample(Box::new(reference))))
    }

    fn policy(&self, id: &str) -> Result<&Policy, VerifyError> {
        self.policies()
            .find(id)
            .ok_or_else(|| VerifyError::UnknownPolicy {
                policy: id.to_owned(),
            })
    }
}

/// The enrolled side, ready to be compared.
enum ReferenceSide {
    Sample(Box<SampleResult>),
    Template(Template),
}

impl ReferenceSide {
    fn template(&self) -> Option<&Template> {
        match self {
            Self::Sample(result) => result.template.as_ref(),
            Self::Template(template) => Some(template),
        }
    }

    /// A template has none: it was fit when it was made.
    fn faults(&self) -> &[ReasonCode] {
        match self {
            Self::Sample(result) => &result.faults,
            Self::Template(_) => &[],
        }
    }

    fn into_result(self) -> Option<SampleResult> {
        match self {
            Self::Sample(result) => Some(*result),
            Self::Template(_) => None,
        }
    }
}

fn sample_task(image: Bytes, role: SampleRole, goal: Goal) -> SampleTask {
    SampleTask {
        image,
        role,
        choice: FaceChoice::Largest,
        goal,
        cascade: None,
    }
}

/// What the probe's lane has to know of the reference, to spare a network.
fn cascade_task(scoring: Scoring, reference: &Template) -> Option<CascadeTask> {
    let Scoring::Cascade(cascade) = scoring else {
        return None;
    };
    Some(CascadeTask {
        cascade,
        reference: reference.embedding.clone(),
    })
}

/// Without this, a template of another contract would go unnoticed until a probe is fit.
fn check_contract(reference: &Template, served: &ContractId) -> Result<(), ContractMismatch> {
    if reference.contract_id == *served {
        return Ok(());
    }
    Err(ContractMismatch {
        probe: served.clone(),
        reference: reference.contract_id.clone(),
    })
}

/// The reasons to give for one sample's faults: those of a reference are not cured by a capture.
#[must_use]
pub fn reasons_for(role: SampleRole, faults: &[ReasonCode]) -> Vec<ReasonCode> {
    match role {
        SampleRole::Reference if !faults.is_empty() => vec![ReasonCode::ReferenceLowQuality],
        _ => faults.to_vec(),
    }
}

async fn finish(
    reply: Reply<Result<SampleResult, SampleError>>,
    role: SampleRole,
) -> Result<SampleResult, VerifyError> {
    let Completed { output, queued } = reply.wait().await?;
    match output {
        Ok(mut result) => {
            result.times.queue = queued;
            Ok(result)
        }
        Err(SampleError::Image(cause)) => Err(VerifyError::Image { role, cause }),
        Err(SampleError::Inference(error)) if error.is_unavailable => Err(VerifyError::Closed),
        Err(error) => Err(VerifyError::Internal(error.to_string())),
    }
}
