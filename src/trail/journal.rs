//! The journal: a folder outside the database with what an old backup of the database would have
//! forgotten. Its files are lines that are only ever appended.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::audit::Timestamp;

/// Signed checkpoints, one a line, as [`crate::audit::Checkpoint::to_text`].
pub const CHECKPOINTS_FILE: &str = "checkpoints.jsonl";
/// Erasures, one a line.
pub const ERASURES_FILE: &str = "erasures.jsonl";
/// Names that no process may have again, one a line: see [`super::LostChain`].
pub const RETIRED_FILE: &str = "retired.jsonl";

/// Longest line of a journal, bytes without its end.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// Only whom padan runs as may list, read and write.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system refused.
    #[error(
        "cannot use the journal {path}: {cause}; give padan a folder there that it may write to \
         (`[trail] journal`)"
    )]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A line in the middle is not what padan wrote.
    #[error(
        "line {line} of the journal {path} is not what padan wrote: take the file from the last \
         copy of the journal, and find out who changed it"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
    },
    /// A line that cannot be one.
    #[error("a line of the journal is one line of at most {LINE_BYTES_MAX} bytes, and not empty")]
    Line,
}

/// The folder of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    folder: PathBuf,
}

impl Journal {
    /// The journal in `folder`, which is made (for its owner alone) when it is missing.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let folder = folder.into();
        let made = DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(&folder);
        made.map_err(|cause| JournalError::Io {
            path: folder.clone(),
            cause,
        })?;
        Ok(Self { folder })
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Appends one line to the file `name`; durable when this returns. It blocks on the disk.
    ///
    /// What is left of a line whose writing was cut off is taken away first: nobody was told that
    /// it was written.
    ///
    /// # Errors
    /// When the line is none, or the file cannot be written.
    pub fn append(&self, name: &str, line: &str) -> Result<(), JournalError> {
        require_line(line)?;
        let path = self.folder.join(name);
        let written = append(&path, line).and_then(|is_new| {
            // A new file's name is durable with its folder.
            if is_new {
                File::open(&self.folder)?.sync_all()?;
            }
            Ok(())
        });
        written.map_err(|cause| JournalError::Io { path, cause })
    }

    /// Begins the file `name` anew with `lines`, and keeps what it was beside it, as
    /// `checkpoints-until-20261122T093000Z.jsonl` for `checkpoints.jsonl`: that path is returned.
    /// After a crash the file `name` is either the old one or the new one, and never missing. It
    /// blocks on the disk. Nobody else may append to the file meanwhile.
    ///
    /// # Errors
    /// When a line is none, there is no file `name`, or the folder cannot be written.
    pub fn set_aside(&self, name: &str, lines: &[String]) -> Result<PathBuf, JournalError> {
        for line in lines {
            require_line(line)?;
        }
        let stem = name.strip_suffix(".jsonl").unwrap_or(name);
        let now = Timestamp::now().to_string();
        let whole_seconds = now.split('.').next().unwrap_or_default();
        let moment = whole_seconds.replace(['-', ':'], "");
        let aside = self.folder.join(format!("{stem}-until-{moment}Z.jsonl"));
        let path = self.folder.join(name);
        match begin_anew(&self.folder, &path, &aside, lines) {
            Ok(()) => Ok(aside),
            Err(cause) => Err(JournalError::Io { path, cause }),
        }
    }

    /// The lines of the file `name`, one after the other; none when there is no such file.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn lines(&self, name: &str) -> Result<JournalLines, JournalError> {
        let path = self.folder.join(name);
        let reader = match File::open(&path) {
            Ok(file) => Some(BufReader::new(file)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
            Err(cause) => return Err(JournalError::Io { path, cause }),
        };
        Ok(JournalLines {
            path,
            reader,
            number: 0,
            is_torn: false,
        })
    }
}

fn require_line(line: &str) -> Result<(), JournalError> {
    if line.is_empty() || line.len() > LINE_BYTES_MAX || line.contains(['\n', '\0']) {
        return Err(JournalError::Line);
    }
    Ok(())
}

