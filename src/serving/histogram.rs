//! Similarities of many comparisons, counted by where they lie.

use crate::compare::Similarity;

/// Bins from −1 to 1, each 0.05 wide.
pub const BINS: usize = 40;

/// How many similarities lie where. No single one can be read from it exactly, nor whose it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram([u64; BINS]);

impl Default for Histogram {
    fn default() -> Self {
        Self([0; BINS])
    }
}

impl Histogram {
    /// Counts one.
    pub fn add(&mut self, similarity: Similarity) {
        let from_least = f64::from(similarity.value()) + 1.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "between 0 and 40"
        )]
        let bin = (from_least * (BINS as f64 / 2.0)).floor() as usize;
        // 1 itself belongs to the last bin.
        if let Some(count) = self.0.get_mut(bin.min(BINS - 1)) {
            *count += 1;
        }
    }

    /// The counts, lowest similarities first.
    #[must_use]
    pub const fn counts(&self) -> &[u64; BINS] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_similarity_is_counted_where_it_lies() {
        for (similarity, bin) in [
            (-1.0, 0),
            (-0.99, 0),
            (-0.01, 19),
            (0.0, 20),
            (0.26, 25),
            (0.99, 39),
            (1.0, 39),
        ] {
            let mut histogram = Histogram::default();
            histogram.add(Similarity::new(similarity));
            assert_eq!(histogram.counts()[bin], 1, "{similarity}");
            assert_eq!(histogram.counts().iter().sum::<u64>(), 1);
        }
    }
}
