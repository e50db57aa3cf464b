//! Made-up comparisons in every form, some with names that would break it.

use super::*;
use crate::evaluation::comparison::made_up;
use crate::evaluation::gate::{Gate, VerdictLine};

/// A model's name, a licence and a degradation that would break a page, a table and a terminal.
const HOSTILE: &str = "<script>alert('1')</script> | a\n| b | \u{1b}[31m`\"&";

/// With a verdict of a gate that the candidate, half a point worse, does not pass.
fn judged() -> ModelComparison {
    let mut comparison = made_up::comparison();
    let gate =
        "[accuracy]\nfmr = 1e-4\nfnmr_worse_points_max = 0.1\n[licence]\ncommercial_use = true";
    let verdict = Gate::parse(gate)
        .expect("a gate")
        .judge(&comparison.baseline, &comparison.candidates[0]);
    comparison.candidates[0].verdict = Some(verdict.expect("measured"));
    comparison
}

fn all_forms(comparison: &ModelComparison) -> [String; 3] {
    let page = page(comparison).expect("is drawn");
    [table(comparison), markdown(comparison), page]
}

fn hostile() -> ModelComparison {
    let mut comparison = judged();
    comparison
        .environment
        .push((HOSTILE.to_owned(), HOSTILE.to_owned()));
    for model in [
        &mut comparison.baseline,
        &mut comparison.candidates[0].result,
    ] {
        HOSTILE.clone_into(&mut model.facts.model);
        HOSTILE.clone_into(&mut model.facts.licence);
        HOSTILE.clone_into(&mut model.evaluation.degradations[0].name);
        HOSTILE.clone_into(&mut model.evaluation.data);
    }
    let candidate = &mut comparison.candidates[0];
    HOSTILE.clone_into(&mut candidate.disagreements[0].comparisons);
    candidate.disagreements[0].genuine_names[0][0] = (HOSTILE.to_owned(), HOSTILE.to_owned());
    let line = VerdictLine {
        key: "licence.commercial_use",
        demanded: HOSTILE.to_owned(),
        measured: HOSTILE.to_owned(),
        passed: true,
    };
    candidate.verdict.as_mut().expect("judged").lines.push(line);
    comparison
}

#[test]
fn all_forms_tell_the_verdict_the_difference_and_how_it_was_measured() {
    let comparison = judged();
    for text in all_forms(&comparison) {
        // A narrow table breaks its cells into lines.
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for expected in [
            "FAILED: 1 of 2 demands",
            "+0.500",
            "FNMR",
            "the models took turns",
            "× 1.000",
            "513",
        ] {
            assert!(words.contains(expected), "{expected:?} is not in {text}");
        }
    }
}

#[test]
fn the_page_draws_the_curves_of_all_models_and_loads_nothing() {
    let page = page(&judged()).expect("is drawn");
    for label in [
        "detection error trade-off",
        "receiver operating characteristic",
        "similarities of old",
        "similarities of new",
    ] {
        let drawing = format!("<svg role=\"img\" aria-label=\"{label}\" ");
        assert_eq!(page.matches(&drawing).count(), 1, "{label}");
    }
    let (_, det) = page.split_once("detection error").expect("is drawn");
    let (det, _) = det.split_once("</svg>").expect("ends");
    assert!(
        ["old", "new"].iter().all(|name| det.contains(name)),
        "{det}"
    );
    assert!(page.contains("default-src 'none'") && !page.contains("<script"));
}

