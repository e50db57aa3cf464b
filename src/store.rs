//! The store: subjects with their sealed references, decisions, and the evidence for them.
//!
//! [`Store`] is what the rest of padan sees. [`SqlStore`] keeps it in SQLite (one file, for one
//! machine) or in PostgreSQL (for several replicas); every statement stands once, for both.
//!
//! - An answer means durable: a change is answered after its transaction's commit, which carries
//!   its entry in the audit trail (`tests/integration/store`).
//! - One task writes, and each of its transactions takes all changes that wait (`group`).
//! - What must be unique (a request id, a token's nonce, the number of an entry in its chain) is a
//!   primary key or a locked row, so it also holds between replicas.
//! - Nothing here can be asked for a face: rows are found by the subject's hash.

mod chain;
mod consents;
mod decisions;
mod enrolment;
mod erasure;
mod error;
mod group;
mod kept;
mod known;
mod once;
mod open;
mod partitions;
mod rekey;
mod requests;
mod retention;
mod reviews;
mod spans;
mod sql;
mod sql_store;
mod sqlite;
mod subjects;
mod trail;

use async_trait::async_trait;

pub use chain::Position;
pub use consents::{Consent, GrantConsent, Granted, Standing, WithdrawConsent};
pub use decisions::{
    Attempt, Attempts, CommitOutcome, DecisionRecord, Effects, Opened, RedeemOutcome, Redemption,
};
pub use enrolment::{Announce, Changed, DeleteReferences, Deleted, Note, PutReference, SetBlocked};
pub use erasure::{Erase, Erased, Erasure};
pub use error::StoreError;
pub use kept::{Kept, KeptAttempts, KeptReview};
pub use known::{CONTRACTS_MAX, Known, Question};
pub use once::{Once, OnceOutcome};
pub use open::{Location, Settings};
pub use rekey::ReplaceKey;
pub use requests::{Claim, RequestKey, Stored};
pub use retention::{Expired, Retention};
pub use reviews::{
    DecideReview, EnqueueReview, Enqueued, NewReview, NextReview, Review, ReviewOutcome,
};
pub use spans::Window;
pub use sql_store::SqlStore;
pub use subjects::{Reference, Rewrap, Subject, SubjectStatus, WrappedKey};
pub use trail::{EntryColumns, EntryQuery, Selection, StoredCheckpoint, StoredEntry};

use crate::audit::{ChainHead, Entry, WriterId};
use crate::subject::SubjectHash;

/// What padan keeps.
///
/// Every method that writes answers once all of it is durable, entry in the audit trail included,
/// or with an error that says that nothing was written. The exception is [`StoreError::Unknown`].
/// All methods fail with the errors of [`StoreError`].
#[async_trait]
pub trait Store: Send + Sync {
    /// Commits a decision: claims its request id, counts its attempt, and writes its entry, its
    /// case for review and its reply.
    async fn commit(&self, decision: DecisionRecord) -> Result<CommitOutcome, StoreError>;

    /// What a verification asks before it compares.
    async fn known(&self, question: &Question) -> Result<Known, StoreError>;

    /// What was answered to a request before; none when it is new.
    async fn stored(
        &self,
        request: &RequestKey,
        body_digest: &[u8; 32],
    ) -> Result<Option<Stored>, StoreError>;

    /// Uses a result token up, once.
    async fn redeem(&self, redemption: Redemption) -> Result<RedeemOutcome, StoreError>;

    /// A subject, and its reference of one contract when there is one.
    async fn subject(
        &self,
        subject: SubjectHash,
        contract_id: &str,
    ) -> Result<Option<(Subject, Option<Reference>)>, StoreError>;

    /// The contracts that a subject has references of.
    async fn contracts(&self, subject: SubjectHash) -> Result<Vec<String>, StoreError>;

    /// Stores a reference, and its subject when that is new.
    async fn put_reference(&self, put: PutReference) -> Result<Changed, StoreError>;

    /// All references of a subject, in the order of their contracts.
    async fn references(&self, subject: SubjectHash) -> Result<Vec<Reference>, StoreError>;

    /// Makes a subject known that has no reference yet.
    async fn announce(&self, announce: Announce) -> Result<Changed, StoreError>;

    /// Deletes references.
    async fn delete_references(&self, delete: DeleteReferences) -> Result<Deleted, StoreError>;

    /// Leaves the entry of a request that changes nothing.
    async fn note(&self, note: Note) -> Result<Changed, StoreError>;

    /// Blocks a subject or ends that; [`Changed::Stale`] when there is none with a key.
    async fn set_blocked(&self, set: SetBlocked) -> Result<Changed, StoreError>;

    /// Subjects whose key is wrapped by a master key, in order, after one.
    async fn wrapped_by(
        &self,
        master_key: &str,
        after: Option<SubjectHash>,
        limit: u32,
    ) -> Result<Vec<(SubjectHash, WrappedKey)>, StoreError>;

    /// The master keys that wrap a key of any subject.
    async fn master_keys(&self) -> Result<Vec<String>, StoreError>;

