//! An old backup is brought back to service: what it lost is written into the trail, and the
//! journal begins anew where the backup ends.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::checkpoints::{blocking, stored_checkpoint};
use super::journal::{CHECKPOINTS_FILE, Journal, JournalError, JournalLines};
use super::plan::{self, Extent, Part};
use super::retired::retire;
use super::start::{StartError, refuse_retired};
use super::verify::Verification;
use super::{Trail, TrailError};
use crate::audit::{ChainHead, Checkpoint, Entry, Event, Finding, Timestamp, WriterId};
use crate::keys::PublicKey;
use crate::records::Records;
use crate::store::{Position, Store, StoreError};

/// Chains that the entry names at most; how many more there are is said.
const NAMED_MAX: usize = 20;

/// Of every chain, every entry.
const WHOLE: Part = Part {
    writer: None,
    extent: Extent::From(1),
};

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
    /// The database is empty, or another one.
    #[error(
        "the database has no entry of any chain that the journal {journal} knows of ({chains}): it \
         is empty, or it belongs to another journal. Load the backup into the database that \
         [store] names, or let [store] name the one with the backup, and run this again. If there \
         is no backup any more, keep that journal, and start padan with an empty one: \
         `[trail] journal`"
    )]
    Stranger {
        /// The journal's folder.
        journal: String,
        /// The names of its chains.
        chains: String,
    },
    /// An entry or a checkpoint of the backup is not what was written.
    #[error(
        "the audit trail in this backup was changed: {0} Keep it for whoever looks into it, and \
         restore another backup"
    )]
    Broken(Finding),
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

/// A backup that may come back to service: it is older than the journal, and only older. Nothing
/// was written yet.
pub struct Backup {
    trail: Trail,
    survey: Survey,
}

/// Checks a database that may be a backup, and writes nothing: each signed checkpoint of the
/// journal that its chains reach must fit, and every number, hash and checkpoint of every chain
/// must be right. `older_keys`: as for [`Trail::new`].
///
/// # Errors
/// [`RestoreError`] says why it is not accepted, and what to do.
pub async fn check_backup(
    records: &Arc<Records>,
    journal: &Journal,
    older_keys: &[PublicKey],
) -> Result<Backup, RestoreError> {
    let trail = Trail::new(Arc::clone(records), journal.clone(), older_keys);
    refuse_retired(&trail).await?;
    let survey = survey(&trail).await?;
    require_older(&trail, &survey)?;
    require_whole(&trail, &survey).await?;
    Ok(Backup { trail, survey })
}

impl Backup {
    /// The chains that lost their ends, by name.
    pub fn lost(&self) -> impl Iterator<Item = &LostChain> {
        self.survey.lost.values()
    }

    /// Accepts it. One entry says what was lost; then the names of the chains that lost entries are
    /// retired, and the journal's checkpoints are set aside: the file begins anew with the last
    /// checkpoint that each chain still reaches and a new one of this process's chain.
    ///
    /// Nothing else may write to the database or the journal since [`check_backup`], but for
    /// `privacy::replay`: the erasures of the journal are to be repeated in between, not before,
    /// because they leave entries under the name of this process.
    ///
    /// After a crash it is begun again, with [`check_backup`]: until the journal has begun anew, it
    /// still knows all that was lost, and at worst a second entry says the same.
    ///
    /// # Errors
    /// When the database or the journal cannot be written.
    pub async fn accept(self) -> Result<Restored, RestoreError> {
        Ok(accept(&self.trail, self.survey).await?)
    }
}

/// What the journal and the database say of each other.
#[derive(Default)]
struct Survey {
    lost: BTreeMap<WriterId, LostChain>,
    /// The furthest checkpoint of each chain that the database reaches.
    reached: BTreeMap<WriterId, Checkpoint>,
}

