//! `[trail]`: the journal beside the database, and how often the audit trail is signed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::keys::PublicKey;

/// The folder when nothing else is said, beside the configuration file.
const JOURNAL: &str = "journal";

/// `[trail]` as typed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrailTable {
    /// Folder of the journal.
    pub journal: Option<PathBuf>,
    /// How often the chain is signed, seconds.
    pub checkpoint_s: u64,
    /// Public keys that signed checkpoints before the audit key of today.
    pub older_keys: Vec<String>,
}

impl Default for TrailTable {
    fn default() -> Self {
        Self {
            journal: None,
            checkpoint_s: 60,
            older_keys: Vec::new(),
        }
    }
}

/// How the audit trail is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailConfig {
    /// Folder of the journal.
    pub journal: PathBuf,
    /// How often the chain is signed.
    pub checkpoint_period: Duration,
    /// Public keys that signed checkpoints before the audit key of today.
    pub older_keys: Vec<PublicKey>,
}

impl TrailConfig {
    /// The defaults, with the journal in `folder`.
    #[must_use]
    pub fn beside(folder: &Path) -> Self {
        Self {
            journal: folder.join(JOURNAL),
            checkpoint_period: Duration::from_secs(TrailTable::default().checkpoint_s),
            older_keys: Vec::new(),
        }
    }
}

pub(super) fn trail(
    table: &TrailTable,
    file: Option<&Path>,
    mistakes: &mut Vec<String>,
) -> TrailConfig {
    if !(1..=86_400).contains(&table.checkpoint_s) {
        mistakes.push("trail.checkpoint_s takes 1 to 86400".to_owned());
    }
    let mut older_keys = Vec::new();
    for key in &table.older_keys {
        match key.parse() {
            Ok(key) => older_keys.push(key),
            Err(error) => mistakes.push(format!("trail.older_keys: {error}")),
        }
    }
    // An export names the key of today with them.
    if older_keys.len() >= crate::audit::KEYS_MAX {
        let most = crate::audit::KEYS_MAX - 1;
        mistakes.push(format!("trail.older_keys takes at most {most} keys"));
    }
    let beside = || {
        let folder = file.and_then(Path::parent);
        folder.map_or_else(|| JOURNAL.into(), |folder| folder.join(JOURNAL))
    };
    TrailConfig {
        journal: table.journal.clone().unwrap_or_else(beside),
        checkpoint_period: Duration::from_secs(table.checkpoint_s.max(1)),
        older_keys,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (TrailConfig, Vec<String>) {
        let table: TrailTable = toml::from_str(text).expect("a table");
        let mut mistakes = Vec::new();
        let config = trail(
            &table,
            Some(Path::new("/etc/padan/padan.toml")),
            &mut mistakes,
        );
        (config, mistakes)
    }

    #[test]
    fn the_journal_lies_beside_the_configuration_file() {
        let (config, mistakes) = read("");
        assert_eq!(config.journal, Path::new("/etc/padan/journal"));
        assert_eq!(config.checkpoint_period, Duration::from_mins(1));
        assert_eq!(mistakes, [""; 0]);
        let (config, _) = read("journal = \"/else/where\"");
        assert_eq!(config.journal, Path::new("/else/where"));
    }

    #[test]
    fn what_cannot_work_is_a_mistake() {
        for (text, part) in [
            ("checkpoint_s = 0", "checkpoint_s"),
            ("checkpoint_s = 86401", "checkpoint_s"),
            ("older_keys = [\"00\"]", "older_keys"),
        ] {
            let (_, mistakes) = read(text);
            assert_eq!(mistakes.len(), 1, "{text}");
            assert!(mistakes[0].contains(part), "{mistakes:?}");
        }
    }
}
