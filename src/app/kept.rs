//! What a server that keeps references has besides the verifier: the records, what is done with
//! them, and the tasks that look after them.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::AppError;
use crate::access::Limiter;
use crate::activation::Activation;
use crate::config::{Config, StoreConfig, secret_variable};
use crate::enrolment::{self, Enrolment};
use crate::grpc::Kept;
use crate::keys::KeyRing;
use crate::privacy::{self, Privacy};
use crate::records::{Records, RecordsError};
use crate::retention;
use crate::review::Reviews;
use crate::store::SqlStore;
use crate::trail::{self, Checkpointer, Journal, Trail};
use crate::verify::Verifier;

/// How often what is kept only for a time is looked through.
const SWEEP_PERIOD: Duration = Duration::from_hours(1);

/// The open records of a running service.
pub(super) struct OpenRecords {
    pub activation: Arc<Activation>,
    enrolment: Arc<Enrolment>,
    journal: Arc<Journal>,
    trail: Arc<Trail>,
    reviews: Reviews,
    checkpointer: Checkpointer,
    stop: watch::Sender<bool>,
    sweeper: JoinHandle<()>,
}

impl OpenRecords {
    /// Opens the database, the keys and the journal, and looks whether they belong together.
    pub async fn open(
        config: &Config,
        store: &StoreConfig,
        verifier: &Arc<Verifier>,
    ) -> Result<Self, AppError> {
        let keys = KeyRing::read(&store.keys, &secret_variable, OffsetDateTime::now_utc())?;
        let database = SqlStore::open(&store.database).await;
        let database = Arc::new(database.map_err(RecordsError::from)?);
        let writer = store.database.writer.clone();
        let records = Arc::new(Records::open(database, Arc::new(keys), writer).await?);
        let journal = Arc::new(Journal::open(&store.trail.journal)?);
        look_back(&records, &journal, store).await?;
        note_models(&records, verifier).await?;
        let limiter = Arc::new(Limiter::new(config.server.access.limits));
        let shared = || (Arc::clone(verifier), Arc::clone(&records));
        let ((for_activation, kept), (for_enrolment, enrolled)) = (shared(), shared());
        let settings = enrolment::Settings {
            keep_portraits: config.keep_portraits,
        };
        let older_keys = &store.trail.older_keys;
        let trail = Trail::new(Arc::clone(&records), (*journal).clone(), older_keys);
        let (stop, sweeper) = sweep(&records, config);
        Ok(Self {
            activation: Arc::new(Activation::new(
                for_activation,
                kept,
                config.limits,
                limiter,
            )),
            enrolment: Arc::new(Enrolment::new(for_enrolment, enrolled, settings)),
            trail: Arc::new(trail),
            reviews: Reviews::new(Arc::clone(&records), config.review),
            checkpointer: Checkpointer::start(
                Arc::clone(&records),
                (*journal).clone(),
                store.trail.checkpoint_period,
            ),
            journal,
            stop,
            sweeper,
        })
    }

    /// The store with its keys.
    pub fn records(&self) -> &Arc<Records> {
        self.activation.records()
    }

    /// What is served of them.
    pub fn kept(&self) -> Kept {
        let records = self.activation.records();
        Kept {
            activation: Arc::clone(&self.activation),
            enrolment: Arc::clone(&self.enrolment),
            privacy: Privacy::new(Arc::clone(records), Arc::clone(&self.journal)),
            reviews: self.reviews.clone(),
            trail: Arc::clone(&self.trail),
        }
    }

    /// Writes and signs what there is to be written, and leaves the database.
    pub async fn close(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.sweeper.await {
            tracing::error!(%error, "the task that deletes what is over failed");
        }
        let records = self.activation.records();
        if let Err(error) = trail::note_stop(records).await {
            tracing::error!(%error, "the end of this process is not in the trail");
        }
        if let Err(error) = self.checkpointer.stop().await {
            tracing::error!(%error, "the end of the trail is not signed");
        }
        records.store().close().await;
    }
}

/// The policies of the model that serves, and of those that are loaded beside it.
async fn note_models(records: &Records, verifier: &Verifier) -> Result<(), RecordsError> {
    let lineup = verifier.lineup();
    let active = lineup.active();
    trail::note_start(records, active.policies().iter()).await?;
    for model in lineup.loaded().iter().filter(|it| !lineup.is_active(it)) {
        let policies = model.policies().iter();
        trail::note_model(records, None, ("model_loaded", &[]), policies).await?;
    }
    Ok(())
}

/// Whether this is the database that the journal speaks of, with all of its erasures.
async fn look_back(
    records: &Arc<Records>,
    journal: &Arc<Journal>,
    store: &StoreConfig,
) -> Result<(), AppError> {
    let started = trail::check_start(records, journal, &store.trail.older_keys).await?;
    if started.is_torn {
        tracing::warn!("the journal ended within a line: padan was cut off while it wrote");
    }
    let replayed = privacy::replay(records, journal).await?;
    if replayed.missing > 0 {
        tracing::warn!(
            erasures = replayed.missing,
            keys = replayed.keys,
            "the database did not know of erasures in the journal; they were repeated"
        );
    }
    Ok(())
}

fn sweep(records: &Arc<Records>, config: &Config) -> (watch::Sender<bool>, JoinHandle<()>) {
    let (stop, mut stopped) = watch::channel(false);
    let until = async move {
        // An error means that the sender is gone: stop as well.
        drop(stopped.wait_for(|is_stopped| *is_stopped).await);
    };
    let (records, periods) = (Arc::clone(records), config.retention);
    let task = tokio::spawn(retention::run(records, periods, SWEEP_PERIOD, until));
    (stop, task)
}
