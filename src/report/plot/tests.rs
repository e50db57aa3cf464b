use super::*;
use crate::report::load::tests::outcome;

fn plot(runs: &[Outcome]) -> String {
    latency_over_rate(runs).expect("is drawn")
}

/// All texts of the drawing; fails when it is no XML.
fn texts(svg: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(svg).expect("is XML");
    assert_eq!(document.root_element().tag_name().name(), "svg");
    let texts = document.descendants().filter_map(|node| node.text());
    texts.map(|text| text.trim().to_owned()).collect()
}

#[test]
fn a_sweep_is_a_whole_drawing_with_titles_units_and_a_legend() {
    let svg = plot(&[
        outcome(5.0, 20.0),
        outcome(40.0, 900.0),
        outcome(20.0, 30.0),
    ]);
    let texts = texts(&svg);
    for needed in [
        "Latency over offered rate (padan 1.2.3 <&> \"', 2 lanes)",
        "latency, ms (logarithmic)",
        "offered rate, calls a second",
        "decisions a second",
        "median",
        "90th percentile",
        "99th percentile",
        "achieved",
        "as many as offered",
    ] {
        assert!(
            texts.iter().any(|text| text == needed),
            "{needed}: {texts:?}"
        );
    }
    // Four figures at each of three rates.
    assert_eq!(svg.matches("<circle").count(), 12);
}

#[test]
fn rates_are_drawn_in_their_order_whatever_order_they_were_run_in() {
    let (one, two) = (outcome(5.0, 20.0), outcome(40.0, 900.0));
    assert_eq!(plot(&[one.clone(), two.clone()]), plot(&[two, one]));
}

#[test]
fn one_run_nothing_answered_and_no_run_at_all_are_drawn_too() {
    let mut silent = outcome(0.0, 1.0);
    silent.latency = None;
    silent.throughput_per_s = 0.0;
    let mut fast = outcome(1e5, 1e-9);
    fast.throughput_per_s = 1e5;
    for runs in [vec![], vec![outcome(5.0, 20.0)], vec![silent], vec![fast]] {
        assert!(texts(&plot(&runs)).len() > 5);
    }
}

#[test]
fn every_colour_has_one_for_dark_viewers() {
    let svg = plot(&[outcome(5.0, 20.0), outcome(40.0, 900.0)]);
    let drawing = svg.split("</style>").nth(1).expect("has a style");
    let mut colours: Vec<&str> = drawing
        .split('"')
        .filter(|value| value.starts_with('#'))
        .collect();
    colours.sort_unstable();
    colours.dedup();
    assert!(colours.len() >= 7, "{colours:?}");
    for colour in colours {
        assert!(svg.contains(&format!("[fill=\"{colour}\"]")), "{colour}");
    }
}
