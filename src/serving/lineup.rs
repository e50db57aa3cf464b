//! The loaded models of one moment: a value, which every change makes anew.

use std::sync::Arc;

use super::{Serving, Shadow, SwapError, Tally};
use crate::decision::Policy;
use crate::embed::ContractId;

/// Models that are loaded at a time: the one that serves, the one before it, and a candidate. Each
/// has its own sessions on its own lanes, and so its own memory.
pub const LOADED_MAX: usize = 3;

/// Which models are loaded, and what each is there for.
#[derive(Clone)]
pub struct Lineup {
    /// In the order they were loaded in.
    loaded: Vec<Arc<Serving>>,
    active: Arc<Serving>,
    /// The one that served before.
    previous: Option<Arc<Serving>>,
    shadow: Option<Arc<Shadow>>,
    /// What the latest shadow counted, also when it has ended.
    tally: Option<Arc<Tally>>,
}

impl Lineup {
    pub(super) fn of(first: Arc<Serving>) -> Self {
        Self {
            loaded: vec![Arc::clone(&first)],
            active: first,
            previous: None,
            shadow: None,
            tally: None,
        }
    }

    /// All models, in the order they were loaded in.
    #[must_use]
    pub fn loaded(&self) -> &[Arc<Serving>] {
        &self.loaded
    }

    /// The one that serves.
    #[must_use]
    pub const fn active(&self) -> &Arc<Serving> {
        &self.active
    }

    /// The one that served before, and would again after a rollback.
    #[must_use]
    pub const fn previous(&self) -> Option<&Arc<Serving>> {
        self.previous.as_ref()
    }

    /// The candidate that is being tried.
    #[must_use]
    pub const fn shadow(&self) -> Option<&Arc<Shadow>> {
        self.shadow.as_ref()
    }

    /// What the latest shadow counted.
    #[must_use]
    pub const fn tally(&self) -> Option<&Arc<Tally>> {
        self.tally.as_ref()
    }

    /// Whether this is the candidate that is being tried.
    #[must_use]
    pub fn is_shadow(&self, model: &Serving) -> bool {
        let shadow = self.shadow.as_ref();
        shadow.is_some_and(|shadow| shadow.tally().candidate == *model.contract_id())
    }

    /// Whether a live sample waits for a lane of any model. What waits for those of the candidate
    /// may be its own.
    pub(super) fn is_busy(&self) -> bool {
        let live = self.loaded.iter().filter(|it| !self.is_shadow(it));
        live.map(|it| it.engine().queue_length())
            .any(|length| length > 0)
    }

    /// The contracts whose templates can be compared here, that of the active model first.
    pub fn contracts(&self) -> impl Iterator<Item = &ContractId> {
        let others = self.loaded.iter().filter(|it| !self.is_active(it));
        std::iter::once(&self.active)
            .chain(others)
            .map(|model| model.contract_id())
    }

    /// The model of a contract, if it is loaded.
    #[must_use]
    pub fn of_contract(&self, contract_id: &ContractId) -> Option<&Arc<Serving>> {
        let mut models = std::iter::once(&self.active).chain(&self.loaded);
        models.find(|model| model.contract_id() == contract_id)
    }

    /// The active model's policy of this name; an empty name means the default one.
    #[must_use]
    pub fn policy(&self, id: &str) -> Option<&Policy> {
        self.active.policies().find(id)
    }

    /// The model with this id.
    pub(super) fn find(&self, id: &str) -> Result<&Arc<Serving>, SwapError> {
        let found = self.loaded.iter().find(|model| model.id() == id);
        found.ok_or_else(|| SwapError::NotLoaded { id: id.to_owned() })
    }

    /// Whether one more model of this id may be loaded.
    pub(super) fn check_room(&self, id: &str) -> Result<(), SwapError> {
        if self.find(id).is_ok() {
            return Err(SwapError::AlreadyLoaded { id: id.to_owned() });
        }
        if self.loaded.len() >= LOADED_MAX {
            return Err(SwapError::TooMany);
        }
        Ok(())
    }

