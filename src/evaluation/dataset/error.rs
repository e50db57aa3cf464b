//! What can be wrong with a list or a folder of samples.

use std::fmt::Write as _;
use std::path::Path;

/// How many missing samples are named.
pub(super) const NAMED_MAX: usize = 10;

/// A sample that a list names and that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingSample {
    /// Its name in the list.
    pub name: String,
    /// The first line that names it, from 1.
    pub line: u64,
}

/// Data that cannot be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A list or folder cannot be read.
    #[error("cannot read {path}: {cause}")]
    Unreadable {
        /// The file or folder.
        path: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A line of a list.
    #[error("{path}, line {line}: {problem}")]
    Line {
        /// The list.
        path: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A list or folder as a whole.
    #[error("{path}: {problem}")]
    Whole {
        /// The list or folder.
        path: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// Samples that a list names are not there.
    #[error(
        "{count} of the samples that {list} names are not in {folder}: correct the list, or name \
         the folder that its paths start from:{}",
        named(missing, *count)
    )]
    Missing {
        /// The list.
        list: String,
        /// The folder of the images.
        folder: String,
        /// How many are missing.
        count: usize,
        /// The first of them, ten at most, in order of the lines.
        missing: Vec<MissingSample>,
    },
}

fn named(missing: &[MissingSample], count: usize) -> String {
    let mut text = String::new();
    for sample in missing {
        // Writing to a string does not fail.
        let _ = write!(text, "\n  line {}: {}", sample.line, sample.name);
    }
    if count > missing.len() {
        text.push_str("\n  …");
    }
    text
}

impl DatasetError {
    pub(super) fn unreadable(path: &Path, cause: std::io::Error) -> Self {
        Self::Unreadable {
            path: path.display().to_string(),
            cause,
        }
    }

    pub(super) fn line(path: &Path, line: u64, problem: impl Into<String>) -> Self {
        Self::Line {
            path: path.display().to_string(),
            line,
            problem: problem.into(),
        }
    }

    pub(super) fn whole(path: &Path, problem: impl Into<String>) -> Self {
        Self::Whole {
            path: path.display().to_string(),
            problem: problem.into(),
        }
    }
}
