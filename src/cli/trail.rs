//! `padan trail restore`

use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;
use time::OffsetDateTime;

use super::{ANSWER_NO, Failure, Outcome, print};
use crate::app::AppError;
use crate::config::{Config, StoreConfig, secret_variable};
use crate::keys::KeyRing;
use crate::privacy::{self, Replayed};
use crate::records::{Records, RecordsError};
use crate::report::table::new_table;
use crate::store::SqlStore;
use crate::trail::{self, Journal, RestoreError, Restored, StartError};

/// What was done to a backup.
struct Done {
    erasures: Replayed,
    restored: Restored,
}

pub fn restore(as_json: bool, config: &Config) -> Outcome {
    let Some(store) = &config.store else {
        let message = "there is no database to restore: name the configuration file that padan \
                       serves with (--config), with its [store]";
        return Err(Failure::Usage(message.to_owned()));
    };
    match super::runtime()?.block_on(open(store))? {
        Ok(done) if as_json => print(&format!("{:#}", as_value(&done))),
        Ok(done) => print(&as_text(&done)),
        Err(error) => return refused(&error),
    }
    Ok(ExitCode::SUCCESS)
}

/// A changed database is an answer; the rest is for whoever called.
fn refused(error: &RestoreError) -> Outcome {
    let text = error.to_string();
    match error {
        RestoreError::Start(StartError::Changed { .. }) | RestoreError::Broken(_) => {
            eprintln!("padan: {text}");
            Ok(ExitCode::from(ANSWER_NO))
        }
        RestoreError::NothingLost { .. }
        | RestoreError::Stranger { .. }
        | RestoreError::OwnChain { .. }
        | RestoreError::Start(StartError::RetiredName { .. }) => Err(Failure::Usage(text)),
        RestoreError::Start(_) => Err(Failure::Technical(text)),
    }
}

/// The outer error: what is not about the backup.
async fn open(store: &StoreConfig) -> Result<Result<Done, RestoreError>, AppError> {
    let keys = KeyRing::read(&store.keys, &secret_variable, OffsetDateTime::now_utc())?;
    let journal = Arc::new(Journal::open(&store.trail.journal)?);
    let database = SqlStore::open(&store.database).await;
    let database = Arc::new(database.map_err(RecordsError::from)?);
    let writer = store.database.writer.clone();
    let records = Arc::new(Records::open(database, Arc::new(keys), writer).await?);
    let done = restore_backup(&records, &journal, store).await;
    records.store().close().await;
    done
}

async fn restore_backup(
    records: &Arc<Records>,
    journal: &Arc<Journal>,
    store: &StoreConfig,
) -> Result<Result<Done, RestoreError>, AppError> {
    let older_keys = &store.trail.older_keys;
    // Repeated erasures leave entries: not under a name that lost some, nor in a changed database.
    let backup = match trail::check_backup(records, journal, older_keys).await {
        Ok(backup) => backup,
        Err(error) => return Ok(Err(error)),
    };
    let erasures = privacy::replay(records, journal).await?;
    let restored = backup.accept().await;
    Ok(restored.map(|restored| Done { erasures, restored }))
}

fn as_value(done: &Done) -> serde_json::Value {
    let Done { erasures, restored } = done;
    let lost = restored.lost.iter().map(|chain| {
        json!({
            "writer": chain.writer.as_str(),
            "found": chain.found,
            "signed": chain.signed,
        })
    });
    json!({
        "erasures_repeated": erasures.missing,
        "keys_destroyed": erasures.keys,
        "erasures_noted": erasures.noted,
        "lost": lost.collect::<Vec<_>>(),
        "entry": {
            "writer": restored.entry.writer.as_str(),
            "sequence": restored.entry.sequence,
        },
        "old_checkpoints": restored.old_checkpoints.display().to_string(),
    })
}

fn as_text(done: &Done) -> String {
    let Done { erasures, restored } = done;
    let mut table = new_table(&["writer", "entries found", "entries signed"]);
    for chain in &restored.lost {
        table.add_row([
            chain.writer.to_string(),
            chain.found.to_string(),
            chain.signed.to_string(),
        ]);
    }
    let (missing, keys) = (erasures.missing, erasures.keys);
    let (writer, sequence) = (&restored.entry.writer, restored.entry.sequence);
    let old_checkpoints = restored.old_checkpoints.display();
    format!(
        "the backup is accepted; the chains that lost their ends:\n{table}\n\
         erasures repeated: {missing} (keys destroyed: {keys})\n\
         written down as entry {sequence} of {writer}\n\
         the checkpoints of before: {old_checkpoints}\n\
         Keep that file: it proves what was lost. No process may have the name of a chain above \
         again: padan does not start under it. Start padan now, and make a new backup."
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::WriterId;

    #[test]
    fn what_the_operator_has_named_wrongly_is_usage() {
        let stranger = RestoreError::Stranger {
            journal: "journal".to_owned(),
            chains: "padan-1".to_owned(),
        };
        let retired = StartError::RetiredName {
            writer: WriterId::new("padan-1").expect("a name"),
            found: 5,
            signed: 10,
        };
        for error in [stranger, retired.into()] {
            let refused = refused(&error);
            assert!(matches!(refused, Err(Failure::Usage(_))), "{error}");
        }
    }
}
