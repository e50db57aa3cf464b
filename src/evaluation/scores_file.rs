//! Score files: similarities that somebody else computed, to be measured like our own.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use csv::{Position, StringRecord, Trim};

use super::scores::{Score, Scores};

/// Largest file, in bytes: some twenty million comparisons.
const BYTES_MAX: u64 = 1 << 29;

const REQUIRED: [&str; 2] = ["similarity", "genuine"];
const PEOPLE: [&str; 2] = ["probe_person", "reference_person"];

/// What a score file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreFile {
    /// The comparisons, whatever their order in the file.
    pub scores: Scores,
    /// Whether the file names people. Otherwise each comparison is a unit of its own.
    pub knows_people: bool,
}

/// A score file that cannot be used. The texts say what to do, and repeat nothing of the file.
#[derive(Debug, thiserror::Error)]
pub enum ScoreFileError {
    /// It cannot be read.
    #[error("cannot read {path}: {cause}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        cause: io::Error,
    },
    /// Its first line does not name the columns.
    #[error(
        "{path}, line 1: takes the columns similarity,genuine or \
         similarity,genuine,probe_person,reference_person: {problem}"
    )]
    Header {
        /// The file.
        path: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A line is malformed.
    #[error("{path}, line {line}: {problem}")]
    Line {
        /// The file.
        path: String,
        /// Its number, from 1, which is the header's.
        line: u64,
        /// What is wrong, and what would be right.
        problem: &'static str,
    },
}

/// Reads a score file: CSV with a header that names the columns `similarity` and `genuine`, and
/// where people are known also `probe_person` and `reference_person`. Other columns are ignored.
///
/// A similarity lies between −1 and 1; an empty one stands for a comparison that could not be
/// made, since a sample failed to be acquired. `genuine` is `1`, `0`, `true` or `false`.
///
/// # Errors
/// When it cannot be read, or a line is malformed; names the file and the line.
pub fn read_scores(path: &Path) -> Result<ScoreFile, ScoreFileError> {
    let shown = path.display().to_string();
    let content = File::open(path).and_then(|file| read_whole(file, BYTES_MAX));
    match content {
        Ok(content) => parse_scores(&content, &shown),
        Err(cause) => Err(ScoreFileError::Unreadable { path: shown, cause }),
    }
}

fn read_whole(content: impl Read, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut limited = content.take(bytes_max.saturating_add(1));
    if limited.read_to_end(&mut bytes)? as u64 > bytes_max {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is larger than {bytes_max} bytes; take a random part of its comparisons"),
        ));
    }
    Ok(bytes)
}

/// What [`read_scores`] reads, from the file's content. `path` is what errors name.
///
/// # Errors
/// When a line is malformed; names it.
pub fn parse_scores(content: &[u8], path: &str) -> Result<ScoreFile, ScoreFileError> {
    let in_line = |position: Option<&Position>, problem| ScoreFileError::Line {
        path: path.to_owned(),
        line: line_of(content, position),
        problem,
    };
    let malformed = |error: csv::Error| in_line(error.position(), problem_of(&error));
    let mut reader = csv::ReaderBuilder::new()
        .trim(Trim::All)
        .from_reader(content);
    let header = reader.headers().map_err(malformed)?;
    let columns = Columns::find(header).map_err(|problem| ScoreFileError::Header {
        path: path.to_owned(),
        problem,
    })?;
    let mut rows = Rows::default();
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(malformed)? {
        rows.take(&columns, &record)
            .map_err(|problem| in_line(record.position(), problem))?;
    }
    Ok(ScoreFile {
        knows_people: columns.people.is_some(),
        scores: rows.scores(columns.people.is_some()),
    })
}

/// The number of a record's line, from 1. Its position is where the one before ended: there may be
/// empty lines between.
pub(super) fn line_of(content: &[u8], position: Option<&Position>) -> u64 {
    let Some(position) = position else { return 1 };
    let start = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let from_there = content.get(start..).unwrap_or_default().iter();
    let ends = from_there.take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + ends.filter(|byte| **byte == b'\n').count() as u64
}

