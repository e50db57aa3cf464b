//! What is compared with what.
//!
//! Lists and folders are read as whoever made them left them: anything that would make a rate mean
//! something else than it seems to is an error that names the line. Nothing is read without a
//! bound: see [`LIST_BYTES_MAX`], [`SAMPLES_MAX`], [`IMPOSTORS_MAX`] and [`GENUINE_MAX`].

mod csv;
mod error;
mod folders;
mod lfw;
mod names;

use std::path::{Path, PathBuf};

use crate::sample::SampleRole;

pub use error::{DatasetError, MissingSample};

/// Most bytes of a list.
pub const LIST_BYTES_MAX: u64 = 256 << 20;

/// Most samples.
pub const SAMPLES_MAX: usize = 2_000_000;

/// Most impostor comparisons that a list may ask for: 1.6 GB of similarities.
pub const IMPOSTORS_MAX: u64 = 400_000_000;

/// Most genuine comparisons: 240 MB of similarities with their people.
pub const GENUINE_MAX: u64 = 20_000_000;

/// Most impostor comparisons of folders, unless someone wants others: enough for a false match rate
/// of 1e-6 with fifty errors.
pub const FOLDER_IMPOSTORS_MAX: u64 = 50_000_000;

/// One image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Its name: the path relative to the folder of the images, with `/`.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
}

/// Two samples that are compared, as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Number of the probe in [`Dataset::samples`].
    pub probe: u32,
    /// Number of the reference in [`Dataset::samples`].
    pub reference: u32,
    /// Number of the probe's person in [`Dataset::people`]; see [`super::scores::Score`].
    pub probe_person: u32,
    /// Number of the reference's person.
    pub reference_person: u32,
    /// Whether both show one person.
    pub genuine: bool,
    /// One number for each of [`Dataset::columns`]: which of the column's values it has.
    pub slices: Vec<u32>,
}

/// A column of a list by which results are split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceColumn {
    /// Its name.
    pub name: String,
    /// Its distinct values, sorted.
    pub values: Vec<String>,
}

/// Which comparisons the rates are computed of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crossing {
    /// Every sample with every later one: genuine when both are of one person. LFW's lists and
    /// folders of people. A sample's person is [`Dataset::person_of`].
    EachWithEach,
    /// Genuine ones as listed; impostors are every probe with every reference of another person.
    ProbesWithReferences,
    /// As listed.
    Listed,
}

impl Crossing {
    /// In a few words.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::EachWithEach => "all cross pairs",
            Self::ProbesWithReferences => "all probes with all references",
            Self::Listed => "the listed pairs",
        }
    }
}

/// Samples and the comparisons among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Distinct samples, in order of their names.
    pub samples: Vec<Sample>,
    /// Names of the people; those of units without a name are empty.
    pub people: Vec<String>,
    /// Whether the people are known. Otherwise each listed comparison is a unit of its own.
    pub knows_people: bool,
    /// Each sample's person, where the people are known; empty otherwise.
    pub person_of: Vec<u32>,
    /// The listed comparisons, in the list's order.
    pub listed: Vec<Comparison>,
    /// Folds of the listed comparisons, for k-fold accuracy; split evenly, in order.
    pub folds: Option<usize>,
    /// Columns by which results are split.
    pub columns: Vec<SliceColumn>,
    /// What the rates are computed of.
    pub crossing: Crossing,
    /// What whoever reads the rates should know about how the data were read, in words: samples
    /// that were left out, files that were ignored.
    pub note: Option<String>,
}

/// How many comparisons of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComparisonCounts {
    /// Of one person.
    pub genuine: u64,
    /// Of two people.
    pub impostor: u64,
}

impl Dataset {
    /// A list in the format of Labeled Faces in the Wild: a header `folds pairs` (or `pairs` alone:
    /// no folds), then `name i j` for genuine pairs and `name i name j` for impostor pairs,
    /// separated by white space. The samples are `name/name_%04d.jpg` in `images`. A name is a
    /// person, and every sample is compared with every other one; the pairs serve k-fold accuracy.
    ///
    /// # Errors
    /// When the list cannot be read or understood, or names samples that are not there.
    pub fn read_lfw(pairs: &Path, images: &Path) -> Result<Self, DatasetError> {
        lfw::read(pairs, images)
    }

