use roxmltree::{Document, Node};

use super::*;
use crate::evaluation::result::CurvePoint;
use crate::report::evaluation::tests::fixture::measures;

fn texts(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).expect("is XML");
    assert_eq!(document.root_element().tag_name().name(), "svg");
    let texts = document
        .descendants()
        .filter(|node| node.has_tag_name("text"));
    texts
        .filter_map(|node| node.text())
        .map(|text| text.trim().to_owned())
        .collect()
}

fn assert_shows(svg: &str, needed: &[&str]) {
    let texts = texts(svg);
    for needed in needed {
        assert!(
            texts.iter().any(|text| text == needed),
            "{needed}: {texts:?}"
        );
    }
}

fn number(node: Node<'_, '_>, name: &str) -> f64 {
    let value = node.attribute(name).expect("has the attribute");
    value.parse().expect("is a number")
}

/// Where the middle of a label of an axis stands: the axes' labels are the only texts that are
/// anchored so.
fn label(svg: &str, text: &str, along: &str) -> f64 {
    let document = Document::parse(svg).expect("is XML");
    let anchor = if along == "x" { "middle" } else { "end" };
    let found = document
        .descendants()
        .filter(|node| node.text().is_some_and(|found| found.trim() == text))
        .find(|node| node.attribute("text-anchor") == Some(anchor));
    number(found.expect("is there"), along)
}

/// Ends of all lines of a colour, in the order they are drawn.
fn lines(svg: &str, colour: RGBColor) -> Vec<Vec<(f64, f64)>> {
    let RGBColor(red, green, blue) = colour;
    let stroke = format!("#{red:02X}{green:02X}{blue:02X}");
    let document = Document::parse(svg).expect("is XML");
    let lines = document
        .descendants()
        .filter(|node| node.has_tag_name("polyline"))
        .filter(|node| node.attribute("stroke") == Some(stroke.as_str()));
    let points = |node: Node<'_, '_>| {
        let points = node.attribute("points").expect("has points").to_owned();
        let point = |pair: &str| {
            let (x, y) = pair.split_once(',').expect("is a pair");
            (x.parse().expect("x"), y.parse().expect("y"))
        };
        points.split_whitespace().map(point).collect()
    };
    lines.map(points).collect()
}

fn curve(measures: &Measures) -> Curve<'_> {
    Curve {
        name: "a <&> b",
        measures,
    }
}

#[test]
fn det_has_axes_in_percent_a_legend_and_its_points_where_their_rates_are() {
    let mut measures = measures(0.06);
    measures.targets.clear();
    let point = |fmr, fnmr| CurvePoint {
        threshold: 0.0,
        fmr,
        fnmr,
    };
    // The ends are at ticks; the second is halfway between 1e-6 and 1e-5 as deviates are.
    measures.curve = vec![
        point(0.0, 0.9),
        point(1e-6, 0.5),
        point(3.253e-6, 0.2),
        point(0.01, 0.01),
        point(0.5, 0.001),
        point(0.9, 0.0),
    ];
    let svg = det(&[curve(&measures)]).expect("is drawn");
    assert_shows(
        &svg,
        &[
            "FMR, % (normal deviate)",
            "FNMR, % (normal deviate)",
            "a <&> b",
            "equal error rate",
            "0.0001",
            "0.001",
            "20",
            "50",
        ],
    );
    let drawn = lines(&svg, colour(0));
    let ends = drawn.iter().find(|line| line.len() == 4).expect("one line");
    let x = |text| label(&svg, text, "x");
    let y = |text| label(&svg, text, "y");
    let halfway = f64::midpoint(x("0.0001"), x("0.001"));
    let expected = [
        (x("0.0001"), y("50")),
        (halfway, y("20")),
        (x("1"), y("1")),
        (x("50"), y("0.1")),
    ];
    for (found, expected) in ends.iter().zip(expected) {
        // Half a text's height apart at most, and the texts stand beside their ticks.
        let (across, along) = (found.0 - expected.0, found.1 - expected.1);
        assert!(
            across.abs() <= 2.0 && along.abs() <= 14.0,
            "{found:?} {expected:?}"
        );
    }
}

#[test]
fn det_shows_worse_models_further_and_perfect_ones_without_a_line() {
    let mut bad = measures(0.06);
    bad.eer.rate = 0.47;
    assert_shows(&det(&[curve(&bad)]).expect("is drawn"), &["80", "95", "99"]);
    let mut perfect = measures(0.06);
    perfect.targets.clear();
    for point in &mut perfect.curve {
        point.fnmr = if point.fmr > 0.0 { 0.0 } else { point.fnmr };
    }
    let svg = det(&[curve(&perfect)]).expect("is drawn");
    // Only its mark in the legend is left.
    assert_eq!(lines(&svg, colour(0)).len(), 1);
}

