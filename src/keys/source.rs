//! Where keys come from.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use super::error::KeyError;
use super::line::{KeyLine, read_lines};
use super::{command, folder};

/// Most bytes of one text with keys: some hundred keys.
pub(super) const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Longest time for a command that gives keys, unless another is given.
pub const COMMAND_TIME_MAX: Duration = Duration::from_secs(30);

/// A place that gives keys. Several may be used together, each for some of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// The files `*.key` of a folder, which only their owner may read.
    Folder(PathBuf),
    /// A variable of the environment that holds the lines of such files. Every process that
    /// padan's user starts from there can read it: prefer a folder or a command.
    Environment(String),
    /// A command that writes such lines to its standard output.
    Command {
        /// Program and arguments; no shell reads them.
        argv: Vec<String>,
        /// Longest time it may take.
        time_max: Duration,
    },
}

impl std::fmt::Display for KeySource {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path) => write!(out, "the folder {}", path.display()),
            Self::Environment(name) => write!(out, "the environment variable {name}"),
            // Arguments may be secret, too.
            Self::Command { argv, .. } => write!(
                out,
                "the output of the command {:?}",
                argv.first().map_or("", String::as_str)
            ),
        }
    }
}

impl KeySource {
    /// Its keys. `environment` gives the value of a variable: only the configuration may look.
    pub(super) fn read(
        &self,
        environment: &dyn Fn(&str) -> Option<Zeroizing<String>>,
    ) -> Result<Vec<KeyLine>, KeyError> {
        match self {
            Self::Folder(path) => folder::read(path),
            Self::Environment(name) => {
                let text = environment(name).ok_or_else(|| KeyError::NoVariable(name.clone()))?;
                if text.len() > TEXT_BYTES_MAX {
                    return Err(KeyError::TooLong(self.to_string()));
                }
                read_lines(&text, &self.to_string())
            }
            Self::Command { argv, time_max } => {
                let text = command::output(argv, *time_max)?;
                read_lines(&text, &self.to_string())
            }
        }
    }
}

/// What a file or pipe holds; none when that is too long. No copy of it is left behind.
pub(super) fn read_text(reader: &mut dyn Read) -> std::io::Result<Option<Zeroizing<String>>> {
    // One byte more than may come, and all reserved before: a vector that grows leaves copies.
    let mut bytes = Zeroizing::new(vec![0; TEXT_BYTES_MAX + 1]);
    let mut length = 0;
    while let Some(free) = bytes.get_mut(length..).filter(|free| !free.is_empty()) {
        match reader.read(free) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if length > TEXT_BYTES_MAX {
        return Ok(None);
    }
    let text = str::from_utf8(bytes.get(..length).unwrap_or_default());
    let text = text.map_err(|_| std::io::Error::other("it is no text (UTF-8)"))?;
    Ok(Some(Zeroizing::new(text.to_owned())))
}
