//! The highest of many scores, in bounded memory.

use std::cmp::Ordering;

use crate::evaluation::scores::Score;

/// Highest similarity first; among equal ones an order that does not hang on who came first.
pub fn descending(a: &Score, b: &Score) -> Ordering {
    let people = || (a.probe, a.reference).cmp(&(b.probe, b.reference));
    let (one, other) = (a.similarity, b.similarity);
    f32::total_cmp(&other, &one).then_with(people)
}

/// The highest scores seen so far, and at most as many more.
pub struct Highest {
    kept: Vec<Score>,
    max: usize,
    /// As many as wanted are at least this high: what is lower need not be kept.
    floor: f32,
}

impl Highest {
    pub fn new(max: usize) -> Self {
        Self {
            kept: Vec::new(),
            max,
            floor: f32::NEG_INFINITY,
        }
    }

    /// Keeps a score if it may be among the highest.
    pub fn offer(&mut self, score: Score) {
        let value = score.similarity;
        if value < self.floor || self.max == 0 {
            return;
        }
        self.kept.push(score);
        if self.kept.len() >= self.max.saturating_mul(2) {
            self.trim();
        }
    }

    /// All that `other` kept.
    pub fn merge(&mut self, other: Self) {
        for score in other.kept {
            self.offer(score);
        }
    }

    /// The highest, in no order.
    pub fn into_scores(mut self) -> Vec<Score> {
        self.trim();
        self.kept
    }

    fn trim(&mut self) {
        let Some(last) = self
            .max
            .checked_sub(1)
            .filter(|last| *last < self.kept.len())
        else {
            return;
        };
        let (_, lowest, _) = self.kept.select_nth_unstable_by(last, descending);
        self.floor = lowest.similarity;
        self.kept.truncate(self.max);
    }
}
