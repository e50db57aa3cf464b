//! A candidate beside the model that serves: a share of the live comparisons is made by it, too,
//! after the caller was answered, and only counts are kept.
//!
//! Live work comes first: nothing is offered to the candidate while a live sample waits for a lane,
//! the candidate compares one pair at a time, in the class that nobody waits in, and what finds its
//! short queue full is dropped and counted.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use time::OffsetDateTime;
use tokio::sync::mpsc;

use super::{Histogram, Lineup, Serving};
use crate::compare::Similarity;
use crate::decision::Decision;
use crate::embed::ContractId;
use crate::engine::Class;
use crate::verify::{Reference, Urgency, Verification, VerifyError, VerifyTask};

/// Comparisons that wait for the candidate. Each holds its samples in memory.
const WAITING_MAX: usize = 4;

/// Longest time for a candidate's comparison.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Which live comparisons the candidate makes, too: the same ones for the same seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    share: f64,
    seed: u64,
}

impl Pace {
    /// A share above 0 and of at most 1.
    #[must_use]
    pub fn new(share: f64, seed: u64) -> Option<Self> {
        (share > 0.0 && share <= 1.0).then_some(Self { share, seed })
    }

    /// The share.
    #[must_use]
    pub const fn share(self) -> f64 {
        self.share
    }

    /// The seed.
    #[must_use]
    pub const fn seed(self) -> u64 {
        self.seed
    }

    /// Whether the comparison of this number, from 0 on, is one of them.
    #[must_use]
    pub fn takes(self, number: u64) -> bool {
        // SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators",
        // 2014): the number's place in the sequence of the seed.
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut mixed = self
            .seed
            .wrapping_add(STEP.wrapping_mul(number.wrapping_add(1)));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        #[expect(clippy::cast_precision_loss, reason = "53 bits are what f64 has")]
        let fraction = (mixed >> 11) as f64 / (1_u64 << 53) as f64;
        fraction < self.share
    }
}

/// What was counted. No person is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShadowCounts {
    /// Live comparisons that the share took.
    pub taken: u64,
    /// Of those: the candidate came to a decision, too.
    pub scored: u64,
    /// Of the scored: both models gave a similarity; these are in the histograms.
    pub compared: u64,
    /// Of the scored: the decisions differ, each by its own model's policy.
    pub disagreements: u64,
    /// Of the disagreements: a match that the candidate does not make.
    pub matches_lost: u64,
    /// Of the disagreements: a match that only the candidate makes.
    pub matches_won: u64,
    /// Live work needed the lanes, or too many waited already.
    pub dropped: u64,
    /// The reference was no sample that the candidate could be given: a template without a kept
    /// portrait, or of another contract than that of the active model.
    pub not_comparable: u64,
    /// The candidate failed.
    pub failed: u64,
    /// Similarities of the active model.
    pub active: Histogram,
    /// Similarities of the candidate.
    pub candidate: Histogram,
}

/// What a shadow counts, and between which models.
pub struct Tally {
    /// The model that served.
    pub active: ContractId,
    /// The candidate's id.
    pub candidate_id: String,
    /// The candidate.
    pub candidate: ContractId,
    /// Which comparisons.
    pub pace: Pace,
    /// Since when.
    pub started_at: OffsetDateTime,
    counts: Mutex<ShadowCounts>,
}

/// What a shadow has counted so far.
#[derive(Clone)]
pub struct ShadowReport {
    /// Between which models, and since when.
    pub tally: Arc<Tally>,
    /// What was counted.
    pub counts: ShadowCounts,
    /// Whether it still runs.
    pub is_running: bool,
}

impl Tally {
    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> ShadowCounts {
        self.with(|counts| counts.clone())
    }

