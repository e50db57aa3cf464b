//! Which models are loaded, and which of them serves.
//!
//! A request takes the [`Lineup`] once and keeps it: it ends on the model it began with, by that
//! model's policies, whatever is activated meanwhile. A change makes another lineup and puts it in
//! the place of the old one, so that nobody ever sees a model with the policies of another.
//!
//! What an administrator does with models is in [`Swap`]; a candidate that is tried beside the
//! model that serves in [`Shadow`].

mod histogram;
mod lineup;
mod shadow;
mod swap;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use time::OffsetDateTime;

pub use histogram::{BINS, Histogram};
pub use lineup::{LOADED_MAX, Lineup};
pub use shadow::{Offer, Pace, Shadow, ShadowCounts, ShadowReport, Tally};
pub use swap::{LoadError, Loader, Swap, SwapError};

use crate::decision::PolicySet;
use crate::embed::ContractId;
use crate::engine::{BatchCounts, Engine};
use crate::pipeline::Pipeline;

/// How often it is looked whether the last request has left an unloaded model.
const RETIRE_PERIOD: Duration = Duration::from_millis(20);

/// What there is to say about a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFacts {
    /// Its id in the manifest.
    pub id: String,
    /// What it does.
    pub task: &'static str,
    /// Digest of its file, 64 hexadecimal digits; of a fusion both, with a space between.
    pub sha256: String,
    /// Its licence.
    pub licence: String,
    /// Its contract; embedders only.
    pub contract_id: Option<String>,
    /// Length of its embedding; embedders only.
    pub dimension: Option<usize>,
}

/// What an accelerator has done.
pub type DeviceCounts = Box<dyn Fn() -> BatchCounts + Send + Sync>;

/// A loaded embedder, ready to serve: its contract, its lanes, and the policies that judge its
/// similarities.
pub struct Serving {
    contract_id: ContractId,
    embedder: ModelFacts,
    detector: ModelFacts,
    engine: Engine<Pipeline>,
    policies: PolicySet,
    device: Option<DeviceCounts>,
    loaded_at: OffsetDateTime,
    verifications: AtomicU64,
}

impl Serving {
    /// A model of this contract whose lanes run, with the policies made for it.
    #[must_use]
    pub fn new(
        contract_id: ContractId,
        [detector, embedder]: [ModelFacts; 2],
        engine: Engine<Pipeline>,
        policies: PolicySet,
    ) -> Self {
        Self {
            contract_id,
            embedder,
            detector,
            engine,
            policies,
            device: None,
            loaded_at: OffsetDateTime::now_utc(),
            verifications: AtomicU64::new(0),
        }
    }

    /// The same on an accelerator that counts.
    #[must_use]
    pub fn on_device(mut self, counts: DeviceCounts) -> Self {
        self.device = Some(counts);
        self
    }

    /// Its id in the manifest.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.embedder.id
    }

    /// The contract of its templates.
    #[must_use]
    pub const fn contract_id(&self) -> &ContractId {
        &self.contract_id
    }

    /// What there is to say about the embedder.
    #[must_use]
    pub const fn embedder(&self) -> &ModelFacts {
        &self.embedder
    }

    /// What there is to say about the detector that works with it.
    #[must_use]
    pub const fn detector(&self) -> &ModelFacts {
        &self.detector
    }

    /// Its lanes.
    #[must_use]
    pub const fn engine(&self) -> &Engine<Pipeline> {
        &self.engine
    }

    /// The policies it decides by.
    #[must_use]
    pub const fn policies(&self) -> &PolicySet {
        &self.policies
    }

    /// What its accelerator has done; none on the CPU.
    #[must_use]
    pub fn device_counts(&self) -> Option<BatchCounts> {
        self.device.as_ref().map(|counts| counts())
    }

    /// When it was ready.
    #[must_use]
    pub const fn loaded_at(&self) -> OffsetDateTime {
        self.loaded_at
    }

    /// Verifications that it decided for callers: says whether a model that does not serve any more
    /// is still needed for stored templates.
    #[must_use]
    pub fn verifications(&self) -> u64 {
        self.verifications.load(Ordering::Relaxed)
    }

    /// Counts a verification.
    pub(crate) fn note_verification(&self) {
        self.verifications.fetch_add(1, Ordering::Relaxed);
    }
}

