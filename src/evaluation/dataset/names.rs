//! Names in lists: each once, with a number, and what a sample's name may be.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path};

use super::error::NAMED_MAX;
use super::{
    Comparison, Dataset, DatasetError, GENUINE_MAX, IMPOSTORS_MAX, LIST_BYTES_MAX, MissingSample,
    SAMPLES_MAX, Sample,
};

/// Longest name of a sample, bytes: the longest path that Linux takes.
const NAME_BYTES_MAX: usize = 4096;

/// Distinct texts of a list, numbered in the order in which they were first seen.
#[derive(Default)]
pub struct Names {
    numbers: HashMap<String, u32>,
    first_lines: Vec<u64>,
}

impl Names {
    /// The number of a text that this line names.
    pub fn number(&mut self, name: &str, line: u64) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        // A list of bounded length has fewer texts.
        let number = u32::try_from(self.first_lines.len()).unwrap_or(u32::MAX);
        self.first_lines.push(line);
        self.numbers.insert(name.to_owned(), number);
        number
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.first_lines.len()
    }

    /// The line that named a number first.
    fn first_line(&self, number: u32) -> u64 {
        at(&self.first_lines, number)
    }

    /// The texts in their order, and for each number so far its number in that order.
    pub fn sorted(self) -> (Vec<String>, Vec<u32>) {
        let mut numbered: Vec<(String, u32)> = self.numbers.into_iter().collect();
        numbered.sort_unstable();
        let mut places = vec![0; numbered.len()];
        for (place, (_, number)) in (0..).zip(&numbered) {
            if let Some(slot) = places.get_mut(index(*number)) {
                *slot = place;
            }
        }
        (numbered.into_iter().map(|(name, _)| name).collect(), places)
    }

    /// The samples of these names, which must all be there, and the new number of each.
    pub fn into_samples(
        self,
        list: &Path,
        images: &Path,
    ) -> Result<(Vec<Sample>, Vec<u32>), DatasetError> {
        let is_there =
            |name: &str| std::fs::metadata(images.join(name)).is_ok_and(|it| it.is_file());
        let names = self.numbers.iter();
        let mut missing: Vec<MissingSample> = names
            .filter(|(name, _)| !is_there(name))
            .map(|(name, number)| MissingSample {
                name: name.clone(),
                line: self.first_line(*number),
            })
            .collect();
        if !missing.is_empty() {
            let count = missing.len();
            missing.sort_unstable_by(|a, b| (a.line, &a.name).cmp(&(b.line, &b.name)));
            missing.truncate(NAMED_MAX);
            return Err(DatasetError::Missing {
                list: list.display().to_string(),
                folder: images.display().to_string(),
                count,
                missing,
            });
        }
        let (names, places) = self.sorted();
        let sample = |name: String| Sample {
            path: images.join(&name),
            name,
        };
        Ok((names.into_iter().map(sample).collect(), places))
    }
}

/// The sample's number, if a list may name it so.
pub fn sample(names: &mut Names, name: &str, line: u64) -> Result<u32, String> {
    check_name(name)?;
    let number = names.number(name, line);
    if names.len() > SAMPLES_MAX {
        return Err(format!(
            "more than {SAMPLES_MAX} samples are too many: split the list"
        ));
    }
    Ok(number)
}

/// A name is a plain path below the folder of the images, and has one spelling.
fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("a sample has no name".to_owned());
    }
    if name.len() > NAME_BYTES_MAX {
        return Err("a sample's name is too long".to_owned());
    }
    // They would forge lines of reports, and of what the digest of the data is computed of.
    if name.contains(char::is_control) {
        return Err("a sample's name has a control character in it".to_owned());
    }
    let is_plain = Path::new(name)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let is_canonical = name.split('/').all(|part| !part.is_empty() && part != ".");
    if !is_plain || !is_canonical || name.contains('\\') {
        return Err(format!(
            "{name:?} is not a plain path: write it relative to the folder of the images, with / \
             between its parts and without . or .."
        ));
    }
    Ok(())
}

/// The text of a list.
pub fn read_text(list: &Path) -> Result<String, DatasetError> {
    let unreadable = |cause| DatasetError::unreadable(list, cause);
    let file = File::open(list).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let mut bounded = file.take(LIST_BYTES_MAX + 1);
    bounded.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LIST_BYTES_MAX {
        let problem = format!("the list has more than {LIST_BYTES_MAX} bytes: split it");
        return Err(DatasetError::whole(list, problem));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..good).unwrap_or_default();
        let line = before.split(|byte| *byte == b'\n').count() as u64;
        DatasetError::line(list, line, "the text is not UTF-8: save the list as UTF-8")
    })?;
    // What spreadsheets put in front of it.
    Ok(match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    })
}

/// Puts the final numbers of the samples into the comparisons.
pub fn renumber(listed: &mut [Comparison], samples: &[u32]) {
    for comparison in listed {
        comparison.probe = at(samples, comparison.probe);
        comparison.reference = at(samples, comparison.reference);
    }
}

/// The data set, unless it asks for more comparisons than memory is meant to hold.
pub fn bounded(dataset: Dataset, list: &Path) -> Result<Dataset, DatasetError> {
    let counts = dataset.counts();
    let too_many = |count: u64, kind: &str, max: u64| {
        let problem = format!("{count} {kind} comparisons are more than {max}: split the list");
        DatasetError::whole(list, problem)
    };
    if counts.impostor > IMPOSTORS_MAX {
        return Err(too_many(counts.impostor, "impostor", IMPOSTORS_MAX));
    }
    if counts.genuine > GENUINE_MAX {
        return Err(too_many(counts.genuine, "genuine", GENUINE_MAX));
    }
    Ok(dataset)
}

/// A number as an index.
pub fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The entry of a number that was given out for it.
pub fn at<T: Copy + Default>(entries: &[T], number: u32) -> T {
    entries.get(index(number)).copied().unwrap_or_default()
}
