//! Where the keys come from: `[keys]` of the file, and `--keys`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::{ConfigError, ConfigFile, SharedArgs};
use crate::keys::{COMMAND_TIME_MAX, KeySource};

/// The folder when nothing else is said, beside the configuration file.
const FOLDER: &str = "keys";

/// `[keys]`: one place, or several that each have some of the keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeysTable {
    /// Folder of key files.
    pub folder: Option<PathBuf>,
    /// Variable of the environment that holds keys.
    pub environment: Option<String>,
    /// Command that writes keys to its standard output: program and arguments.
    pub command: Option<Vec<String>>,
    /// Longest time for the command, milliseconds.
    pub command_timeout_ms: Option<u64>,
}

/// Where the keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysConfig {
    /// All places; never empty.
    pub sources: Vec<KeySource>,
}

impl KeysConfig {
    /// Reads the configuration file if there is one, and lays `--keys` over its `[keys]`. Needs
    /// neither models nor a runtime library.
    ///
    /// # Errors
    /// Every mistake that was found.
    pub fn load(shared: &SharedArgs, folder: Option<&Path>) -> Result<Self, ConfigError> {
        let file = ConfigFile::read(shared.config.as_deref()).map_err(|m| ConfigError(vec![m]))?;
        let mut mistakes = Vec::new();
        let sources = match folder {
            Some(folder) => vec![KeySource::Folder(folder.to_owned())],
            None => sources(&file.keys, shared.config.as_deref(), &mut mistakes),
        };
        if mistakes.is_empty() {
            Ok(Self { sources })
        } else {
            Err(ConfigError(mistakes))
        }
    }

    /// The folder, when there is one: where new keys can be written.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.sources.iter().find_map(|source| match source {
            KeySource::Folder(path) => Some(path.as_path()),
            KeySource::Environment(_) | KeySource::Command { .. } => None,
        })
    }
}

pub(super) fn sources(
    table: &KeysTable,
    file: Option<&Path>,
    mistakes: &mut Vec<String>,
) -> Vec<KeySource> {
    let mut sources = Vec::new();
    sources.extend(table.folder.clone().map(KeySource::Folder));
    if let Some(name) = &table.environment {
        if name.is_empty() || name.contains(['=', '\0']) {
            mistakes.push("keys.environment is the name of a variable, not its value".to_owned());
        }
        sources.push(KeySource::Environment(name.clone()));
    }
    let milliseconds = table.command_timeout_ms;
    if milliseconds.is_some_and(|it| !(1..=600_000).contains(&it)) {
        mistakes.push("keys.command_timeout_ms takes 1 to 600000".to_owned());
    }
    if let Some(argv) = &table.command {
        if argv.first().is_none_or(String::is_empty) {
            let mistake = "keys.command is a program and its arguments, for example [\"vault\", …]";
            mistakes.push(mistake.to_owned());
        }
        sources.push(KeySource::Command {
            argv: argv.clone(),
            time_max: milliseconds.map_or(COMMAND_TIME_MAX, Duration::from_millis),
        });
    }
    if sources.is_empty() {
        let beside = file
            .and_then(Path::parent)
            .map(|folder| folder.join(FOLDER));
        sources.push(KeySource::Folder(beside.unwrap_or_else(|| FOLDER.into())));
    }
    sources
}

/// The value of a variable of the environment that holds secrets; none when it is not set or is
/// not text. What is returned is overwritten when dropped; the environment keeps its own copy.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is src/config")]
pub fn secret_variable(name: &str) -> Option<Zeroizing<String>> {
    std::env::var(name).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> KeysTable {
        toml::from_str(text).expect("a table")
    }

    fn mistakes(text: &str) -> Vec<String> {
        let mut mistakes = Vec::new();
        sources(&table(text), None, &mut mistakes);
        mistakes
    }

    #[test]
    fn keys_lie_beside_the_configuration_file_unless_it_says_where() {
        let mut mistakes = Vec::new();
        let file = Some(Path::new("etc/padan/padan.toml"));
        let found = sources(&table(""), file, &mut mistakes);
        assert_eq!(found, [KeySource::Folder("etc/padan/keys".into())]);
        let found = sources(
            &table("folder = 'k'\nenvironment = 'K'"),
            file,
            &mut mistakes,
        );
        let expected = [
            KeySource::Folder("k".into()),
            KeySource::Environment("K".to_owned()),
        ];
        assert_eq!(found, expected);
        let found = sources(&table(""), Some(Path::new("padan.toml")), &mut mistakes);
        assert_eq!(found, [KeySource::Folder("keys".into())]);
        let found = sources(&table(""), None, &mut mistakes);
        assert_eq!(found, [KeySource::Folder("keys".into())]);
        assert!(mistakes.is_empty(), "{mistakes:?}");
    }

    #[test]
    fn a_command_has_a_program_and_a_time() {
        let mut none = Vec::new();
        let text = "command = ['vault', 'read']\ncommand_timeout_ms = 5";
        let expected = KeySource::Command {
            argv: vec!["vault".to_owned(), "read".to_owned()],
            time_max: Duration::from_millis(5),
        };
        assert_eq!(sources(&table(text), None, &mut none), [expected]);
        assert!(none.is_empty());
        for (text, says) in [
            ("command = []", "keys.command is"),
            ("command = ['']", "keys.command is"),
            ("command_timeout_ms = 0", "keys.command_timeout_ms"),
            ("command_timeout_ms = 600001", "keys.command_timeout_ms"),
            ("environment = ''", "keys.environment"),
            ("environment = 'KEY=padan-key-1'", "keys.environment"),
        ] {
            let found = mistakes(text);
            assert!(
                found.len() == 1 && found[0].contains(says),
                "{text}: {found:?}"
            );
        }
        assert!(
            toml::from_str::<KeysTable>("file = 'x'").is_err(),
            "an unknown key"
        );
    }
}
