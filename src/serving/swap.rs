//! What an administrator does with models on a running service. One change at a time; each leaves
//! one entry in the trail, where there is one, before it is made: what is not recorded is not done.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::{Lineup, Pace, Registry, Serving, Shadow, ShadowReport, retire};
use crate::access::Caller;
use crate::records::Records;
use crate::store::StoreError;
use crate::trail;

/// Makes models ready to serve.
pub trait Loader: Send + Sync {
    /// Reads, checks and starts the model of this id; takes seconds, and blocks.
    ///
    /// # Errors
    /// When it is unknown, or anything about it is not as it should be; nothing is left of it then.
    fn load(&self, id: &str) -> Result<Serving, LoadError>;
}

/// A model that was not loaded. The text says why, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is none of this id.
    #[error("{0}")]
    Unknown(String),
    /// Its file, licence, calibration, policies or golden faces are not as they should be.
    #[error("{0}")]
    Refused(String),
}

/// A change that was not made. What served before still serves.
#[derive(Debug, thiserror::Error)]
pub enum SwapError {
    /// The model could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Another one is being loaded.
    #[error("another model is being loaded: try again when it is there")]
    Loading,
    /// There is no room.
    #[error("{} models are loaded, and no more fit: unload one", super::LOADED_MAX)]
    TooMany,
    /// It is loaded.
    #[error("a model {id} is loaded; to load its files anew, unload it before")]
    AlreadyLoaded {
        /// The model.
        id: String,
    },
    /// It is not loaded.
    #[error("no model {id} is loaded; ListModels names those that are")]
    NotLoaded {
        /// The model.
        id: String,
    },
    /// It is not the one that the caller means.
    #[error("the loaded model {id} has the contract {loaded}, and {expected} was expected")]
    OtherContract {
        /// The model.
        id: String,
        /// Its contract.
        loaded: String,
        /// What the caller expected.
        expected: String,
    },
    /// It serves.
    #[error("the model {id} is active already")]
    AlreadyActive {
        /// The model.
        id: String,
    },
    /// It cannot work.
    #[error("no lane of the model {id} is alive: unload it, and load it anew")]
    LanesDead {
        /// The model.
        id: String,
    },
    /// There is no way back.
    #[error("no model served before this one, or it was unloaded: there is no way back")]
    NoPrevious,
    /// It is needed.
    #[error("the model {id} stays loaded: {why}")]
    InUse {
        /// The model.
        id: String,
        /// What needs it, and what to do.
        why: &'static str,
    },
    /// There is a shadow already.
    #[error("a model is scored in shadow already: stop that before")]
    ShadowRuns,
    /// There is no shadow.
    #[error("no model is scored in shadow")]
    NoShadow,
    /// The change left no entry.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// padan broke.
    #[error("{0}")]
    Internal(String),
}

/// Changes the lineup of a service.
pub struct Swap {
    models: Arc<Registry>,
    loader: Arc<dyn Loader>,
    records: Option<Arc<Records>>,
    pub(super) loading: Mutex<()>,
    changing: Mutex<()>,
}

/// What was done, as its entry and the log name it.
struct Change<'a> {
    what: &'static str,
    model: &'a Serving,
    details: Vec<(&'static str, String)>,
}

impl<'a> Change<'a> {
    fn of(what: &'static str, model: &'a Serving) -> Self {
        Self {
            what,
            model,
            details: Vec::new(),
        }
    }

    fn before(mut self, before: &Serving) -> Self {
        let contract_id = before.contract_id().to_string();
        self.details.push(("before", contract_id));
        self
    }
}

impl Swap {
    /// Changes the lineup of `models` by what `loader` loads; entries go to `records`.
    #[must_use]
    pub fn new(
        models: Arc<Registry>,
        loader: Arc<dyn Loader>,
        records: Option<Arc<Records>>,
    ) -> Self {
        Self {
            models,
            loader,
            records,
            loading: Mutex::default(),
            changing: Mutex::default(),
        }
    }

    /// What is loaded now.
    #[must_use]
    pub fn lineup(&self) -> Arc<Lineup> {
        self.models.lineup()
    }

    /// Loads a model beside those that are loaded.
    ///
    /// # Errors
    /// When it cannot be loaded, there is no room, or another one is being loaded.
    pub async fn load(&self, caller: &Caller, id: &str) -> Result<Arc<Serving>, SwapError> {
        let one_at_a_time = self.loading.try_lock();
        let _loading = one_at_a_time.map_err(|_| SwapError::Loading)?;
        self.lineup().check_room(id)?;
        let (loader, wanted) = (Arc::clone(&self.loader), id.to_owned());
        let loaded = tokio::task::spawn_blocking(move || loader.load(&wanted)).await;
        let model = loaded.map_err(|error| SwapError::Internal(error.to_string()))?;
        let model = Arc::new(model.inspect_err(|error| {
            tracing::warn!(model = id, %error, "a model was not loaded");
        })?);
        let added = self.add(caller, &model).await;
        if let Err(error) = added {
            // Its end waits for its lanes.
            retire(model, drop);
            return Err(error);
        }
        Ok(model)
    }