/// The lineup of a running service.
pub struct Registry {
    lineup: RwLock<Arc<Lineup>>,
    /// Panics on lanes of models that are not loaded any more.
    retired_crashes: Arc<AtomicU64>,
}

impl Registry {
    /// One model, which serves.
    #[must_use]
    pub fn new(first: Serving) -> Self {
        Self {
            lineup: RwLock::new(Arc::new(Lineup::of(Arc::new(first)))),
            retired_crashes: Arc::default(),
        }
    }

    /// The lineup of this moment.
    #[must_use]
    pub fn lineup(&self) -> Arc<Lineup> {
        // A pointer is copied under this lock, and nothing that could panic is done.
        let lineup = self.lineup.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&lineup)
    }

    /// The model that serves at this moment.
    #[must_use]
    pub fn active(&self) -> Arc<Serving> {
        Arc::clone(self.lineup().active())
    }

    /// Samples that wait for a lane, of all models.
    #[must_use]
    pub fn queue_length(&self) -> usize {
        let lineup = self.lineup();
        let lengths = lineup.loaded().iter().map(|it| it.engine.queue_length());
        lengths.sum()
    }

    /// Panics on lanes so far, of all models that were ever loaded.
    #[must_use]
    pub fn crashes(&self) -> u64 {
        // Under the lock, which a change holds, too: what is unloaded meanwhile is counted once.
        let lineup = self.lineup.read().unwrap_or_else(PoisonError::into_inner);
        let loaded: u64 = lineup.loaded().iter().map(|it| it.engine.crashes()).sum();
        loaded + self.retired_crashes.load(Ordering::Relaxed)
    }

    /// Adds a model beside the others, before anything is served.
    ///
    /// # Errors
    /// When there is no room, or it is there.
    pub fn add(&self, model: Serving) -> Result<(), SwapError> {
        self.set(self.lineup().with(Arc::new(model))?);
        Ok(())
    }

    /// From now on requests begin with `next`. Models that it has no more end once the last request
    /// has left them.
    pub(crate) fn set(&self, next: Lineup) {
        let mut lineup = self.lineup.write().unwrap_or_else(PoisonError::into_inner);
        let mut unloaded = Vec::new();
        for model in lineup.loaded() {
            let is_kept = |it: &Arc<Serving>| Arc::ptr_eq(it, model);
            if !next.loaded().iter().any(is_kept) {
                let crashes = model.engine.crashes();
                self.retired_crashes.fetch_add(crashes, Ordering::Relaxed);
                unloaded.push((Arc::clone(model), crashes));
            }
        }
        *lineup = Arc::new(next);
        drop(lineup);
        for (model, counted) in unloaded {
            let all = Arc::clone(&self.retired_crashes);
            // Requests that were in flight went on.
            retire(model, move |crashes| {
                all.fetch_add(crashes.saturating_sub(counted), Ordering::Relaxed);
            });
        }
    }
}

/// Ends a model when nobody uses it any more. The end waits for its lanes, which would hold up
/// whatever thread of a runtime drops it last: so that is always the thread made here. It tells
/// `ended` of the panics on all of its lanes.
pub(crate) fn retire(model: Arc<Serving>, ended: impl FnOnce(u64) + Send + 'static) {
    let name = "unload".to_owned();
    let started = std::thread::Builder::new().name(name).spawn(move || {
        let mut held = model;
        let model = loop {
            match Arc::try_unwrap(held) {
                Ok(model) => break model,
                Err(still_used) => held = still_used,
            }
            std::thread::sleep(RETIRE_PERIOD);
        };
        ended(model.engine.end());
    });
    if let Err(error) = started {
        tracing::warn!(%error, "no thread to unload a model on: it ends with its last request");
    }
}

#[cfg(test)]
mod tests;