    /// A list with a header line, separated by commas: `probe,reference,genuine`, where samples are
    /// paths relative to `images` and `genuine` is `1` or `0` (`true`, `false`, `yes`, `no`).
    ///
    /// With `probe_person` and `reference_person`, genuine comparisons are those of the list, and
    /// impostor comparisons all of a probe and a reference of different people. Without them, the
    /// comparisons are those of the list. Results can be split by every further column.
    ///
    /// # Errors
    /// When the list cannot be read or understood, contradicts itself, lists a comparison twice, or
    /// names samples that are not there.
    pub fn read_csv(list: &Path, images: &Path) -> Result<Self, DatasetError> {
        csv::read(list, images)
    }

    /// A folder for each person, with that person's samples in it: files that end in `jpg`, `jpeg`,
    /// `png` or `webp`. Every sample is compared with every other one.
    ///
    /// When that would be more than `impostors_max` impostor comparisons, samples are drawn, the
    /// same ones each time: of as many people as possible, since people are what makes intervals
    /// narrow, and as many of each as still fit. [`Dataset::note`] says so then.
    ///
    /// # Errors
    /// When the folder cannot be read, or holds no samples.
    pub fn read_folders(images: &Path, impostors_max: u64) -> Result<Self, DatasetError> {
        folders::read(images, impostors_max)
    }

    /// Numbers of the samples that are compared in this role, ascending. Where every sample is
    /// compared with every later one, all of them have both roles.
    #[must_use]
    pub fn in_role(&self, role: SampleRole) -> Vec<u32> {
        if self.crossing == Crossing::EachWithEach {
            return (0..).zip(&self.samples).map(|(number, _)| number).collect();
        }
        let number = |comparison: &Comparison| match role {
            SampleRole::Probe => comparison.probe,
            SampleRole::Reference => comparison.reference,
        };
        let mut numbers: Vec<u32> = self.listed.iter().map(number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// A sample's person; `None` where nobody knows.
    #[must_use]
    pub fn person(&self, sample: u32) -> Option<u32> {
        let sample = usize::try_from(sample).ok()?;
        self.person_of.get(sample).copied()
    }

    /// How many comparisons the rates are computed of, if every sample is acquired.
    #[must_use]
    pub fn counts(&self) -> ComparisonCounts {
        let genuine = self.listed.iter().filter(|it| it.genuine).count() as u64;
        match self.crossing {
            Crossing::EachWithEach => {
                let samples = self.samples_by_person(&self.in_role(SampleRole::Probe));
                counts_of_each_with_each(&samples)
            }
            Crossing::ProbesWithReferences => {
                let probes = self.samples_by_person(&self.in_role(SampleRole::Probe));
                let references = self.samples_by_person(&self.in_role(SampleRole::Reference));
                let all = probes.iter().sum::<u64>() * references.iter().sum::<u64>();
                let of_one: u64 = probes.iter().zip(&references).map(|(p, r)| p * r).sum();
                ComparisonCounts {
                    genuine,
                    impostor: all - of_one,
                }
            }
            Crossing::Listed => ComparisonCounts {
                genuine,
                impostor: self.listed.len() as u64 - genuine,
            },
        }
    }

    fn samples_by_person(&self, samples: &[u32]) -> Vec<u64> {
        let mut counts = vec![0; self.people.len()];
        let people = samples.iter().filter_map(|sample| self.person(*sample));
        for person in people {
            let count = usize::try_from(person)
                .ok()
                .and_then(|it| counts.get_mut(it));
            if let Some(count) = count {
                *count += 1;
            }
        }
        counts
    }
}

/// Comparisons of every sample with every later one, by the number of each person's samples.
fn counts_of_each_with_each(samples: &[u64]) -> ComparisonCounts {
    let pairs = |samples: u64| samples * samples.saturating_sub(1) / 2;
    let genuine = samples.iter().map(|samples| pairs(*samples)).sum();
    ComparisonCounts {
        genuine,
        impostor: pairs(samples.iter().sum()) - genuine,
    }
}

#[cfg(test)]
mod tests;
