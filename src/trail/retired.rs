//! Names whose chains lost entries when a backup was restored: no process may write under them
//! again, because their next numbers were signed before.
//!
//! Each line of `retired.jsonl` in the journal's folder is a [`LostChain`]. It outlives the
//! checkpoints that were set aside, which may be archived elsewhere.

use std::collections::BTreeMap;

use super::journal::{Journal, JournalError, RETIRED_FILE};
use super::restore::LostChain;
use crate::audit::WriterId;

/// All retired names. It blocks on the disk.
pub(super) fn retired(journal: &Journal) -> Result<BTreeMap<WriterId, LostChain>, JournalError> {
    let mut lines = journal.lines(RETIRED_FILE)?;
    let mut found = BTreeMap::new();
    while let Some(line) = lines.next() {
        let line = line?;
        let Ok(chain) = serde_json::from_str::<LostChain>(&line.text) else {
            return Err(lines.damaged(line.number));
        };
        found.insert(chain.writer.clone(), chain);
    }
    Ok(found)
}

/// Retires the names of these chains; durable when it returns. It blocks on the disk.
pub(super) fn retire(journal: &Journal, lost: &[LostChain]) -> Result<(), JournalError> {
    // Those of a restore that was cut off, or of one before, are there already.
    let known = retired(journal)?;
    for chain in lost {
        if known.contains_key(&chain.writer) {
            continue;
        }
        let line = serde_json::to_string(chain).map_err(|_| JournalError::Line)?;
        journal.append(RETIRED_FILE, &line)?;
    }
    Ok(())
}
