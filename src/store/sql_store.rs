//! [`Store`] in SQLite or PostgreSQL.

use async_trait::async_trait;

use super::consents::{self, Consent, GrantConsent, Granted, WithdrawConsent};
use super::decisions::{CommitOutcome, DecisionRecord, RedeemOutcome, Redemption};
use super::enrolment::{
    Announce, Changed, DeleteReferences, Deleted, Note, PutReference, SetBlocked,
};
use super::erasure::{self, Erase, Erased, Erasure};
use super::group::{Change, Group};
use super::kept::{self, Kept};
use super::known::{self, Known, Question};
use super::once::{Once, OnceOutcome};
use super::partitions::Months;
use super::rekey::ReplaceKey;
use super::requests::{self, RequestKey, Stored};
use super::retention::{self, Expired, Retention};
use super::reviews::{
    self, DecideReview, EnqueueReview, Enqueued, NextReview, Review, ReviewOutcome,
};
use super::spans::{self, Window};
use super::sql::{Pool, values};
use super::subjects::{self, Reference, Rewrap, RewrapStep, Subject, WrappedKey};
use super::trail::{self, Append, EntryQuery, StoredCheckpoint, StoredEntry};
use super::{Position, Settings, Store, StoreError, open};
use crate::audit::{ChainHead, Entry, Timestamp, WriterId};
use crate::subject::SubjectHash;

/// A store in SQLite or PostgreSQL.
#[derive(Debug)]
pub struct SqlStore {
    pool: Pool,
    group: Group,
}

impl SqlStore {
    /// Connects, brings the schema up to date, and starts the writing task on this runtime.
    ///
    /// # Errors
    ///
    /// [`StoreError`] says what to do: a wrong setting, a database that does not answer, that is
    /// damaged, or that a newer padan has changed.
    pub async fn open(settings: &Settings) -> Result<Self, StoreError> {
        let pool = open::open(settings).await?;
        let months = Months::prepare(&pool, Timestamp::now().microseconds()).await?;
        let writer = settings.writer.clone();
        let group = Group::start(pool.clone(), writer, months, settings.waiting_max)?;
        Ok(Self { pool, group })
    }

    /// The erasure is durable by now: a failure here does not take it back, and is for the log.
    async fn forget_after_erasure(&self) {
        if let Err(error) = self.pool.forget_overwritten().await {
            tracing::warn!(
                %error,
                "what an erasure overwrote is still in SQLite's log: the next checkpoint will \
                 remove it"
            );
        }
    }
}

/// A value kept under a name if there is none yet.
struct Remember {
    name: String,
    value: String,
}

#[async_trait]
impl Change for Remember {
    type Outcome = String;

    fn subject(&self) -> Option<SubjectHash> {
        None
    }

    async fn apply(&self, write: &mut super::chain::Write) -> Result<String, StoreError> {
        // An update that changes nothing, so that the row is returned.
        const REMEMBER: &str = "INSERT INTO meta (name, value) VALUES ($1, $2)
            ON CONFLICT (name) DO UPDATE SET value = meta.value RETURNING value";
        let values = values![&self.name, &self.value];
        let row = write.row(REMEMBER, values).await?;
        row.ok_or(StoreError::Conflict)?.text(0)
    }
}

/// A number kept under a name, to be raised.
struct Advance {
    name: String,
    to: u64,
}

#[async_trait]
impl Change for Advance {
    type Outcome = ();

    fn subject(&self) -> Option<SubjectHash> {
        None
    }

