//! Rates, thresholds and intervals: pure functions over scores.

use crate::embed::Embedding;

/// Cosine of two embeddings of one contract.
pub fn cosine(a: &Embedding, b: &Embedding) -> f32 {
    a.as_slice()
        .iter()
        .zip(b.as_slice())
        .map(|(a, b)| a * b)
        .sum()
}

/// Similarities of all cross pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossScores {
    /// Of one person, ascending.
    pub genuine: Vec<f32>,
    /// Genuine comparisons that could not be made: a sample failed to be acquired.
    pub genuine_lost: u64,
    /// Of two people, descending.
    pub impostor: Vec<f32>,
}

impl CrossScores {
    /// Genuine comparisons, made or lost.
    #[must_use]
    pub fn genuine_count(&self) -> u64 {
        self.genuine.len() as u64 + self.genuine_lost
    }
}

/// Compares every sample with every later one. A sample is its person and its embedding, if any.
///
/// A lost sample's genuine comparisons count as lost; its impostor comparisons do not count, since
/// they could only make the false match rate look better.
#[must_use]
pub fn cross_scores(samples: &[(&str, Option<&Embedding>)]) -> CrossScores {
    let (mut genuine, mut impostor, mut genuine_lost) = (Vec::new(), Vec::new(), 0);
    for (n, (person, embedding)) in samples.iter().enumerate() {
        for (other, other_embedding) in samples.iter().skip(n + 1) {
            match (embedding, other_embedding, person == other) {
                (Some(a), Some(b), true) => genuine.push(cosine(a, b)),
                (Some(a), Some(b), false) => impostor.push(cosine(a, b)),
                (_, _, true) => genuine_lost += 1,
                (_, _, false) => {}
            }
        }
    }
    genuine.sort_unstable_by(f32::total_cmp);
    impostor.sort_unstable_by(|a, b| b.total_cmp(a));
    CrossScores {
        genuine,
        genuine_lost,
        impostor,
    }
}

/// A threshold and the rates at it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateAt {
    /// Least similarity for a match.
    pub threshold: f32,
    /// Impostor comparisons at or above it.
    pub false_matches: u64,
    /// Genuine comparisons below it, the lost ones included.
    pub false_non_matches: u64,
    /// Share of the latter in all genuine comparisons.
    pub fnmr: f64,
}

/// The lowest threshold whose false match rate does not exceed `fmr`, and the rates there.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "counts are far below 2^52"
)]
pub fn rate_at(scores: &CrossScores, fmr: f64) -> RateAt {
    let allowed = (fmr * scores.impostor.len() as f64) as usize;
    // The first score that must not match: the threshold lies just above it.
    let highest_refused = scores.impostor.get(allowed).copied().unwrap_or(-1.0);
    let threshold = highest_refused.next_up();
    let false_matches = scores.impostor.partition_point(|score| *score >= threshold) as u64;
    let below = scores.genuine.partition_point(|score| *score < threshold) as u64;
    let false_non_matches = below + scores.genuine_lost;
    RateAt {
        threshold,
        false_matches,
        false_non_matches,
        fnmr: false_non_matches as f64 / scores.genuine_count().max(1) as f64,
    }
}

/// Mean and standard deviation of the accuracy over `folds`: each fold is judged at the threshold
/// that is best on the others. A score is a similarity and whether the pair is genuine.
///
/// The protocol of LFW (Huang et al., 2007), with thresholds on a grid of 0.001. `None` with fewer
/// than two folds, or fewer pairs than folds.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn kfold_accuracy(scores: &[(f32, bool)], folds: usize) -> Option<(f64, f64)> {
    let per_fold = scores.len().checked_div(folds)?;
    if folds < 2 || per_fold == 0 {
        return None;
    }
    let fold_of = |index: usize| index / per_fold;
    let accuracies: Vec<f64> = (0..folds)
        .map(|fold| {
            let of = |wanted: bool| {
                let numbered = scores.iter().enumerate();
                let chosen = numbered.filter(move |(n, _)| (fold_of(*n) == fold) == wanted);
                chosen.map(|(_, score)| *score).collect::<Vec<_>>()
            };
            let (test, train) = (of(true), of(false));
            let threshold = best_threshold(&train);
            let right = test
                .iter()
                .filter(|(score, genuine)| (*score >= threshold) == *genuine);
            right.count() as f64 / test.len() as f64
        })
        .collect();
    let mean = accuracies.iter().sum::<f64>() / folds as f64;
    let variance = accuracies.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / folds as f64;
    Some((mean, variance.sqrt()))
}