    /// With one more model, which serves nobody yet but those who have a template of its contract.
    pub(super) fn with(&self, model: Arc<Serving>) -> Result<Self, SwapError> {
        self.check_room(model.id())?;
        if self.of_contract(model.contract_id()).is_some() {
            let id = model.id().to_owned();
            return Err(SwapError::AlreadyLoaded { id });
        }
        let mut next = self.clone();
        next.loaded.push(model);
        Ok(next)
    }

    /// Whether the active model is the one that the caller means.
    pub(super) fn check_active(&self, expected: &str) -> Result<(), SwapError> {
        check_contract(self.active(), expected)
    }

    /// With another active model. A shadow ends: it compared with the one before.
    pub(super) fn activated(&self, id: &str, expected: &str) -> Result<Self, SwapError> {
        let model = self.find(id)?;
        check_contract(model, expected)?;
        if self.is_active(model) {
            return Err(SwapError::AlreadyActive { id: id.to_owned() });
        }
        self.serving(model)
    }

    /// With the active model of before.
    pub(super) fn rolled_back(&self) -> Result<Self, SwapError> {
        let previous = self.previous.as_ref().ok_or(SwapError::NoPrevious)?;
        self.serving(previous)
    }

    /// Without a model. The one that served before goes only when `with_previous`.
    pub(super) fn without(&self, id: &str, with_previous: bool) -> Result<Self, SwapError> {
        let model = self.find(id)?;
        let is_previous = self
            .previous
            .as_ref()
            .is_some_and(|it| Arc::ptr_eq(it, model));
        let use_of_it = if self.is_active(model) {
            Some("it is active: activate another one before")
        } else if self.is_shadow(model) {
            Some("it is scored in shadow: stop the shadow before")
        } else if is_previous && !with_previous {
            Some("a rollback returns to it: say that it may go all the same")
        } else {
            None
        };
        if let Some(why) = use_of_it {
            let id = id.to_owned();
            return Err(SwapError::InUse { id, why });
        }
        let mut next = self.clone();
        next.loaded.retain(|it| !Arc::ptr_eq(it, model));
        if is_previous {
            next.previous = None;
        }
        Ok(next)
    }

    /// The model that may be tried in shadow.
    pub(super) fn candidate(&self, id: &str) -> Result<&Arc<Serving>, SwapError> {
        let model = self.find(id)?;
        if self.shadow.is_some() {
            return Err(SwapError::ShadowRuns);
        }
        if self.is_active(model) {
            return Err(SwapError::AlreadyActive { id: id.to_owned() });
        }
        check_lanes(model)?;
        Ok(model)
    }

    /// With a candidate that is being tried.
    pub(super) fn shadowed(&self, shadow: Arc<Shadow>) -> Self {
        Self {
            tally: Some(Arc::clone(shadow.tally())),
            shadow: Some(shadow),
            ..self.clone()
        }
    }

    /// With none.
    pub(super) fn unshadowed(&self) -> Result<Self, SwapError> {
        if self.shadow.is_none() {
            return Err(SwapError::NoShadow);
        }
        Ok(Self {
            shadow: None,
            ..self.clone()
        })
    }

    fn serving(&self, model: &Arc<Serving>) -> Result<Self, SwapError> {
        check_lanes(model)?;
        Ok(Self {
            active: Arc::clone(model),
            previous: Some(Arc::clone(&self.active)),
            shadow: None,
            ..self.clone()
        })
    }

    /// Whether this is the one that serves.
    #[must_use]
    pub fn is_active(&self, model: &Arc<Serving>) -> bool {
        Arc::ptr_eq(&self.active, model)
    }
}

fn check_lanes(model: &Serving) -> Result<(), SwapError> {
    if model.engine().lanes_alive() > 0 {
        return Ok(());
    }
    let id = model.id().to_owned();
    Err(SwapError::LanesDead { id })
}

fn check_contract(model: &Serving, expected: &str) -> Result<(), SwapError> {
    if model.contract_id().as_str() == expected {
        return Ok(());
    }
    Err(SwapError::OtherContract {
        id: model.id().to_owned(),
        loaded: model.contract_id().to_string(),
        expected: expected.to_owned(),
    })
}
