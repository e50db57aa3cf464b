//! Accuracy over folds.

use super::{below, is_match};

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
                .filter(|(score, genuine)| is_match(*score, threshold) == *genuine);
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
        let matched = genuine.len() - below(&genuine, threshold);
        let refused = below(&impostor, threshold);
        if matched + refused > best.0 {
            best = (matched + refused, threshold);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
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
}
