//! What two models decide differently, each at its own threshold.

use super::measures::is_match;

/// Most comparisons that are named for each kind of disagreement.
pub const NAMED_MAX: usize = 20;

/// One model's similarities, and the threshold it decides by.
#[derive(Debug, Clone, Copy)]
pub struct Decided<'a> {
    /// One for each comparison; `NEG_INFINITY` where a sample failed to be acquired.
    pub similarities: &'a [f32],
    /// Least similarity for a match.
    pub threshold: f32,
}

impl Decided<'_> {
    /// Of each comparison whether it is a match, and how far above the threshold it lies.
    fn outcomes(&self) -> impl Iterator<Item = Outcome> {
        let least = self.threshold;
        self.similarities.iter().map(move |found| Outcome {
            is_match: is_match(*found, least),
            margin: found - least,
        })
    }
}

/// What one model decides about a comparison.
struct Outcome {
    is_match: bool,
    margin: f32,
}

/// What two models decided about comparisons of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agreement {
    /// A match for both.
    pub both: u64,
    /// A match for neither.
    pub neither: u64,
    /// A match for the baseline alone.
    pub only_baseline: u64,
    /// A match for the candidate alone.
    pub only_candidate: u64,
    /// Numbers of the comparisons that are a match for the baseline alone: at most [`NAMED_MAX`],
    /// those first where the two are farthest apart.
    pub baseline_examples: Vec<usize>,
    /// The same for the candidate.
    pub candidate_examples: Vec<usize>,
}

impl Agreement {
    /// Comparisons in all.
    #[must_use]
    pub fn compared(&self) -> u64 {
        self.both + self.neither + self.only_baseline + self.only_candidate
    }
}

/// Agreement over comparisons of one person, and of two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agreements {
    /// Of one person: a match is right.
    pub genuine: Agreement,
    /// Of two people: a match is wrong.
    pub impostor: Agreement,
}

/// What two models decide differently about some comparisons at one target.
#[derive(Debug, Clone, PartialEq)]
pub struct Disagreements {
    /// The target false match rate; each model has its own threshold for it.
    pub target: f64,
    /// Which comparisons, in words.
    pub comparisons: String,
    /// How often they agree.
    pub agreements: Agreements,
    /// Names of probe and reference of the examples of [`Agreements::genuine`] that only the
    /// baseline, and that only the candidate matches.
    pub genuine_names: [Vec<PairNames>; 2],
    /// The same for [`Agreements::impostor`].
    pub impostor_names: [Vec<PairNames>; 2],
}

/// File names of a probe and a reference.
pub type PairNames = (String, String);

impl Disagreements {
    /// Names the examples by `name`, which knows the comparison of each number.
    #[must_use]
    pub fn new(
        target: f64,
        comparisons: String,
        agreements: Agreements,
        name: impl Fn(usize) -> PairNames,
    ) -> Self {
        let names = |of: &Agreement| {
            [&of.baseline_examples, &of.candidate_examples]
                .map(|numbers| numbers.iter().map(|number| name(*number)).collect())
        };
        Self {
            target,
            comparisons,
            genuine_names: names(&agreements.genuine),
            impostor_names: names(&agreements.impostor),
            agreements,
        }
    }
}

/// Lists that belong together but are not of one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "two models were to be compared on the same comparisons, but there are {baseline} similarities \
     of one, {candidate} of the other and {labels} labels"
)]
pub struct LengthError {
    /// Similarities of the baseline.
    pub baseline: usize,
    /// Similarities of the candidate.
    pub candidate: usize,
    /// Labels.
    pub labels: usize,
}

/// Compares what two models decide about the same comparisons; `genuine` says of each whether both
/// samples show one person.
///
/// # Errors
/// When the lists are not of one length.
pub fn agreements(
    baseline: Decided<'_>,
    candidate: Decided<'_>,
    genuine: &[bool],
) -> Result<Agreements, LengthError> {
    let lengths = LengthError {
        baseline: baseline.similarities.len(),
        candidate: candidate.similarities.len(),
        labels: genuine.len(),
    };
    if (lengths.baseline, lengths.candidate) != (lengths.labels, lengths.labels) {
        return Err(lengths);
    }
    let mut genuine_count = Counting::default();
    let mut impostor_count = Counting::default();
    let outcomes = baseline.outcomes().zip(candidate.outcomes());
    for (number, ((one, other), is_genuine)) in outcomes.zip(genuine).enumerate() {
        let counting = if *is_genuine {
            &mut genuine_count
        } else {
            &mut impostor_count
        };
        counting.take(number, &one, &other);
    }
    Ok(Agreements {
        genuine: genuine_count.finish(),
        impostor: impostor_count.finish(),
    })
}

