//! `padan keys init|rotate|show`

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Failure, Outcome, print};
use crate::config::{KeysCommand, KeysConfig, KeysFolder, SharedArgs, secret_variable};
use crate::keys::{self, KeyError, KeyRing, KeySource, KeySummary};
use crate::report::table::new_table;

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Self::Technical(error.to_string())
    }
}

pub fn run(command: &KeysCommand, shared: &SharedArgs) -> Outcome {
    let now = OffsetDateTime::now_utc();
    match command {
        KeysCommand::Init(folder) => init(&load(shared, folder)?, now),
        KeysCommand::Rotate {
            folder,
            active_from,
        } => rotate(&load(shared, folder)?, *active_from, now),
        KeysCommand::Show { folder, json } => show(&load(shared, folder)?, *json, now),
    }
}

fn load(shared: &SharedArgs, folder: &KeysFolder) -> Result<KeysConfig, Failure> {
    Ok(KeysConfig::load(shared, folder.keys.as_deref())?)
}

fn init(config: &KeysConfig, now: OffsetDateTime) -> Outcome {
    let folder = writable(config)?;
    keys::create_keys(folder, now)?;
    let ring = read(&[KeySource::Folder(folder.to_owned())], now)?;
    print(&format!(
        "made a NIK key, a master key, an audit key and a token key in {}\n{}\n\
         Keep a copy where the database and its copies are not: what is sealed with lost keys \
         cannot be read again, and who has both can read everything.",
        folder.display(),
        table(&ring, now),
    ));
    Ok(ExitCode::SUCCESS)
}

fn rotate(
    config: &KeysConfig,
    active_from: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Outcome {
    let folder = writable(config)?;
    // Whole and valid before anything is added.
    read(&config.sources, now)?;
    let id = keys::add_master_key(folder, active_from, now)?;
    let ring = read(&config.sources, now)?;
    print(&format!(
        "made the master key {id} in {}\n{}\n\
         A server uses it when it is started after that time; give it to all replicas before. The \
         older master keys are needed until no subject's key is wrapped under them: do not remove \
         them.",
        folder.display(),
        table(&ring, now),
    ));
    Ok(ExitCode::SUCCESS)
}

fn show(config: &KeysConfig, as_json: bool, now: OffsetDateTime) -> Outcome {
    let ring = read(&config.sources, now)?;
    if as_json {
        let keys: Vec<_> = ring
            .summaries()
            .iter()
            .map(|key| key_json(key, now))
            .collect();
        print(&format!("{:#}", json!({ "keys": keys })));
    } else {
        print(&table(&ring, now));
    }
    Ok(ExitCode::SUCCESS)
}

/// The folder that new keys are written to.
fn writable(config: &KeysConfig) -> Result<&Path, Failure> {
    config.folder().ok_or_else(|| {
        let message = "the configuration has the keys in an environment variable or a command, and \
                       padan writes keys to a folder only: name one with --keys, and bring the \
                       lines of its files to where the keys are";
        Failure::Usage(message.to_owned())
    })
}

fn read(sources: &[KeySource], now: OffsetDateTime) -> Result<KeyRing, KeyError> {
    KeyRing::read(sources, &secret_variable, now)
}

fn table(ring: &KeyRing, now: OffsetDateTime) -> comfy_table::Table {
    let mut table = new_table(&["key", "id", "state", "from", "age, days", "public key"]);
    for key in ring.summaries() {
        let cells = [
            key.kind.name().to_owned(),
            key.id.to_string(),
            key.state.name().to_owned(),
            from(key),
            age_days(key, now).map_or_else(String::new, |days| days.to_string()),
            key.public
                .map_or_else(String::new, |public| public.to_string()),
        ];
        table.add_row(cells);
    }
    table
}

fn key_json(key: &KeySummary, now: OffsetDateTime) -> serde_json::Value {
    json!({
        "kind": key.kind.name(),
        "id": key.id.as_str(),
        "state": key.state.name(),
        "from": from(key),
        "age_days": age_days(key, now),
        "public_key": key.public.map(|public| public.to_string()),
        "origin": key.origin,
    })
}

fn from(key: &KeySummary) -> String {
    let text = key.from.and_then(|from| from.format(&Rfc3339).ok());
    text.unwrap_or_default()
}

/// Whole days since the key was made or became active; negative before that.
fn age_days(key: &KeySummary, now: OffsetDateTime) -> Option<i64> {
    key.from.map(|from| (now - from).whole_days())
}