    async fn apply(&self, write: &mut super::chain::Write) -> Result<(), StoreError> {
        const ADVANCE: &str = "UPDATE meta SET value = $2
            WHERE name = $1 AND CAST(value AS BIGINT) < $3";
        let values = values![&self.name, &self.to.to_string(), self.to];
        write.execute(ADVANCE, values).await.map(drop)
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn commit(&self, decision: DecisionRecord) -> Result<CommitOutcome, StoreError> {
        self.group.submit(decision).await
    }

    async fn known(&self, question: &Question) -> Result<Known, StoreError> {
        known::known(&self.pool, question).await
    }

    async fn stored(
        &self,
        request: &RequestKey,
        body_digest: &[u8; 32],
    ) -> Result<Option<Stored>, StoreError> {
        requests::stored(&self.pool, request, body_digest).await
    }

    async fn redeem(&self, redemption: Redemption) -> Result<RedeemOutcome, StoreError> {
        self.group.submit(redemption).await
    }

    async fn subject(
        &self,
        subject: SubjectHash,
        contract_id: &str,
    ) -> Result<Option<(Subject, Option<Reference>)>, StoreError> {
        subjects::read(&self.pool, subject, contract_id).await
    }

    async fn contracts(&self, subject: SubjectHash) -> Result<Vec<String>, StoreError> {
        subjects::contracts(&self.pool, subject).await
    }

    async fn put_reference(&self, put: PutReference) -> Result<Changed, StoreError> {
        self.group.submit(put).await
    }

    async fn references(&self, subject: SubjectHash) -> Result<Vec<Reference>, StoreError> {
        subjects::references(&self.pool, subject).await
    }

    async fn announce(&self, announce: Announce) -> Result<Changed, StoreError> {
        self.group.submit(announce).await
    }

    async fn delete_references(&self, delete: DeleteReferences) -> Result<Deleted, StoreError> {
        self.group.submit(delete).await
    }

    async fn note(&self, note: Note) -> Result<Changed, StoreError> {
        self.group.submit(note).await
    }

    async fn set_blocked(&self, set: SetBlocked) -> Result<Changed, StoreError> {
        self.group.submit(set).await
    }

    async fn wrapped_by(
        &self,
        master_key: &str,
        after: Option<SubjectHash>,
        limit: u32,
    ) -> Result<Vec<(SubjectHash, WrappedKey)>, StoreError> {
        subjects::wrapped_by(&self.pool, master_key, after, limit).await
    }

    async fn master_keys(&self) -> Result<Vec<String>, StoreError> {
        subjects::master_keys(&self.pool).await
    }

    async fn rewrap(&self, rewraps: Vec<Rewrap>, entry: Entry) -> Result<u64, StoreError> {
        self.group.submit(RewrapStep { rewraps, entry }).await
    }

    async fn replace_key(&self, replace: ReplaceKey) -> Result<Changed, StoreError> {
        self.group.submit(replace).await
    }

    async fn forget_overwritten(&self) -> Result<(), StoreError> {
        self.pool.forget_overwritten().await
    }

    async fn erase(&self, erase: Erase) -> Result<Erased, StoreError> {
        let erased = self.group.submit(erase).await?;
        self.forget_after_erasure().await;
        Ok(erased)
    }

    async fn erase_once(&self, once: Once<Erase>) -> Result<OnceOutcome<Erased>, StoreError> {
        let erased = self.group.submit(once).await?;
        self.forget_after_erasure().await;
        Ok(erased)
    }

    async fn kept(&self, subject: SubjectHash) -> Result<Kept, StoreError> {
        kept::of_subject(&self.pool, subject).await
    }

    async fn erasures(
        &self,
        after: Option<Erasure>,
        limit: u32,
    ) -> Result<Vec<Erasure>, StoreError> {
        erasure::list(&self.pool, after, limit).await
    }

    async fn replay_erasures(
        &self,
        erasures: Vec<Erasure>,
        entry: Entry,
    ) -> Result<u64, StoreError> {
        let replay = erasure::Replay { erasures, entry };
        let erased = self.group.submit(replay).await?;
        self.forget_after_erasure().await;
        Ok(erased)
    }

    async fn grant_consent(&self, grant: GrantConsent) -> Result<Granted, StoreError> {
        self.group.submit(grant).await
    }

    async fn withdraw_consent(&self, withdraw: WithdrawConsent) -> Result<u64, StoreError> {
        self.group.submit(withdraw).await
    }

    async fn withdraw_consent_once(
        &self,
        once: Once<WithdrawConsent>,
    ) -> Result<OnceOutcome<u64>, StoreError> {
        self.group.submit(once).await
    }

    async fn consents(&self, subject: SubjectHash) -> Result<Vec<Consent>, StoreError> {
        consents::of_subject(&self.pool, subject).await
    }

    async fn enqueue_review(&self, enqueue: EnqueueReview) -> Result<Enqueued, StoreError> {
        self.group.submit(enqueue).await
    }

    async fn review(&self, id: &str, office: &str) -> Result<Option<Review>, StoreError> {
        reviews::of_office(&self.pool, id, office).await
    }

    async fn next_review(&self, next: NextReview) -> Result<Option<Review>, StoreError> {
        self.group.submit(next).await
    }

    async fn decide_review(&self, decide: DecideReview) -> Result<ReviewOutcome, StoreError> {
        self.group.submit(decide).await
    }

    async fn decide_review_once(
        &self,
        once: Once<DecideReview>,
    ) -> Result<OnceOutcome<ReviewOutcome>, StoreError> {
        self.group.submit(once).await
    }

    async fn append(&self, entry: Entry) -> Result<Position, StoreError> {
        self.group.submit(Append(entry)).await
    }

    async fn entries(&self, query: &EntryQuery) -> Result<Vec<StoredEntry>, StoreError> {
        trail::entries(&self.pool, query).await
    }

    async fn chain(
        &self,
        writer: &WriterId,
        from: u64,
        limit: u32,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        trail::chain(&self.pool, writer, from, limit).await
    }

    async fn heads(&self) -> Result<Vec<ChainHead>, StoreError> {
        trail::heads(&self.pool).await
    }

    async fn put_checkpoint(&self, checkpoint: StoredCheckpoint) -> Result<(), StoreError> {
        self.group.submit(checkpoint).await
    }

    async fn checkpoints(
        &self,
        writer: &WriterId,
        from: u64,
        limit: u32,
    ) -> Result<Vec<StoredCheckpoint>, StoreError> {
        trail::checkpoints(&self.pool, writer, from, limit).await
    }

    async fn span(
        &self,
        writer: &WriterId,
        times: Option<(i64, i64)>,
    ) -> Result<Option<(u64, u64)>, StoreError> {
        spans::span(&self.pool, writer, times).await
    }

    async fn subjects_touched(
        &self,
        window: &Window,
        after: Option<SubjectHash>,
        limit: u32,
    ) -> Result<Vec<SubjectHash>, StoreError> {
        spans::subjects_touched(&self.pool, window, after, limit).await
    }

    async fn expire(&self, retention: Retention) -> Result<Expired, StoreError> {
        retention::expire(&self.group, retention).await
    }

    async fn remember(&self, name: &str, value: &str) -> Result<String, StoreError> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.group.submit(Remember { name, value }).await
    }

    async fn advance(&self, name: &str, to: u64) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.group.submit(Advance { name, to }).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.pool.row("SELECT 1", Vec::new()).await.map(drop)
    }

    async fn close(&self) {
        self.group.close().await;
        self.pool.close().await;
    }
}