    /// Replaces wrapped keys, with one entry for all. Returns how many were still as read.
    async fn rewrap(&self, rewraps: Vec<Rewrap>, entry: Entry) -> Result<u64, StoreError>;

    /// Gives a subject another key.
    async fn replace_key(&self, replace: ReplaceKey) -> Result<Changed, StoreError>;

    /// Removes from SQLite's log what was overwritten, such as wrapped keys that were replaced.
    async fn forget_overwritten(&self) -> Result<(), StoreError>;

    /// Destroys a subject's key and what only it opens.
    async fn erase(&self, erase: Erase) -> Result<Erased, StoreError>;

    /// Erases once for a request.
    async fn erase_once(&self, once: Once<Erase>) -> Result<OnceOutcome<Erased>, StoreError>;

    /// What is kept of a subject beside its references, consents and entries.
    async fn kept(&self, subject: SubjectHash) -> Result<Kept, StoreError>;

    /// The erasures after one, in the order of their times.
    async fn erasures(
        &self,
        after: Option<Erasure>,
        limit: u32,
    ) -> Result<Vec<Erasure>, StoreError>;

    /// Repeats erasures on a restored backup, with one entry for all. A key made after an erasure
    /// stays. Returns the number of keys destroyed.
    async fn replay_erasures(
        &self,
        erasures: Vec<Erasure>,
        entry: Entry,
    ) -> Result<u64, StoreError>;

    /// Records a consent.
    async fn grant_consent(&self, grant: GrantConsent) -> Result<Granted, StoreError>;

    /// Withdraws consents. Returns the number of those that held until now.
    async fn withdraw_consent(&self, withdraw: WithdrawConsent) -> Result<u64, StoreError>;

    /// Withdraws consents once for a request.
    async fn withdraw_consent_once(
        &self,
        once: Once<WithdrawConsent>,
    ) -> Result<OnceOutcome<u64>, StoreError>;

    /// All consents of a subject, oldest first.
    async fn consents(&self, subject: SubjectHash) -> Result<Vec<Consent>, StoreError>;

    /// Puts a case that somebody asks for into the queue.
    async fn enqueue_review(&self, enqueue: EnqueueReview) -> Result<Enqueued, StoreError>;

    /// A case, if it is one of this office.
    async fn review(&self, id: &str, office: &str) -> Result<Option<Review>, StoreError>;

    /// Takes the oldest case of an office for a reviewer.
    async fn next_review(&self, next: NextReview) -> Result<Option<Review>, StoreError>;

    /// Decides a case.
    async fn decide_review(&self, decide: DecideReview) -> Result<ReviewOutcome, StoreError>;

    /// Decides a case once for a request.
    async fn decide_review_once(
        &self,
        once: Once<DecideReview>,
    ) -> Result<OnceOutcome<ReviewOutcome>, StoreError>;

    /// Writes an entry for what changes nothing else in the store, such as a refused call.
    async fn append(&self, entry: Entry) -> Result<Position, StoreError>;

    /// A page of entries.
    async fn entries(&self, query: &EntryQuery) -> Result<Vec<StoredEntry>, StoreError>;

    /// A page of a writer's chain, from a sequence on.
    async fn chain(
        &self,
        writer: &WriterId,
        from: u64,
        limit: u32,
    ) -> Result<Vec<StoredEntry>, StoreError>;

    /// The last entries of all chains, by writer.
    async fn heads(&self) -> Result<Vec<ChainHead>, StoreError>;

    /// Stores a signed checkpoint.
    async fn put_checkpoint(&self, checkpoint: StoredCheckpoint) -> Result<(), StoreError>;

    /// The checkpoints of a writer, from a sequence on.
    async fn checkpoints(
        &self,
        writer: &WriterId,
        from: u64,
        limit: u32,
    ) -> Result<Vec<StoredCheckpoint>, StoreError>;

    /// The first and the last sequence of a writer's entries, of all or of those from one time on
    /// and before another (microseconds since 1970, UTC). None: it has no entry there.
    async fn span(
        &self,
        writer: &WriterId,
        times: Option<(i64, i64)>,
    ) -> Result<Option<(u64, u64)>, StoreError>;

    /// The subjects with an entry in a window, each once, in order, after one.
    async fn subjects_touched(
        &self,
        window: &Window,
        after: Option<SubjectHash>,
        limit: u32,
    ) -> Result<Vec<SubjectHash>, StoreError>;

    /// Deletes what is kept only for a time.
    async fn expire(&self, retention: Retention) -> Result<Expired, StoreError>;

    /// Keeps a value under a name if there is none yet. Returns the one that is kept: a start with
    /// other keys than the database was made with is found by it.
    async fn remember(&self, name: &str, value: &str) -> Result<String, StoreError>;

    /// Raises a number that is kept under a name by [`Self::remember`]; never lowers it.
    async fn advance(&self, name: &str, to: u64) -> Result<(), StoreError>;

    /// Whether the database answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Writes what waits, then ends the connections.
    async fn close(&self);
}