    fn with<T>(&self, change: impl FnOnce(&mut ShadowCounts) -> T) -> T {
        // Counting does not panic; if it did, the counts would still be numbers.
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A reference as a sample, when it can be had. Asked for after the caller was answered.
pub type Fetch = Pin<Box<dyn Future<Output = Option<Bytes>> + Send>>;

/// A live comparison that the candidate may make, too.
pub struct Offer {
    /// The probe, encoded.
    pub probe: Bytes,
    /// The other side, encoded.
    pub reference: Fetch,
}

struct Job {
    offer: Offer,
    policy: String,
    decision: Decision,
    similarity: Option<Similarity>,
}

/// A running shadow. Ends when nobody holds it any more.
pub struct Shadow {
    tally: Arc<Tally>,
    number: AtomicU64,
    jobs: mpsc::Sender<Job>,
}

impl Shadow {
    /// Begins: from now on what is offered is scored by `candidate`. To be called in a runtime.
    #[must_use]
    pub fn start(active: &Serving, candidate: Arc<Serving>, pace: Pace) -> Self {
        let tally = Arc::new(Tally {
            active: active.contract_id().clone(),
            candidate_id: candidate.id().to_owned(),
            candidate: candidate.contract_id().clone(),
            pace,
            started_at: OffsetDateTime::now_utc(),
            counts: Mutex::default(),
        });
        let (jobs, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(work(Arc::clone(&tally), candidate, waiting));
        Self {
            tally,
            number: AtomicU64::new(0),
            jobs,
        }
    }

    /// What it counts.
    #[must_use]
    pub const fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// Offers a comparison that a model of `lineup` made. Never waits.
    pub fn offer(
        &self,
        lineup: &Lineup,
        made: &Verification,
        offer: impl FnOnce() -> Option<Offer>,
    ) {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        if !self.tally.pace.takes(number) {
            return;
        }
        self.tally.with(|counts| counts.taken += 1);
        let is_of_active = made.policy.contract_id == self.tally.active;
        let Some(offer) = is_of_active.then(offer).flatten() else {
            return self.tally.with(|counts| counts.not_comparable += 1);
        };
        let job = Job {
            offer,
            policy: made.policy.id.clone(),
            decision: made.verdict.decision,
            similarity: made.similarity,
        };
        if lineup.is_busy() || self.jobs.try_send(job).is_err() {
            self.tally.with(|counts| counts.dropped += 1);
        }
    }
}

/// Until the shadow is gone, and what it had taken is done.
async fn work(tally: Arc<Tally>, candidate: Arc<Serving>, mut jobs: mpsc::Receiver<Job>) {
    while let Some(job) = jobs.recv().await {
        let Some(reference) = job.offer.reference.await else {
            tally.with(|counts| counts.not_comparable += 1);
            continue;
        };
        let task = VerifyTask {
            probe: job.offer.probe,
            reference: Reference::Sample(reference),
            policy: job.policy,
        };
        let urgency = Urgency {
            class: Class::Bulk,
            deadline: Some(Instant::now() + TIMEOUT),
        };
        let scored = candidate.verify(task, urgency).await;
        tally.with(|counts| match scored {
            Ok(scored) => counts.note((job.decision, job.similarity), &scored),
            Err(VerifyError::Busy { .. } | VerifyError::Expired) => counts.dropped += 1,
            // The text may name a file or a device, never a person; the live answer was given.
            Err(error) => {
                tracing::debug!(%error, "the candidate failed on a comparison");
                counts.failed += 1;
            }
        });
    }
}

impl ShadowCounts {
    fn note(&mut self, (decision, similarity): (Decision, Option<Similarity>), by: &Verification) {
        self.scored += 1;
        if let (Some(active), Some(candidate)) = (similarity, by.similarity) {
            self.compared += 1;
            self.active.add(active);
            self.candidate.add(candidate);
        }
        if decision == by.verdict.decision {
            return;
        }
        self.disagreements += 1;
        match (decision, by.verdict.decision) {
            (Decision::Match, _) => self.matches_lost += 1,
            (_, Decision::Match) => self.matches_won += 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_takes_about_that_many_and_the_same_ones_again() {
        for share in [0.01, 0.1, 0.5, 1.0] {
            let pace = Pace::new(share, 7).expect("a share");
            let taken: Vec<u64> = (0..100_000).filter(|&it| pace.takes(it)).collect();
            let found = taken.len() as f64 / 1e5;
            assert!((found - share).abs() < 0.005, "{share}: {found}");
            let again: Vec<u64> = (0..100_000).filter(|&it| pace.takes(it)).collect();
            assert_eq!(taken, again);
            let other = Pace::new(share, 8).expect("a share");
            let differs = (0..100_000).any(|it| other.takes(it) != pace.takes(it));
            assert_eq!(differs, share < 1.0, "another seed takes others");
        }
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for share in [0.0, -0.1, 1.01, f64::NAN, f64::INFINITY] {
            assert_eq!(Pace::new(share, 0), None, "{share}");
        }
    }
}
