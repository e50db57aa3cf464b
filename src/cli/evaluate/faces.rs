//! The faces of the worst errors, small, for a page that somebody asked for.

use bytes::Bytes;

use crate::cli::session::{Measured, Session};
use crate::cli::{Failure, read_sample};
use crate::evaluation::dataset::Comparison;
use crate::evaluation::degrade::thumbnail;
use crate::report::evaluation::FacePair;
use crate::sample::decode::ImageLimits;

/// Pairs of each kind.
const PAIRS_MAX: usize = 12;

/// The listed comparisons of one person that are least alike, and those of two people that are most
/// alike.
pub fn worst(session: &Session<'_>, measured: &Measured) -> Result<Vec<FacePair>, Failure> {
    let listed = session.dataset.listed.iter();
    let listed = listed.zip(&measured.evaluated.listed);
    let mut made: Vec<_> = listed.filter(|(_, value)| value.is_finite()).collect();
    made.sort_unstable_by(|(_, one), (_, other)| one.total_cmp(other));
    let genuine = made.iter().filter(|(it, _)| it.genuine);
    let impostor = made.iter().rev().filter(|(it, _)| !it.genuine);
    let chosen = genuine.take(PAIRS_MAX).chain(impostor.take(PAIRS_MAX));
    let pair = |(comparison, similarity): &(&Comparison, &f32)| {
        let (probe, probe_name) = face(session, comparison.probe)?;
        let (reference, reference_name) = face(session, comparison.reference)?;
        Ok(FacePair {
            probe,
            reference,
            similarity: **similarity,
            genuine: comparison.genuine,
            names: (probe_name, reference_name),
        })
    };
    chosen.map(pair).collect()
}

fn face(session: &Session<'_>, sample: u32) -> Result<(Bytes, String), Failure> {
    let sample = usize::try_from(sample)
        .ok()
        .and_then(|at| session.dataset.samples.get(at));
    let sample = sample.ok_or_else(|| Failure::Technical("a sample is missing".to_owned()))?;
    let small = thumbnail(&read_sample(&sample.path)?, &ImageLimits::default());
    let small = small.map_err(|error| Failure::Technical(error.to_string()))?;
    Ok((small.into(), sample.name.clone()))
}
