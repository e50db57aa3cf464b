//! An old backup is brought back to service: what it lost is written into the trail, and the
//! journal begins anew where the backup ends.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::checkpoints::{blocking, stored_checkpoint};
use super::journal::{CHECKPOINTS_FILE, Journal, JournalError, JournalLines};
use super::start::StartError;
use super::{Trail, TrailError};
use crate::audit::{ChainHead, Checkpoint, Event, Text, Timestamp, WriterId};
use crate::keys::PublicKey;
use crate::records::Records;
use crate::store::{Position, Store, StoreError};

/// Chains that the entry names at most; how many more there are is said.
const NAMED_MAX: usize = 20;

/// Lines of the journal in memory at a time.
const LINES_AT_ONCE: usize = 1000;

/// Why a backup is not accepted. Nothing was written, unless the disk failed.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The database or the journal cannot be read, or the database is not only old.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The database is not behind the journal.
    #[error(
        "there is nothing to restore: the database has all entries that the journal {journal} \
         knows of. Start padan as it is"
    )]
    NothingLost {
        /// The journal's folder.
        journal: String,
    },
    /// This process would number entries again that were signed before.
    #[error(
        "the chain of {writer} ends at entry {found} in the database, and entry {signed} was \
         signed: what this process writes under that name would be a second entry {}. Give this \
         process a new name: store.writer; no process may have the old name again",
        .found.saturating_add(1)
    )]
    OwnChain {
        /// The name of this process.
        writer: WriterId,
        /// Its last sequence in the database; 0 when it has none.
        found: u64,
        /// What the journal knows.
        signed: u64,
    },
}

/// A chain that lost its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostChain {
    /// Whose chain.
    pub writer: WriterId,
    /// Its last sequence in the database; 0 when it has none.
    pub found: u64,
    /// The furthest sequence that the journal knows.
    pub signed: u64,
}

/// A backup that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The chains that lost their ends, by name.
    pub lost: Vec<LostChain>,
    /// Where the entry about it stands.
    pub entry: Position,
    /// Where the checkpoints of before are kept: the proof of what was lost.
    pub old_checkpoints: PathBuf,
}

/// Looks whether [`accept_backup`] would accept the database, and writes nothing. To be called
/// before erasures are repeated: they leave entries under the name of this process.
/// `older_keys`: as for [`Trail::new`]. Returns the chains that lost their ends.
///
/// # Errors
/// [`RestoreError`] says why not, and what to do.
pub async fn check_backup(
    records: &Arc<Records>,
    journal: &Journal,
    older_keys: &[PublicKey],
) -> Result<Vec<LostChain>, RestoreError> {
    let trail = Trail::new(Arc::clone(records), journal.clone(), older_keys);
    Ok(acceptable(&trail).await?.lost.into_values().collect())
}

/// Accepts a database that is older than the journal, and only older: each signed checkpoint that
/// its chains reach must fit. One entry says what was lost; then the journal's checkpoints are set
/// aside, and the file begins anew with the last checkpoint that each chain still reaches and a new
/// one of this process's chain.
///
/// Nothing else may write to the database or the journal meanwhile. The erasures of the journal are
/// not repeated here: `privacy::replay` does that, between [`check_backup`] and this.
///
/// After a crash it can be called again: until the journal has begun anew, it still knows all that
/// was lost, and at worst a second entry says the same.
///
/// # Errors
/// [`RestoreError`] says why not, and what to do.
pub async fn accept_backup(
    records: &Arc<Records>,
    journal: &Journal,
    older_keys: &[PublicKey],
) -> Result<Restored, RestoreError> {
    let trail = Trail::new(Arc::clone(records), journal.clone(), older_keys);
    let survey = acceptable(&trail).await?;
    Ok(accept(&trail, survey).await?)
}

/// What the journal and the database say of each other.
#[derive(Default)]
struct Survey {
    lost: BTreeMap<WriterId, LostChain>,
    /// The furthest checkpoint of each chain that the database reaches.
    reached: BTreeMap<WriterId, Checkpoint>,
}

async fn acceptable(trail: &Trail) -> Result<Survey, RestoreError> {
    let survey = survey(trail).await?;
    if survey.lost.is_empty() {
        let journal = trail.journal.folder().display().to_string();
        return Err(RestoreError::NothingLost { journal });
    }
    match survey.lost.get(trail.records.writer()).cloned() {
        None => Ok(survey),
        Some(LostChain {
            writer,
            found,
            signed,
        }) => Err(RestoreError::OwnChain {
            writer,
            found,
            signed,
        }),
    }
}