    async fn add(&self, caller: &Caller, model: &Arc<Serving>) -> Result<(), SwapError> {
        let _changing = self.changing.lock().await;
        let next = self.lineup().with(Arc::clone(model))?;
        self.note(caller, Change::of("model_loaded", model)).await?;
        self.models.set(next);
        Ok(())
    }

    /// Makes a loaded model the one that serves, with its policies. Once this is answered, no
    /// request begins on the one before.
    ///
    /// # Errors
    /// When it is not loaded, is not the one that the caller means, or cannot work.
    pub async fn activate(
        &self,
        caller: &Caller,
        id: &str,
        expected: &str,
    ) -> Result<Arc<Serving>, SwapError> {
        let _changing = self.changing.lock().await;
        let lineup = self.lineup();
        let next = lineup.activated(id, expected)?;
        self.serve_by(caller, "model_activated", &lineup, next)
            .await
    }

    /// Makes the model that served before serve again. With `from`, only if the one that serves has
    /// that contract: whoever repeats a call does not go back and forth.
    ///
    /// # Errors
    /// When there is none, it cannot work, or the model that serves is not the one that the caller
    /// means.
    pub async fn roll_back(
        &self,
        caller: &Caller,
        from: Option<&str>,
    ) -> Result<Arc<Serving>, SwapError> {
        let _changing = self.changing.lock().await;
        let lineup = self.lineup();
        if let Some(from) = from {
            lineup.check_active(from)?;
        }
        let next = lineup.rolled_back()?;
        self.serve_by(caller, "model_rolled_back", &lineup, next)
            .await
    }

    async fn serve_by(
        &self,
        caller: &Caller,
        what: &'static str,
        lineup: &Lineup,
        next: Lineup,
    ) -> Result<Arc<Serving>, SwapError> {
        let active = Arc::clone(next.active());
        let change = Change::of(what, &active).before(lineup.active());
        self.note(caller, change).await?;
        self.models.set(next);
        Ok(active)
    }

    /// Unloads a model, and with it the way to compare the templates of its contract. The one that
    /// served before goes only when `with_previous`: there is no way back then.
    ///
    /// # Errors
    /// When it is not loaded, or needed.
    pub async fn unload(
        &self,
        caller: &Caller,
        id: &str,
        with_previous: bool,
    ) -> Result<(), SwapError> {
        let _changing = self.changing.lock().await;
        let lineup = self.lineup();
        let next = lineup.without(id, with_previous)?;
        let change = Change::of("model_unloaded", lineup.find(id)?);
        self.note(caller, change).await?;
        self.models.set(next);
        Ok(())
    }

    /// Begins to score a share of the live comparisons by a loaded model, too.
    ///
    /// # Errors
    /// When it is not loaded, serves already, or another one is being tried.
    pub async fn start_shadow(
        &self,
        caller: &Caller,
        id: &str,
        pace: Pace,
    ) -> Result<ShadowReport, SwapError> {
        let _changing = self.changing.lock().await;
        let lineup = self.lineup();
        let candidate = lineup.candidate(id)?;
        let mut change = Change::of("shadow_started", candidate).before(lineup.active());
        change.details.push(("share", pace.share().to_string()));
        change.details.push(("seed", pace.seed().to_string()));
        self.note(caller, change).await?;
        let shadow = Shadow::start(lineup.active(), Arc::clone(candidate), pace);
        self.models.set(lineup.shadowed(Arc::new(shadow)));
        self.shadow_report()
    }

    /// Ends the shadow. What it counted can be read until the next one begins.
    ///
    /// # Errors
    /// When there is none.
    pub async fn stop_shadow(&self, caller: &Caller) -> Result<ShadowReport, SwapError> {
        let _changing = self.changing.lock().await;
        let lineup = self.lineup();
        let next = lineup.unshadowed()?;
        let shadow = lineup.shadow().ok_or(SwapError::NoShadow)?;
        let id = &shadow.tally().candidate_id;
        self.note(caller, Change::of("shadow_stopped", lineup.find(id)?))
            .await?;
        self.models.set(next);
        self.shadow_report()
    }

    /// What the latest shadow counted.
    ///
    /// # Errors
    /// When there was none since the start.
    pub fn shadow_report(&self) -> Result<ShadowReport, SwapError> {
        let lineup = self.lineup();
        let tally = lineup.tally().ok_or(SwapError::NoShadow)?;
        Ok(ShadowReport {
            tally: Arc::clone(tally),
            counts: tally.counts(),
            is_running: lineup.shadow().is_some(),
        })
    }

    /// Writes the entry of a change, and says it in the log.
    async fn note(&self, caller: &Caller, change: Change<'_>) -> Result<(), SwapError> {
        let Change {
            what,
            model,
            details,
        } = change;
        if let Some(records) = &self.records {
            let policies = model.policies().iter();
            trail::note_model(records, Some(caller), (what, &details), policies).await?;
        }
        let contract_id = model.contract_id();
        tracing::info!(what, model = model.id(), %contract_id, by = %caller.name, "models changed");
        Ok(())
    }
}