/// The lowest of the thresholds −1, −0.999, … that puts most scores on the right side.
fn best_threshold(scores: &[(f32, bool)]) -> f32 {
    let of = |wanted: bool| {
        let chosen = scores.iter().filter(|(_, genuine)| *genuine == wanted);
        let mut sorted: Vec<f32> = chosen.map(|(score, _)| *score).collect();
        sorted.sort_unstable_by(f32::total_cmp);
        sorted
    };
    let (genuine, impostor) = (of(true), of(false));
    let mut best = (0, -1.0);
    for step in 0..2000_u16 {
        let threshold = -1.0 + f32::from(step) * 0.001;
        let matched = genuine.len() - genuine.partition_point(|score| *score < threshold);
        let refused = impostor.partition_point(|score| *score < threshold);
        if matched + refused > best.0 {
            best = (matched + refused, threshold);
        }
    }
    best.1
}

/// 95 % interval of a rate, `count` of `total` (E. B. Wilson, JASA 22, 1927).
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn wilson_interval(count: u64, total: u64) -> (f64, f64) {
    const Z: f64 = 1.959_963_984_540_054;
    let n = total.max(1) as f64;
    let rate = count as f64 / n;
    let scale = 1.0 + Z * Z / n;
    let centre = (rate + Z * Z / (2.0 * n)) / scale;
    let half = Z / scale * (rate * (1.0 - rate) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
    }

    #[test]
    fn wilson_agrees_with_published_values() {
        // Newcombe, Statistics in Medicine 17 (1998), table I: 81/263, 15/148, 0/20, 1/29.
        for (count, total, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let (l, h) = wilson_interval(count, total);
            assert!(
                (l - low).abs() < 5e-5 && (h - high).abs() < 5e-5,
                "{count}/{total}: {l} {h}"
            );
        }
    }

    #[test]
    fn the_threshold_lets_through_no_more_than_the_target() {
        let scores = CrossScores {
            genuine: vec![0.1, 0.5, 0.6, 0.9],
            genuine_lost: 1,
            impostor: vec![0.8, 0.55, 0.4, 0.3, 0.2, 0.1, 0.0, -0.1, -0.2, -0.3],
        };
        // One of ten impostors may match: the threshold lies just above the second.
        let rate = rate_at(&scores, 0.1);
        assert_eq!(rate.threshold, 0.55_f32.next_up());
        assert_eq!((rate.false_matches, rate.false_non_matches), (1, 3));
        assert!(close(rate.fnmr, 0.6));
        // None may match.
        assert_eq!(rate_at(&scores, 0.01).false_matches, 0);
    }

    #[test]
    fn ties_do_not_exceed_the_target() {
        let scores = CrossScores {
            genuine: vec![0.5],
            genuine_lost: 0,
            impostor: vec![0.5; 10],
        };
        assert_eq!(rate_at(&scores, 0.5).false_matches, 0);
    }

    #[test]
    fn kfold_judges_each_fold_at_the_others_threshold() {
        let pairs = [(0.9, 0.1), (0.8, 0.2), (0.7, 0.3), (0.25, 0.0)];
        let scores: Vec<(f32, bool)> = pairs
            .iter()
            .flat_map(|(g, i)| [(*g, true), (*i, false)])
            .collect();
        let (mean, std) = kfold_accuracy(&scores, 4).expect("four folds");
        // By hand: the others' lowest best thresholds are 0.201, 0.101, 0.201 and 0.301, at which
        // the folds have 2, 1, 1 and 1 of 2 right.
        assert!(close(mean, 0.625), "{mean}");
        assert!(close(std, 0.046_875_f64.sqrt()), "{std}");
        assert!(kfold_accuracy(&scores, 1).is_none());
        assert!(kfold_accuracy(&scores, 9).is_none());
    }

    #[test]
    fn cross_pairs_count_lost_samples_as_non_matches() {
        let embedding = |x: f32| Embedding::from_output(&[x, 1.0]).expect("a direction");
        let (a, b) = (embedding(0.0), embedding(1.0));
        let samples = [
            ("P", Some(&a)),
            ("P", Some(&b)),
            ("P", None),
            ("Q", Some(&a)),
        ];
        let cross = cross_scores(&samples);
        assert_eq!(
            (
                cross.genuine.len(),
                cross.genuine_lost,
                cross.impostor.len()
            ),
            (1, 2, 2)
        );
        assert_eq!(cross.genuine_count(), 3);
    }
}
