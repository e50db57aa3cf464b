//! Lists with a header line, separated by commas.

mod columns;

use std::collections::HashMap;
use std::path::Path;

use ::csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};

use super::names::{self, Names};
use super::{Comparison, Crossing, Dataset, DatasetError, SliceColumn};
use crate::evaluation::scores_file::line_of;
use columns::Columns;

/// Most comparisons of a list.
const COMPARISONS_MAX: usize = 5_000_000;

/// Most columns by which results are split.
pub const SLICE_COLUMNS_MAX: usize = 32;

/// Most values of such a column: a slice is many comparisons.
const VALUES_MAX: usize = 1000;

/// Longest value of such a column, and longest name of a person or column, bytes.
pub const TEXT_BYTES_MAX: usize = 200;

pub fn read(list: &Path, images: &Path) -> Result<Dataset, DatasetError> {
    let text = names::read_text(list)?;
    let rows = Rows::read(&text).map_err(|(line, problem)| {
        let Some(line) = line else {
            return DatasetError::whole(list, problem);
        };
        DatasetError::line(list, line, problem)
    })?;
    names::bounded(rows.into_dataset(list, images)?, list)
}

/// What is wrong, and with which line; `None` where it is the list as a whole.
type Problem = (Option<u64>, String);

/// What was read so far; all names as numbers in the order in which they were first seen.
struct Rows {
    columns: Columns,
    samples: Names,
    people: Names,
    values: Vec<Names>,
    listed: Vec<Comparison>,
    /// The line of each comparison that was listed, by probe and reference.
    lines: HashMap<(u32, u32), u64>,
    /// Each sample's person, and the line that said so.
    person_of: Vec<(u32, u64)>,
}

impl Rows {
    fn read(text: &str) -> Result<Self, Problem> {
        let mut reader = ReaderBuilder::new()
            .trim(Trim::All)
            .from_reader(text.as_bytes());
        let header = reader.headers().map_err(|error| malformed(text, &error))?;
        let columns = Columns::of(header);
        let columns = columns
            .map_err(|problem| (Some(line_of(text.as_bytes(), header.position())), problem))?;
        let mut rows = Self {
            values: columns.slices.iter().map(|_| Names::default()).collect(),
            columns,
            samples: Names::default(),
            people: Names::default(),
            listed: Vec::new(),
            lines: HashMap::new(),
            person_of: Vec::new(),
        };
        let mut record = StringRecord::new();
        while reader
            .read_record(&mut record)
            .map_err(|error| malformed(text, &error))?
        {
            let line = line_of(text.as_bytes(), record.position());
            let added = rows.add(&record, line);
            added.map_err(|problem| (Some(line), problem))?;
        }
        if rows.listed.is_empty() {
            return Err((
                None,
                "the list has no comparisons below its header".to_owned(),
            ));
        }
        Ok(rows)
    }

    fn add(&mut self, record: &StringRecord, line: u64) -> Result<(), String> {
        let field = |place: usize| record.get(place).unwrap_or_default();
        let probe = names::sample(&mut self.samples, field(self.columns.probe), line)?;
        let reference = names::sample(&mut self.samples, field(self.columns.reference), line)?;
        let genuine = parse_genuine(field(self.columns.genuine))?;
        if probe == reference {
            return Err("a sample is compared with itself".to_owned());
        }
        if let Some(first) = self.lines.insert((probe, reference), line) {
            return Err(format!(
                "line {first} lists this probe and reference, too: each comparison counts once"
            ));
        }
        if self.listed.len() >= COMPARISONS_MAX {
            return Err(format!(
                "more than {COMPARISONS_MAX} comparisons: split the list"
            ));
        }
        let unit = u32::try_from(self.listed.len()).unwrap_or(u32::MAX);
        let (mut probe_person, mut reference_person) = (unit, unit);
        if let Some((of_probe, of_reference)) = self.columns.people {
            probe_person = self.person(probe, field(of_probe), line)?;
            reference_person = self.person(reference, field(of_reference), line)?;
            check_label(genuine, probe_person == reference_person)?;
        }
        let slices = self.columns.slices.iter().zip(&mut self.values);
        let slices: Result<Vec<u32>, String> = slices
            .map(|((place, name), values)| value(values, field(*place), line, name))
            .collect();
        self.listed.push(Comparison {
            probe,
            reference,
            probe_person,
            reference_person,
            genuine,
            slices: slices?,
        });
        Ok(())
    }