#[test]
fn roc_is_logarithmic_and_its_dots_lie_at_the_targets() {
    let measures = measures(0.06);
    let svg = roc(&[curve(&measures)]).expect("is drawn");
    assert_shows(
        &svg,
        &[
            "FMR, % (logarithmic)",
            "true match rate, % (1 − FNMR)",
            "a <&> b",
            "0.1",
            "100",
        ],
    );
    let document = Document::parse(&svg).expect("is XML");
    let dots: Vec<f64> = document
        .descendants()
        .filter(|node| node.has_tag_name("circle"))
        .map(|node| number(node, "cx"))
        .collect();
    let ticks = ["0.1", "0.01", "0.001"].map(|text| label(&svg, text, "x"));
    assert_eq!(dots.len(), ticks.len());
    for (dot, tick) in dots.iter().zip(ticks) {
        assert!((dot - tick).abs() <= 2.0, "{dots:?} {ticks:?}");
    }
}

#[test]
fn similarities_are_densities_with_labelled_thresholds() {
    let measures = measures(0.06);
    let svg = similarities(&curve(&measures)).expect("is drawn");
    let label_of = |at: &crate::evaluation::result::TargetRates| {
        format!("FMR {:e}: {:.4}", at.target, at.threshold)
    };
    let labels: Vec<String> = measures.targets.iter().map(label_of).collect();
    let mut needed: Vec<&str> = labels.iter().map(String::as_str).collect();
    needed.extend([
        "cosine similarity",
        "density (each area is 1)",
        "genuine",
        "impostor",
        "Similarities: a <&> b",
    ]);
    assert_shows(&svg, &needed);
    // A logistic density's peak is 1 / (4 · spread): 6.25 and 4.17 here. Bins show a little less.
    let y = |text| label(&svg, text, "y");
    let unit = (y("0") - y("4")) / 4.0;
    for (colour, peak) in [(IMPOSTOR, 6.25), (GENUINE, 4.17)] {
        let outlines = lines(&svg, colour);
        let outline = outlines.iter().max_by_key(|line| line.len()).expect("one");
        let top = outline
            .iter()
            .map(|point| point.1)
            .fold(f64::INFINITY, f64::min);
        let base = outline.iter().map(|point| point.1).fold(0.0, f64::max);
        let found = (base - top) / unit;
        assert!((found - peak).abs() < 0.15, "{found} {peak}");
    }
}

#[test]
fn thresholds_near_each_other_have_labels_below_each_other() {
    let mut measures = measures(0.06);
    for shift in [0.0, 0.4] {
        for (n, at) in (0_u8..).zip(&mut measures.targets) {
            at.threshold = 0.45 + shift + f32::from(n) * 1e-3;
        }
        let svg = similarities(&curve(&measures)).expect("is drawn");
        let document = Document::parse(&svg).expect("is XML");
        let labels = document
            .descendants()
            .filter(|node| node.has_tag_name("text"))
            .filter(|node| node.text().is_some_and(|text| text.contains("FMR 1e-")));
        let mut heights: Vec<f64> = labels.map(|node| number(node, "y")).collect();
        heights.sort_by(f64::total_cmp);
        assert_eq!(heights.len(), 3);
        assert!(
            heights.windows(2).all(|pair| pair[1] - pair[0] > 24.0),
            "{heights:?}"
        );
    }
}

#[test]
fn lines_are_cut_where_they_leave_the_axes() {
    let within = |from, to| frame::within(from, to, &(0.0..1.0), &(0.0..1.0));
    assert_eq!(
        within((-1.0, 0.5), (2.0, 0.5)),
        Some(((0.0, 0.5), (1.0, 0.5)))
    );
    assert_eq!(
        within((0.2, 0.2), (0.4, 2.2)),
        Some(((0.2, 0.2), (0.28, 1.0)))
    );
    assert_eq!(within((-1.0, 0.5), (0.5, 2.5)), None);
    assert_eq!(within((2.0, 0.5), (2.0, 0.7)), None);
}

#[test]
fn every_colour_has_one_for_dark_viewers() {
    let measures = measures(0.06);
    let many = [curve(&measures); 7];
    for svg in [
        det(&many).expect("is drawn"),
        roc(&many).expect("is drawn"),
        similarities(&many[0]).expect("is drawn"),
    ] {
        let drawing = svg.split("</style>").nth(1).expect("has a style");
        let colours = drawing.split('"').filter(|value| value.starts_with('#'));
        for colour in colours {
            assert!(svg.contains(&format!("[fill=\"{colour}\"]")), "{colour}");
        }
    }
}