/// The database has some of what the journal knows, and not all; and this process's own chain is
/// not among those that lost entries.
fn require_older(trail: &Trail, survey: &Survey) -> Result<(), RestoreError> {
    let journal = trail.journal.folder().display().to_string();
    if survey.lost.is_empty() {
        return Err(RestoreError::NothingLost { journal });
    }
    let is_stranger = survey.reached.is_empty() && survey.lost.values().all(|it| it.found == 0);
    if is_stranger {
        let mut chains: Vec<_> = survey.lost.keys().map(ToString::to_string).collect();
        chains.truncate(NAMED_MAX);
        let more = survey.lost.len().saturating_sub(NAMED_MAX);
        if more > 0 {
            chains.push(format!("and {more} more"));
        }
        let chains = chains.join(", ");
        return Err(RestoreError::Stranger { journal, chains });
    }
    match survey.lost.get(trail.records.writer()).cloned() {
        None => Ok(()),
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

/// What the journal does not sign, or signs only through hashes, has to be right as well.
async fn require_whole(trail: &Trail, survey: &Survey) -> Result<(), RestoreError> {
    let (lost, reached) = (&survey.lost, &survey.reached);
    // Of chains that are gone there must be nothing at all. A checkpoint beyond a chain's end is
    // why this is a backup, and no fault of it.
    let known = lost.keys().chain(reached.keys());
    let known = known.map(|writer| (writer.clone(), reached.get(writer).cloned()));
    let plans = plan::plan_with(trail, &WHOLE, known.collect()).await;
    let plans = plans.map_err(StartError::from)?;
    let mut check = Verification::of(trail.records.store(), &trail.trusted, plans);
    while let Some(report) = check.next(&mut |_| {}).await.map_err(StartError::from)? {
        if let Some(finding) = report.findings.into_iter().next() {
            return Err(RestoreError::Broken(finding));
        }
    }
    Ok(())
}

async fn survey(trail: &Trail) -> Result<Survey, StartError> {
    let store = trail.records.store();
    let heads = store.heads().await?.into_iter();
    let heads: BTreeMap<_, _> = heads.map(|head| (head.writer, head.sequence)).collect();
    let mut survey = Survey::default();
    let journal = trail.journal.clone();
    let mut lines = blocking(move || journal.lines(CHECKPOINTS_FILE)).await?;
    loop {
        let trusted = Arc::clone(&trail.trusted);
        let (rest, batch) = blocking(move || read(lines, &trusted)).await?;
        lines = rest;
        if batch.is_empty() {
            return Ok(survey);
        }
        for line in batch {
            let Some(checkpoint) = line.signed else {
                return Err(StartError::NotSigned { line: line.number });
            };
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

/// A line of the journal.
struct Line {
    number: u64,
    /// None: no key of ours signed it.
    signed: Option<Checkpoint>,
}

/// The next lines; none at the end. It blocks on the disk, and a signature takes its time.
fn read(
    mut lines: JournalLines,
    trusted: &[PublicKey],
) -> Result<(JournalLines, Vec<Line>), JournalError> {
    let mut batch = Vec::new();
    while batch.len() < LINES_AT_ONCE {
        let Some(line) = lines.next().transpose()? else {
            break;
        };
        let Ok(checkpoint) = Checkpoint::parse(&line.text) else {
            return Err(lines.damaged(line.number));
        };
        let is_ours = trusted.contains(&checkpoint.key) && checkpoint.is_signed();
        batch.push(Line {
            number: line.number,
            signed: is_ours.then_some(checkpoint),
        });
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
    say(&mut entry, &lost);
    let entry = store.append(entry).await?;
    // Durable: from here on the journal may forget what the entry says.
    let own = sign(trail).await?;
    reached.insert(own.writer.clone(), own);
    let first: Vec<_> = reached.values().map(Checkpoint::to_text).collect();
    let (journal, names) = (trail.journal.clone(), lost.clone());
    let set_aside = blocking(move || {
        // First: what begins anew does not know of the numbers that were signed.
        retire(&journal, &names)?;
        journal.set_aside(CHECKPOINTS_FILE, &first)
    });
    Ok(Restored {
        old_checkpoints: set_aside.await?,
        lost,
        entry,
    })
}

/// What was lost, in the entry about it.
fn say(entry: &mut Entry, lost: &[LostChain]) {
    entry.detail("what", "restored");
    for chain in lost.iter().take(NAMED_MAX) {
        let name = format!("lost {}", chain.writer.as_str());
        entry.detail(&name, &format!("{} of {}", chain.found, chain.signed));
    }
    let more = lost.len().saturating_sub(NAMED_MAX);
    if more > 0 {
        entry.detail("more_lost", &more.to_string());
    }
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