fn begin_anew(folder: &Path, path: &Path, aside: &Path, lines: &[String]) -> io::Result<()> {
    let next = path.with_extension("jsonl.new");
    // What a crash left of an earlier attempt is overwritten.
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(FILE_MODE)
        .open(&next)?;
    for line in lines {
        file.write_all(format!("{line}\n").as_bytes())?;
    }
    file.sync_all()?;
    // A link refuses a name that is taken, where a rename would overwrite what must be kept.
    std::fs::hard_link(path, aside)?;
    let folder = File::open(folder)?;
    folder.sync_all()?;
    std::fs::rename(&next, path)?;
    folder.sync_all()
}

/// Returns whether the file is new.
fn append(path: &Path, line: &str) -> io::Result<bool> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .open(path)?;
    // Two processes may share a journal. The lock ends with the file.
    file.lock()?;
    let length = file.seek(SeekFrom::End(0))?;
    let end = whole_lines(&mut file, length)?;
    if end < length {
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
    }
    // One write, so that a crash tears it once at most.
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_all()?;
    Ok(length == 0)
}

/// How many bytes of the file end in a newline. Leaves the file at its end.
fn whole_lines(file: &mut File, length: u64) -> io::Result<u64> {
    // A torn line is at most a line, so its beginning lies in here.
    let tail = length.min(LINE_BYTES_MAX as u64 + 1);
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(length - tail))?;
    (&*file).take(tail).read_to_end(&mut bytes)?;
    if bytes.last().is_none_or(|byte| *byte == b'\n') {
        return Ok(length);
    }
    let newline = bytes.iter().rposition(|byte| *byte == b'\n');
    match newline {
        Some(at) => Ok(length - tail + at as u64 + 1),
        None if tail == length => Ok(0),
        None => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "its last line is longer than any that padan writes",
        )),
    }
}

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalLine {
    /// Counted from 1.
    pub number: u64,
    /// Without its end.
    pub text: String,
}

/// Reads a file of the journal line by line, in bounded memory.
#[derive(Debug)]
pub struct JournalLines {
    path: PathBuf,
    reader: Option<BufReader<File>>,
    number: u64,
    is_torn: bool,
}

impl JournalLines {
    /// Whether the file ended within a line, which was left out: its writing was cut off, and
    /// nobody was told that it was written. Known once the lines are over.
    #[must_use]
    pub const fn is_torn(&self) -> bool {
        self.is_torn
    }

    /// The error that a line is not what it must be, for whoever reads what the lines say.
    #[must_use]
    pub fn damaged(&self, line: u64) -> JournalError {
        JournalError::Damaged {
            path: self.path.clone(),
            line,
        }
    }

    fn read(&mut self) -> Option<Result<JournalLine, JournalError>> {
        let reader = self.reader.as_mut()?;
        let mut bytes = Vec::new();
        let limit = LINE_BYTES_MAX as u64 + 1;
        if let Err(cause) = reader.take(limit).read_until(b'\n', &mut bytes) {
            let path = self.path.clone();
            return Some(Err(JournalError::Io { path, cause }));
        }
        if bytes.is_empty() {
            return None;
        }
        self.number += 1;
        let is_whole = bytes.pop_if(|byte| *byte == b'\n').is_some();
        if !is_whole && bytes.len() <= LINE_BYTES_MAX {
            self.is_torn = true;
            return None;
        }
        let number = self.number;
        let text = String::from_utf8(bytes).ok();
        let text = text.filter(|text| is_whole && !text.is_empty() && !text.contains('\0'));
        let line = text.map(|text| JournalLine { number, text });
        Some(line.ok_or_else(|| self.damaged(number)))
    }
}

impl Iterator for JournalLines {
    type Item = Result<JournalLine, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.read();
        // Nothing is read behind the end or behind damage.
        if !matches!(next, Some(Ok(_))) {
            self.reader = None;
        }
        next
    }
}

#[cfg(test)]
mod tests;
