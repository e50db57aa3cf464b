//! One probe with all its references is a row; threads take row after row.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use super::highest::Highest;
use crate::evaluation::dataset::Dataset;
use crate::evaluation::scores::Score;

/// The samples of one side.
pub struct Side<'a, T> {
    /// How many people there are.
    pub people: usize,
    pub samples: Vec<Entry<'a, T>>,
}

/// A sample as it takes part.
pub struct Entry<'a, T> {
    pub person: u32,
    /// `None`: failed to be acquired.
    item: Option<&'a T>,
}

impl<T> Entry<'_, T> {
    pub fn is_acquired(&self) -> bool {
        self.item.is_some()
    }
}

impl<'a, T> Side<'a, T> {
    /// `numbers` are those of the samples that take part, `items` are by number.
    pub fn new(dataset: &Dataset, numbers: &[u32], items: &'a [Option<T>]) -> Self {
        let entry = |number: &u32| Entry {
            person: dataset.person(*number).unwrap_or_default(),
            item: item(items, *number),
        };
        Self {
            people: dataset.people.len(),
            samples: numbers.iter().map(entry).collect(),
        }
    }

    /// How many samples of each person were acquired.
    pub fn acquired(&self) -> Counts {
        let mut counts = Counts::new(self.people);
        let acquired = self.samples.iter().filter(|entry| entry.is_acquired());
        acquired.for_each(|entry| counts.add(entry.person));
        counts
    }
}

/// The entry of a number, if it is there.
pub fn item<T>(items: &[Option<T>], number: u32) -> Option<&T> {
    items.get(usize::try_from(number).ok()?)?.as_ref()
}

/// How many samples, in all and of each person.
pub struct Counts {
    all: usize,
    of_person: Vec<u32>,
}

impl Counts {
    pub fn new(people: usize) -> Self {
        Self {
            all: 0,
            of_person: vec![0; people],
        }
    }

    pub fn add(&mut self, person: u32) {
        let place = usize::try_from(person).ok();
        if let Some(count) = place.and_then(|place| self.of_person.get_mut(place)) {
            *count += 1;
            self.all += 1;
        }
    }

    /// Samples of other people than this one.
    fn of_others(&self, person: u32) -> usize {
        let place = usize::try_from(person).ok();
        let count = place.and_then(|place| self.of_person.get(place));
        let same = usize::try_from(count.copied().unwrap_or(0)).unwrap_or(usize::MAX);
        self.all.saturating_sub(same)
    }

    pub fn by_person(self) -> Vec<u32> {
        self.of_person
    }
}

/// All comparisons of two sides.
pub struct Rows<'a, T> {
    probes: &'a Side<'a, T>,
    references: &'a Side<'a, T>,
    /// A sample is compared with later ones only, and those of one person are genuine comparisons.
    /// Otherwise with all, and those of one person are left out.
    later_only: bool,
    similarity: &'a (dyn Fn(&T, &T) -> f32 + Sync),
}

/// A probe, and the places of its impostor similarities.
struct Row<'p> {
    probe: usize,
    places: &'p mut [f32],
}

/// What a thread found.
struct Found {
    genuine: Vec<Score>,
    highest: Highest,
}

impl<'a, T: Sync> Rows<'a, T> {
    pub fn each_with_each(
        probes: &'a Side<'a, T>,
        references: &'a Side<'a, T>,
        similarity: &'a (dyn Fn(&T, &T) -> f32 + Sync),
    ) -> Self {
        Self {
            probes,
            references,
            later_only: true,
            similarity,
        }
    }

    pub fn all_with_all(
        probes: &'a Side<'a, T>,
        references: &'a Side<'a, T>,
        similarity: &'a (dyn Fn(&T, &T) -> f32 + Sync),
    ) -> Self {
        Self {
            probes,
            references,
            later_only: false,
            similarity,
        }
    }

    /// Genuine scores, all impostor similarities and the highest impostor scores, in no order.
    pub fn compare(&self, highest_max: usize) -> (Vec<Score>, Vec<f32>, Vec<Score>) {
        let lengths = self.row_lengths();
        let mut similarities = vec![0.0; lengths.iter().sum()];
        let mut rest = similarities.as_mut_slice();
        let mut rows = Vec::with_capacity(lengths.len());
        for (probe, length) in lengths.into_iter().enumerate() {
            let (places, after) = rest.split_at_mut(length);
            rest = after;
            rows.push(Row { probe, places });
        }
        let comparisons = self.probes.samples.len() * self.references.samples.len();
        let found = self.share(rows, super::threads(comparisons), highest_max);
        let mut genuine = Vec::new();
        let mut highest = Highest::new(highest_max);
        for one in found {
            genuine.extend(one.genuine);
            highest.merge(one.highest);
        }
        (genuine, similarities, highest.into_scores())
    }

    /// Runs all rows on so many threads.
    fn share(&self, rows: Vec<Row<'_>>, threads: NonZeroUsize, highest_max: usize) -> Vec<Found> {
        let rows = Mutex::new(rows.into_iter());
        let next = || rows.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            let mut found = Found {
                genuine: Vec::new(),
                highest: Highest::new(highest_max),
            };
            while let Some(mut row) = next() {
                self.compare_row(&mut row, &mut found);
            }
            found
        };
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads.get()).map(|_| scope.spawn(work)).collect();
            let mut found = vec![work()];
            for other in others {
                match other.join() {
                    Ok(other) => found.push(other),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            found
        })
    }

    fn compare_row(&self, row: &mut Row<'_>, found: &mut Found) {
        let Some(probe) = self.probes.samples.get(row.probe) else {
            return;
        };
        let mut places = row.places.iter_mut();
        for reference in self.references_of(row.probe) {
            let is_genuine = probe.person == reference.person;
            if is_genuine && !self.later_only {
                continue;
            }
            let made = probe.item.zip(reference.item);
            let made = made.map(|(probe, reference)| (self.similarity)(probe, reference));
            let score = Score {
                similarity: made.unwrap_or(f32::NEG_INFINITY),
                probe: probe.person,
                reference: reference.person,
            };
            if is_genuine {
                found.genuine.push(score);
            } else if made.is_some() {
                // There is one for each: `row_lengths` counted them.
                if let Some(place) = places.next() {
                    *place = score.similarity;
                }
                found.highest.offer(score);
            }
        }
    }

    fn references_of(&self, probe: usize) -> &[Entry<'a, T>] {
        let first = if self.later_only { probe + 1 } else { 0 };
        self.references.samples.get(first..).unwrap_or_default()
    }

    /// How many impostor comparisons each probe has, without making them.
    fn row_lengths(&self) -> Vec<usize> {
        let length = |probe: &Entry<'a, T>, references: &Counts| {
            let others = references.of_others(probe.person);
            if probe.is_acquired() { others } else { 0 }
        };
        let probes = self.probes.samples.iter();
        if !self.later_only {
            let references = self.references.acquired();
            return probes.map(|probe| length(probe, &references)).collect();
        }
        // From the last probe to the first: what was passed comes later.
        let mut passed = Counts::new(self.references.people);
        let mut lengths = Vec::with_capacity(self.probes.samples.len());
        for (probe, reference) in probes.zip(&self.references.samples).rev() {
            lengths.push(length(probe, &passed));
            if reference.is_acquired() {
                passed.add(reference.person);
            }
        }
        lengths.reverse();
        lengths
    }
}