    /// The number of a sample's person, who is the same in every line.
    fn person(&mut self, sample: u32, name: &str, line: u64) -> Result<u32, String> {
        if name.is_empty() {
            return Err(
                "a person has no name: name both, or leave both columns out of the list".to_owned(),
            );
        }
        columns::check_text(name)?;
        let person = self.people.number(name, line);
        let place = names::index(sample);
        if let Some((known, first)) = self.person_of.get(place).filter(|(_, first)| *first > 0) {
            if *known != person {
                return Err(format!(
                    "line {first} says that one of these samples shows another person"
                ));
            }
            return Ok(person);
        }
        if self.person_of.len() <= place {
            self.person_of.resize(place + 1, (0, 0));
        }
        if let Some(known) = self.person_of.get_mut(place) {
            *known = (person, line);
        }
        Ok(person)
    }

    fn into_dataset(mut self, list: &Path, images: &Path) -> Result<Dataset, DatasetError> {
        let (samples, sample_places) = self.samples.into_samples(list, images)?;
        names::renumber(&mut self.listed, &sample_places);
        let knows_people = self.columns.people.is_some();
        let (mut people, person_places) = self.people.sorted();
        let mut person_of = Vec::new();
        if knows_people {
            person_of.resize(samples.len(), 0);
            for ((person, _), place) in self.person_of.iter().zip(&sample_places) {
                if let Some(slot) = person_of.get_mut(names::index(*place)) {
                    *slot = names::at(&person_places, *person);
                }
            }
        } else {
            people.resize(self.listed.len(), String::new());
        }
        let values = self.values.into_iter().map(Names::sorted);
        let (values, value_places): (Vec<_>, Vec<_>) = values.unzip();
        for comparison in &mut self.listed {
            if knows_people {
                comparison.probe_person = names::at(&person_places, comparison.probe_person);
                comparison.reference_person =
                    names::at(&person_places, comparison.reference_person);
            }
            for (value, places) in comparison.slices.iter_mut().zip(&value_places) {
                *value = names::at(places, *value);
            }
        }
        let columns = self.columns.slices.into_iter().zip(values);
        Ok(Dataset {
            samples,
            people,
            knows_people,
            person_of,
            listed: self.listed,
            folds: None,
            columns: columns
                .map(|((_, name), values)| SliceColumn { name, values })
                .collect(),
            crossing: if knows_people {
                Crossing::ProbesWithReferences
            } else {
                Crossing::Listed
            },
            note: None,
        })
    }
}

fn parse_genuine(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" => Ok(true),
        "0" | "false" | "no" => Ok(false),
        _ => Err(format!(
            "genuine is {text:?}: write 1 where both samples show one person, otherwise 0"
        )),
    }
}

fn check_label(genuine: bool, is_one_person: bool) -> Result<(), String> {
    match (genuine, is_one_person) {
        (true, false) => Err("genuine, but of two people: correct one or the other".to_owned()),
        (false, true) => Err("not genuine, but of one person: correct one or the other".to_owned()),
        _ => Ok(()),
    }
}

/// The number of a column's value.
fn value(values: &mut Names, text: &str, line: u64, column: &str) -> Result<u32, String> {
    columns::check_text(text)?;
    let number = values.number(text, line);
    if values.len() > VALUES_MAX {
        return Err(format!(
            "the column {column:?} has more than {VALUES_MAX} values: put them in groups, or leave \
             the column out"
        ));
    }
    Ok(number)
}

fn malformed(text: &str, error: &::csv::Error) -> Problem {
    let line = line_of(text.as_bytes(), error.position());
    let problem = match error.kind() {
        ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("{len} fields, where the header has {expected_len}"),
        _ => "the line is not comma-separated text".to_owned(),
    };
    (Some(line), problem)
}

#[cfg(test)]
mod tests;