fn problem_of(error: &csv::Error) -> &'static str {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "is not UTF-8 text",
        csv::ErrorKind::UnequalLengths { .. } => {
            "does not have as many fields as the first line has columns"
        }
        _ => "is not CSV",
    }
}

/// Where each column is.
struct Columns {
    similarity: usize,
    genuine: usize,
    people: Option<(usize, usize)>,
}

impl Columns {
    fn find(header: &StringRecord) -> Result<Self, &'static str> {
        for name in REQUIRED.iter().chain(&PEOPLE) {
            if header.iter().filter(|column| column == name).count() > 1 {
                return Err("it names one of them twice");
            }
        }
        let place = |name: &str| header.iter().position(|column| column == name);
        let [similarity, genuine] = REQUIRED.map(place);
        let similarity = similarity.ok_or("it does not name similarity")?;
        let genuine = genuine.ok_or("it does not name genuine")?;
        let people = match PEOPLE.map(place) {
            [Some(probe), Some(reference)] => Some((probe, reference)),
            [None, None] => None,
            _ => return Err("it names the person of one side only"),
        };
        Ok(Self {
            similarity,
            genuine,
            people,
        })
    }
}

/// What was read so far.
#[derive(Default)]
struct Rows {
    genuine: Vec<Score>,
    impostor: Vec<Score>,
    /// Numbers of people by their names, in the order of their first lines.
    people: BTreeMap<String, u32>,
}

impl Rows {
    fn take(&mut self, columns: &Columns, record: &StringRecord) -> Result<(), &'static str> {
        let field = |place: usize| record.get(place).unwrap_or_default();
        let similarity = parse_similarity(field(columns.similarity))?;
        let genuine = match field(columns.genuine) {
            "1" | "true" => true,
            "0" | "false" => false,
            _ => return Err("genuine is 1, 0, true or false"),
        };
        let (probe, reference) = match columns.people {
            Some((probe, reference)) => {
                (self.person(field(probe))?, self.person(field(reference))?)
            }
            None => (0, 0),
        };
        if columns.people.is_some() && (probe == reference) != genuine {
            return Err(if genuine {
                "a genuine comparison is of one person, and two are named"
            } else {
                "an impostor comparison is of two people, and one is named for both"
            });
        }
        let scores = if genuine {
            &mut self.genuine
        } else {
            &mut self.impostor
        };
        scores.push(Score {
            similarity,
            probe,
            reference,
        });
        Ok(())
    }

    fn person(&mut self, name: &str) -> Result<u32, &'static str> {
        if name.is_empty() {
            return Err("names no person: fill in both, or leave out both columns");
        }
        if let Some(number) = self.people.get(name) {
            return Ok(*number);
        }
        let number = u32::try_from(self.people.len()).map_err(|_| "there are too many people")?;
        self.people.insert(name.to_owned(), number);
        Ok(number)
    }

    /// Numbers people by the order of their names, so that the order of the lines does not matter.
    fn scores(mut self, knows_people: bool) -> Scores {
        if knows_people {
            let mut numbers = vec![0; self.people.len()];
            for (number, first_number) in (0..).zip(self.people.values()) {
                if let Some(place) = numbers.get_mut(*first_number as usize) {
                    *place = number;
                }
            }
            let number = |person: u32| numbers.get(person as usize).copied().unwrap_or(person);
            for score in self.genuine.iter_mut().chain(&mut self.impostor) {
                score.probe = number(score.probe);
                score.reference = number(score.reference);
            }
        }
        let mut scores = Scores::listed(self.genuine, self.impostor);
        if !knows_people {
            let listed = scores
                .genuine
                .iter_mut()
                .chain(&mut scores.impostor.highest);
            for (unit, score) in (0..).zip(listed) {
                score.probe = unit;
                score.reference = unit;
            }
        }
        scores
    }
}

/// An empty field stands for a comparison that could not be made.
fn parse_similarity(field: &str) -> Result<f32, &'static str> {
    if field.is_empty() {
        return Ok(f32::NEG_INFINITY);
    }
    let number = field.parse().ok();
    let in_range = number.filter(|number| (-1.0..=1.0).contains(number));
    in_range.ok_or(
        "similarity is a number from -1 to 1, or empty where the comparison could not be made",
    )
}

#[cfg(test)]
mod tests;
