//! Similarities of many comparisons, kept so that rates and their intervals can be computed.

use super::measures::by_similarity;

/// One comparison: how alike the two samples are, and whose they are.
///
/// People are numbers of [`super::Dataset::people`]. Where nobody knows whose the samples are, each
/// comparison is a unit of its own: both numbers are the same then, and used for no other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Cosine similarity; `NEG_INFINITY` when a sample failed to be acquired: a non-match at every
    /// threshold.
    pub similarity: f32,
    /// The probe's person.
    pub probe: u32,
    /// The reference's person.
    pub reference: u32,
}

impl Score {
    /// Whether the comparison could be made.
    #[must_use]
    pub fn is_made(&self) -> bool {
        self.similarity.is_finite()
    }
}

/// All genuine and impostor comparisons of an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Of one person, ascending: those that could not be made come first.
    pub genuine: Vec<Score>,
    /// Of two people. Comparisons that could not be made are not among them: they could only make
    /// the false match rate look better.
    pub impostor: Impostors,
}

impl Scores {
    /// Scores of comparisons that were listed one by one, in any order. Impostor comparisons that
    /// could not be made are left out.
    #[must_use]
    pub fn listed(mut genuine: Vec<Score>, mut impostor: Vec<Score>) -> Self {
        for score in genuine.iter_mut().filter(|score| !score.is_made()) {
            // Not a number sorts last, as if it were the best.
            score.similarity = f32::NEG_INFINITY;
        }
        genuine.sort_unstable_by(by_similarity);
        impostor.retain(Score::is_made);
        impostor.sort_unstable_by(|a, b| by_similarity(b, a));
        Self {
            genuine,
            impostor: Impostors {
                similarities: impostor.iter().map(|score| score.similarity).collect(),
                highest: impostor,
                exposure: Exposure::Listed,
            },
        }
    }

    /// Genuine comparisons that could not be made.
    #[must_use]
    pub fn genuine_lost(&self) -> u64 {
        self.genuine.partition_point(|score| !score.is_made()) as u64
    }
}

/// Impostor comparisons: millions of them, of which only the highest decide a rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Impostors {
    /// All similarities, descending.
    pub similarities: Vec<f32>,
    /// The highest of them, descending, with their people: enough for every threshold of interest
    /// in every resample. All of them with [`Exposure::Listed`].
    pub highest: Vec<Score>,
    /// How often each person takes part.
    pub exposure: Exposure,
}

/// How the impostor comparisons were made, so that a resample of people knows how many it has
/// without looking at each.
#[derive(Debug, Clone, PartialEq)]
pub enum Exposure {
    /// Listed one by one; [`Impostors::highest`] holds all.
    Listed,
    /// Every sample with every later one of another person. Samples of each person.
    EachWithEach(Vec<u32>),
    /// Every probe with every reference of another person. Probes and references of each person.
    ProbesWithReferences(Vec<u32>, Vec<u32>),
}