async fn survey(trail: &Trail) -> Result<Survey, StartError> {
    let store = trail.records.store();
    let heads = store.heads().await?.into_iter();
    let heads: BTreeMap<_, _> = heads.map(|head| (head.writer, head.sequence)).collect();
    let mut survey = Survey::default();
    let journal = trail.journal.clone();
    let mut lines = blocking(move || journal.lines(CHECKPOINTS_FILE)).await?;
    loop {
        let (rest, batch) = blocking(move || read(lines)).await?;
        lines = rest;
        if batch.is_empty() {
            return Ok(survey);
        }
        for (line, checkpoint) in batch {
            if !checkpoint.is_signed() || !trail.trusted.contains(&checkpoint.key) {
                return Err(StartError::NotSigned { line });
            }
            let found = heads.get(&checkpoint.writer).copied().unwrap_or(0);
            if checkpoint.sequence <= found {
                require_fit(store, &checkpoint).await?;
            }
            survey.add(checkpoint, found);
        }
    }
}

impl Survey {
    fn add(&mut self, checkpoint: Checkpoint, found: u64) {
        let writer = checkpoint.writer.clone();
        if checkpoint.sequence > found {
            let signed = checkpoint.sequence;
            let lost = self.lost.entry(writer.clone()).or_insert(LostChain {
                writer,
                found,
                signed,
            });
            lost.signed = lost.signed.max(signed);
            return;
        }
        let reached = self.reached.get(&writer);
        if reached.is_none_or(|known| known.sequence <= checkpoint.sequence) {
            self.reached.insert(writer, checkpoint);
        }
    }
}

type Batch = Vec<(u64, Checkpoint)>;

/// The next checkpoints with their lines; none at the end. It blocks on the disk.
fn read(mut lines: JournalLines) -> Result<(JournalLines, Batch), JournalError> {
    let mut batch = Batch::new();
    while batch.len() < LINES_AT_ONCE {
        let Some(line) = lines.next().transpose()? else {
            break;
        };
        let Ok(checkpoint) = Checkpoint::parse(&line.text) else {
            return Err(lines.damaged(line.number));
        };
        batch.push((line.number, checkpoint));
    }
    Ok((lines, batch))
}

/// The entry that was signed is the one that is there.
async fn require_fit(store: &Arc<dyn Store>, signed: &Checkpoint) -> Result<(), StartError> {
    let rows = store.chain(&signed.writer, signed.sequence, 1).await?;
    let fits = rows
        .first()
        .is_some_and(|row| row.position.sequence == signed.sequence && row.hash == signed.hash);
    if fits {
        return Ok(());
    }
    Err(StartError::Changed {
        writer: signed.writer.clone(),
        sequence: signed.sequence,
    })
}

async fn accept(trail: &Trail, survey: Survey) -> Result<Restored, StartError> {
    let (records, store) = (&trail.records, trail.records.store());
    let Survey { lost, mut reached } = survey;
    let lost: Vec<_> = lost.into_values().collect();
    let mut entry = records.own_entry(Event::ServiceChanged);
    entry.details = details(&lost);
    let entry = store.append(entry).await?;
    // Durable: from here on the journal may forget what the entry says.
    let own = sign(trail).await?;
    reached.insert(own.writer.clone(), own);
    let first: Vec<_> = reached.values().map(Checkpoint::to_text).collect();
    let journal = trail.journal.clone();
    let set_aside = blocking(move || journal.set_aside(CHECKPOINTS_FILE, &first)).await?;
    Ok(Restored {
        lost,
        entry,
        old_checkpoints: set_aside,
    })
}

fn details(lost: &[LostChain]) -> BTreeMap<Text, Text> {
    let detail = |name: &str, value: &str| (Text::fitted(name), Text::fitted(value));
    let mut details = BTreeMap::from([detail("what", "restored")]);
    for chain in lost.iter().take(NAMED_MAX) {
        let name = format!("lost {}", chain.writer.as_str());
        let value = format!("{} of {}", chain.found, chain.signed);
        details.extend([detail(&name, &value)]);
    }
    let more = lost.len().saturating_sub(NAMED_MAX);
    if more > 0 {
        details.extend([detail("more_lost", &more.to_string())]);
    }
    details
}

/// A checkpoint of this process's chain, in the database already.
async fn sign(trail: &Trail) -> Result<Checkpoint, TrailError> {
    let (records, store) = (&trail.records, trail.records.store());
    let is_own = |head: &ChainHead| head.writer == *records.writer();
    let own = store.heads().await?.into_iter().find(is_own);
    let own = own.ok_or_else(|| StoreError::Damaged("the head of a chain".to_owned()))?;
    let checkpoint = Checkpoint::sign(&own, Timestamp::now(), records.keys().audit_key());
    store.put_checkpoint(stored_checkpoint(&checkpoint)).await?;
    Ok(checkpoint)
}
