use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;

use super::*;
use crate::compare::Scoring;
use crate::embed::Template;
use crate::sample::align::ARCFACE_112;

const FUSION: Fusion = Fusion {
    first_dimension: 2,
    first_weight: 0.75,
};

const CASCADE: Cascade = Cascade {
    fusion: FUSION,
    band: Band {
        from: 0.25,
        to: 0.5,
    },
};

/// A unit vector in the plane whose cosine with `(1, 0)` is this.
fn at_cosine(cosine: f32) -> Embedding {
    Embedding::from_output(&[cosine, (1.0 - cosine * cosine).sqrt()]).expect("a direction")
}

fn fused(first: f32, second: f32) -> Embedding {
    let joined = FUSION.joined(&at_cosine(first), &at_cosine(second));
    joined.expect("a direction")
}

fn close(a: f32, b: f32) -> bool {
    (a - b).abs() < 1e-6
}

/// Answers always the same, and counts how often it is asked.
struct Counted {
    contract_id: ContractId,
    cosine: f32,
    asked: Arc<AtomicU32>,
}

impl FaceEmbedder for Counted {
    fn contract_id(&self) -> &ContractId {
        &self.contract_id
    }

    fn alignment(&self) -> &'static AlignmentTemplate {
        &ARCFACE_112
    }

    fn embed(&mut self, _: &Picture) -> Result<Embedding, InferenceError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(at_cosine(self.cosine))
    }
}

/// An embedder of two networks that answer at these cosines, and how often the second was asked.
fn embedder(first: f32, second: f32) -> (FusedEmbedder, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let part = |cosine, asked: &Arc<AtomicU32>| -> Box<dyn FaceEmbedder> {
        Box::new(Counted {
            contract_id: ContractId::new("part:1"),
            cosine,
            asked: Arc::clone(asked),
        })
    };
    let parts = [part(first, &Arc::default()), part(second, &asked)];
    let fused = FusedEmbedder::new(parts, FUSION, ContractId::new("pair:1"));
    (fused.expect("one crop"), asked)
}

#[test]
fn the_similarity_of_a_pair_is_the_weighted_sum() {
    let similarity = dot(fused(0.8, 0.4).as_slice(), fused(1.0, 1.0).as_slice());
    assert!(close(similarity, 0.75 * 0.8 + 0.25 * 0.4), "{similarity}");
}

#[test]
fn the_second_network_is_asked_within_the_band_only() {
    let reference = fused(1.0, 1.0);
    let crop = Picture::filled(112, 112, [0; 3]);
    for (first, asked_for, similarity) in [
        (0.2, 0, 0.2),
        (0.26, 1, 0.75 * 0.26 + 0.25 * -0.4),
        (0.49, 1, 0.75 * 0.49 + 0.25 * -0.4),
        (0.51, 0, 0.51),
    ] {
        let (mut embedder, asked) = embedder(first, -0.4);
        let probe = embedder.embed_for(&crop, &CASCADE, &reference);
        let probe = probe.expect("embeds");
        assert_eq!(asked.load(Ordering::Relaxed), asked_for, "at {first}");
        let found = CASCADE.similarity(&probe, &reference).expect("comparable");
        assert!(close(found, similarity), "at {first}: {found}");
    }
}

#[test]
fn embedders_of_different_crops_are_not_fused() {
    static OTHER: AlignmentTemplate = AlignmentTemplate {
        name: "other",
        ..ARCFACE_112
    };
    struct Other(ContractId);
    impl FaceEmbedder for Other {
        fn contract_id(&self) -> &ContractId {
            &self.0
        }
        fn alignment(&self) -> &'static AlignmentTemplate {
            &OTHER
        }
        fn embed(&mut self, _: &Picture) -> Result<Embedding, InferenceError> {
            Ok(at_cosine(1.0))
        }
    }
    let (first, _) = embedder(1.0, 1.0);
    let parts: [Box<dyn FaceEmbedder>; 2] =
        [Box::new(first), Box::new(Other(ContractId::new("other:1")))];
    assert!(FusedEmbedder::new(parts, FUSION, ContractId::new("pair:1")).is_none());
}

#[test]
fn a_probe_without_its_second_part_is_not_compared_where_that_is_asked() {
    let reference = fused(1.0, 1.0);
    assert_eq!(CASCADE.similarity(&at_cosine(0.3), &reference), None);
    let template = |embedding| Template {
        contract_id: ContractId::new("pair:1"),
        embedding,
    };
    let (probe, reference) = (template(at_cosine(0.9)), template(reference));
    // By the cosine alone its length is another one.
    assert!(Scoring::Cosine.compare(&probe, &reference).is_err());
    let similarity = Scoring::Cascade(CASCADE).compare(&probe, &reference);
    assert!(close(
        similarity.expect("decided by the first").value(),
        0.9
    ));
}

#[test]
fn lengths_that_are_not_those_of_a_pair_have_no_similarity() {
    let (part, whole) = (at_cosine(1.0), fused(1.0, 1.0));
    let longer = Embedding::from_output(&[1.0; 5]).expect("a direction");
    for (probe, reference) in [
        (&part, &part),
        (&whole, &part),
        (&longer, &whole),
        (&whole, &longer),
    ] {
        assert_eq!(FUSION.first_similarity(probe, reference), None);
        assert_eq!(CASCADE.similarity(probe, reference), None);
        assert!(!CASCADE.is_decided_by(probe, reference));
    }
}

#[test]
fn a_band_has_its_lower_edge_and_not_its_upper_one() {
    let Band { from, to } = CASCADE.band;
    for (similarity, is_inside) in [
        (from.next_down(), false),
        (from, true),
        (to.next_down(), true),
        (to, false),
        (f32::NAN, false),
    ] {
        let found = CASCADE.band.contains(similarity);
        assert_eq!(found, is_inside, "at {similarity}");
    }
}

#[test]
fn a_band_is_sound_or_refused() {
    let band = |from, to| Band { from, to };
    assert!(band(-1.0, 1.0).is_sound() && band(0.2, 0.5).is_sound());
    for band in [
        band(0.5, 0.5),
        band(0.5, 0.2),
        band(-1.1, 0.2),
        band(0.2, 1.1),
        band(f32::NAN, 0.2),
        band(0.2, f32::NAN),
    ] {
        assert!(!band.is_sound(), "{band:?}");
    }
}

proptest! {
    #[test]
    fn a_probe_in_part_and_a_whole_one_have_one_similarity(
        first in -1_f32..1.0, second in -1_f32..1.0,
    ) {
        let reference = fused(1.0, 1.0);
        let whole = CASCADE.similarity(&fused(first, second), &reference).expect("comparable");
        let (mut embedder, _) = embedder(first, second);
        let crop = Picture::filled(112, 112, [0; 3]);
        let probe = embedder.embed_for(&crop, &CASCADE, &reference).expect("embeds");
        // Rounding may put one on this side of an edge of the band, and one on the other.
        let at_edge = [0.25, 0.5].iter().any(|edge| (first - edge).abs() < 1e-5);
        let found = CASCADE.similarity(&probe, &reference);
        prop_assert!(at_edge || found.is_some_and(|found| close(found, whole)));
    }
}