#[test]
fn counts_of_one_are_told_as_such() {
    let mut comparison = judged();
    let is_broken = "1 of 2 demands of the gate is not met";
    assert!(table(&comparison).contains(is_broken));
    let verdict = comparison.candidates[0].verdict.clone().expect("judged");
    for (line, says) in verdict
        .lines
        .into_iter()
        .zip(["demand is not met", "demand is met"])
    {
        let verdict = comparison.candidates[0].verdict.as_mut();
        verdict.expect("judged").lines = vec![line];
        assert!(table(&comparison).contains(says), "{says}");
    }
    let cost = comparison.baseline.cost.as_mut().expect("measured");
    (cost.latency.count, cost.left_out, cost.throughput.lanes) = (1, 1, 1);
    let text = markdown(&comparison);
    for says in [
        "1 time for each model",
        "1 sample without a face was left out",
        "1 lane busy",
    ] {
        assert!(text.contains(says), "{says}: {text}");
    }
}

#[test]
fn without_a_gate_nothing_is_passed_or_failed() {
    let comparison = made_up::comparison();
    for text in all_forms(&comparison) {
        assert!(text.contains("No gate was given"), "{text}");
        assert!(!text.contains("PASSED") && !text.contains("FAILED"));
    }
}

#[test]
fn what_was_not_measured_is_left_out_or_shown_as_missing() {
    let mut comparison = made_up::comparison();
    let candidate = &mut comparison.candidates[0].result.evaluation;
    candidate.measures.targets.clear();
    comparison.candidates[0].result.cost = None;
    assert!(markdown(&comparison).contains("| – |"));
    comparison.baseline.cost = None;
    comparison.baseline.evaluation.degradations.clear();
    comparison.candidates[0].disagreements.clear();
    let text = markdown(&comparison);
    for title in ["Speed and cost", "Degradations", "Disagreements", "Gate"] {
        assert!(!text.contains(&format!("## {title}\n")), "{title}");
    }
}

#[test]
fn hostile_names_break_no_page() {
    let page = page(&hostile()).expect("is drawn");
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"));
    assert!(!page.contains('\u{1b}'));
    let body = page.split_once("</style></head>").expect("a head").1;
    let body = body.trim_end().strip_suffix("</html>").expect("an end");
    // What is left is well-formed: every tag that text brought in would stand out.
    roxmltree::Document::parse(body).expect("well-formed");
}

#[test]
fn hostile_names_break_no_table_and_no_terminal() {
    let comparison = hostile();
    let text = markdown(&comparison);
    assert!(!text.contains('\u{1b}') && !text.contains("<script"));
    for part in parts::parts(&comparison) {
        let title = format!("## {}\n", part.title);
        let (_, section) = text.split_once(title.as_str()).expect("the part");
        let rows = section.lines().skip_while(|line| !line.starts_with('|'));
        let rows: Vec<&str> = rows.take_while(|line| line.starts_with('|')).collect();
        assert_eq!(rows.len(), part.rows.len() + 2, "{}", part.title);
        for row in rows {
            let bars = row.replace("\\|", "").matches('|').count();
            assert_eq!(bars, part.header.len() + 1, "{row}");
        }
    }
    let text = table(&comparison);
    assert!(
        text.chars().all(|c| c == '\n' || !c.is_control()),
        "{text:?}"
    );
}

#[test]
fn the_json_names_examples_and_has_null_for_what_is_no_number() {
    let mut comparison = judged();
    comparison.candidates[0].paired[0].interval.1 = f64::NAN;
    let value = json(&comparison);
    assert_eq!(value["passed"], false);
    let candidate = &value["candidates"][0];
    assert_eq!(candidate["verdict"]["lines"][0]["passed"], false);
    assert_eq!(
        candidate["verdict"]["lines"][1]["key"],
        "licence.commercial_use"
    );
    assert!(candidate["paired"][0]["difference_interval"][1].is_null());
    let genuine = &candidate["disagreements"][0]["genuine"];
    assert_eq!(genuine["only_baseline_examples"][0]["probe"], "probe 0");
    assert_eq!(genuine["only_baseline"], 1);
    assert_eq!(candidate["cost"]["latency"]["median_ms"], 20.0);
    assert_eq!(value["baseline"]["accuracy"]["targets"][0]["fmr"], 1e-4);
}
