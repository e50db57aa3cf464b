//! The rates against those that come of the similarities without `evaluation`.

use std::sync::Arc;

use padan::app::ModelSet;
use padan::compare::Scoring;
use padan::embed::Embedding;
use padan::engine::Checkpoint;
use padan::pipeline::{Goal, SampleTask};
use padan::sample::SampleRole;
use padan::sample::detect::FaceChoice;

use super::{FACES, Faces, PAIRS, count, json_of, list, number};
use crate::support::{config, portrait};

/// Similarities of the genuine and of the impostor comparisons, the highest first.
fn similarities() -> [Vec<f64>; 2] {
    let config = config();
    let models = Arc::new(ModelSet::select(&config).expect("selects"));
    let pipeline = models.pipeline(&Arc::new(config.pipeline.clone()));
    let mut pipeline = pipeline.expect("loads");
    let mut embed = |name: &str| -> Embedding {
        let task = SampleTask {
            image: portrait(name),
            role: SampleRole::Probe,
            choice: FaceChoice::Central,
            goal: Goal::EmbedAnyway,
            cascade: None,
        };
        let result = pipeline.run(&task, &Checkpoint::always()).expect("works");
        result.template.expect("a face").embedding
    };
    let embedded = FACES.map(|(sample, portrait)| (sample.chars().next(), embed(portrait)));
    let mut found = [Vec::new(), Vec::new()];
    for (place, (person, probe)) in embedded.iter().enumerate() {
        for (other, reference) in &embedded[place + 1..] {
            let similarity = Scoring::Cosine.similarity(probe, reference);
            let kind = usize::from(person != other);
            found[kind].push(f64::from(similarity.expect("one length")));
        }
    }
    for similarities in &mut found {
        similarities.sort_by(|one, other| other.total_cmp(one));
    }
    found
}

/// How many similarities lie in each bin, of which the first begins at -1.
fn histogram(similarities: &[f64], width: f64, bins: usize) -> Vec<usize> {
    let holds = |bin: usize, similarity: f64| {
        let from = f64::from(u32::try_from(bin).expect("few")) * width - 1.0;
        (from..from + width).contains(&similarity)
    };
    let count = |bin| {
        let inside = similarities.iter().filter(|it| holds(bin, **it));
        inside.count()
    };
    (0..bins).map(count).collect()
}

#[test]
fn the_rates_are_those_of_the_similarities_of_all_pairs() {
    const ROUNDING: f64 = 1e-5;
    let [genuine, impostor] = similarities();
    assert_eq!((genuine.len(), impostor.len()), (2, 13));
    let faces = Faces::new("evaluate-by-hand");
    let mut command = faces.listed("evaluate", "pairs.txt", PAIRS);
    let answer = json_of(command.args(["--fmr", "0.3,0.5"]));
    // 0.3 × 13 = 3.9 and 0.5 × 13 = 6.5 impostors may be above, so 3 and 6 are.
    for (fmr, allowed) in [("0.3", 3), ("0.5", 6)] {
        let rates = &answer["at_fmr"][fmr];
        assert_eq!(count(rates, "false_matches"), allowed as u64, "{rates:#}");
        let threshold = number(&rates["threshold"]);
        // The lowest one that lets no more through.
        let lowest = impostor[allowed] - ROUNDING..=impostor[allowed] + ROUNDING;
        assert!(lowest.contains(&threshold), "{threshold}: {impostor:?}");
        let refused = genuine.iter().filter(|it| **it < threshold).count();
        assert_eq!(count(rates, "false_non_matches"), refused as u64);
    }
    let width = number(&answer["histogram"]["bin_width"]);
    for (key, similarities) in [("genuine", &genuine), ("impostor", &impostor)] {
        let bins = list(&answer["histogram"][key]);
        let expected = histogram(similarities, width, bins.len());
        assert_eq!(bins, &expected, "{key}");
    }
    // Each person is more alike with herself than with others.
    assert!(genuine[1] > impostor[0]);
    assert_eq!(answer["eer"]["rate"], 0.0);
    let curve = list(&answer["curve"]);
    let rate = |key: &str| curve.iter().map(|point| number(&point[key])).collect();
    let (fmr, fnmr): (Vec<f64>, Vec<f64>) = (rate("fmr"), rate("fnmr"));
    assert!(fmr.is_sorted() && fnmr.is_sorted_by(|one, other| one >= other));
    let perfect = fmr.iter().zip(&fnmr).any(|at| at == (&0.0, &0.0));
    assert!(perfect, "{curve:#?}");
}