/// An agreement while it is counted, with all its disagreements.
#[derive(Default)]
struct Counting {
    counts: Agreement,
    only_baseline: Vec<(f32, usize)>,
    only_candidate: Vec<(f32, usize)>,
}

impl Counting {
    fn take(&mut self, number: usize, baseline: &Outcome, candidate: &Outcome) {
        let counts = &mut self.counts;
        let ahead = baseline.margin - candidate.margin;
        match (baseline.is_match, candidate.is_match) {
            (true, true) => counts.both += 1,
            (false, false) => counts.neither += 1,
            (true, false) => self.only_baseline.push((ahead, number)),
            (false, true) => self.only_candidate.push((-ahead, number)),
        }
    }

    fn finish(self) -> Agreement {
        let count = |found: &[_]| found.len() as u64;
        Agreement {
            only_baseline: count(&self.only_baseline),
            only_candidate: count(&self.only_candidate),
            baseline_examples: farthest_apart(self.only_baseline),
            candidate_examples: farthest_apart(self.only_candidate),
            ..self.counts
        }
    }
}

/// Numbers of the largest distances; of equal ones the first.
fn farthest_apart(mut found: Vec<(f32, usize)>) -> Vec<usize> {
    found.sort_unstable_by(|one, other| {
        let by_distance = other.0.total_cmp(&one.0);
        by_distance.then(one.1.cmp(&other.1))
    });
    let numbers = found.into_iter().map(|(_, number)| number);
    numbers.take(NAMED_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(similarities: &[f32], threshold: f32) -> Decided<'_> {
        Decided {
            similarities,
            threshold,
        }
    }

    #[test]
    fn disagreements_are_those_counted_by_hand() {
        // Thresholds 0.5 and 0.25:     both  only A  only B  neither  both
        let baseline = decided(&[0.5, 0.75, 0.25, 0.0, 0.75], 0.5);
        let candidate = decided(&[0.25, 0.0, 0.5, 0.0, 0.75], 0.25);
        let genuine = [true, true, true, false, false];
        let found = agreements(baseline, candidate, &genuine).expect("of one length");
        let expected = Agreement {
            both: 1,
            neither: 0,
            only_baseline: 1,
            only_candidate: 1,
            baseline_examples: vec![1],
            candidate_examples: vec![2],
        };
        assert_eq!(found.genuine, expected);
        assert_eq!((found.impostor.both, found.impostor.neither), (1, 1));
        assert_eq!(
            (found.genuine.compared(), found.impostor.compared()),
            (3, 2)
        );
    }

    #[test]
    fn what_was_not_acquired_or_is_no_number_is_no_match() {
        let lost = [f32::NEG_INFINITY, f32::NAN, 0.9];
        let found = agreements(decided(&lost, 0.5), decided(&[0.9; 3], 0.5), &[true; 3]);
        let genuine = found.expect("of one length").genuine;
        assert_eq!((genuine.both, genuine.only_candidate), (1, 2));
        let nobody = [f32::NEG_INFINITY];
        let found = agreements(decided(&nobody, 0.5), decided(&nobody, 0.5), &[true]);
        assert_eq!(found.expect("of one length").genuine.neither, 1);
    }

    #[test]
    fn at_most_twenty_are_named_those_first_that_are_farthest_apart() {
        let baseline: Vec<f32> = (0..30u8).map(|n| 0.5 + f32::from(n % 10) / 100.0).collect();
        let found = agreements(
            decided(&baseline, 0.5),
            decided(&[0.0; 30], 0.5),
            &[false; 30],
        );
        let impostor = found.expect("of one length").impostor;
        assert_eq!(impostor.only_baseline, 30);
        assert_eq!(impostor.baseline_examples.len(), NAMED_MAX);
        assert_eq!(impostor.baseline_examples[..4], [9, 19, 29, 8]);
    }

    #[test]
    fn examples_get_their_names() {
        let found = agreements(
            decided(&[0.9, 0.1], 0.5),
            decided(&[0.1, 0.9], 0.5),
            &[true, false],
        );
        let named = Disagreements::new(
            1e-4,
            "listed".to_owned(),
            found.expect("of one length"),
            |number| (format!("probe {number}"), format!("reference {number}")),
        );
        assert_eq!(named.genuine_names[0][0].0, "probe 0");
        assert_eq!(named.impostor_names[1][0].1, "reference 1");
        assert!(named.genuine_names[1].is_empty() && named.impostor_names[0].is_empty());
    }

    #[test]
    fn lists_of_different_lengths_are_refused() {
        let found = agreements(decided(&[0.9], 0.5), decided(&[0.1, 0.9], 0.5), &[true]);
        let error = found.expect_err("of two lengths");
        assert!(
            error
                .to_string()
                .contains("1 similarities of one, 2 of the other")
        );
    }
}
