pub(super) mod fixture;

use fixture::{face_pair, input, model};
use serde_json::Value;

use super::*;

const HOSTILE: &str =
    "</td><script>alert('1')</script>\" onload=\"x|y`*_[a](b)\u{1b}[31m\u{202e}\n@z";

/// Every text that comes from outside is hostile.
fn hostile() -> ReportInput {
    let text = || HOSTILE.to_owned();
    let mut bad = model(HOSTILE, 0.06);
    bad.facts.licence = text();
    bad.facts.commercial_use = false;
    bad.facts.source = text();
    bad.facts.sha256 = text();
    bad.faces = Some(vec![FacePair {
        names: (text(), text()),
        ..face_pair(0.5, false)
    }]);
    let evaluation = &mut bad.evaluation;
    evaluation.data = text();
    evaluation.data_sha256 = text();
    evaluation.contract_id = crate::embed::ContractId::new(HOSTILE);
    for column in &mut evaluation.columns {
        column.column = text();
        for slice in &mut column.slices {
            slice.value = text();
            slice.warning = Some(text());
        }
    }
    for degraded in &mut evaluation.degradations {
        degraded.name = text();
    }
    let mut report = input(vec![bad.clone(), bad]);
    report.title = text();
    report.degradations = BTreeMap::from([(text(), text())]);
    report.environment = Environment {
        padan: text(),
        onnx_runtime: text(),
        provider: text(),
        machine: text(),
        cores: 1,
        date: text(),
    };
    report
}

/// The page as XML: what is in it beside drawings is well-formed but for tags that HTML never
/// closes.
fn parsed(page: &str) -> String {
    let body = page.split_once("<body>").expect("has a body").1;
    let body = body.split_once("</html>").expect("ends").0;
    let images = body.split("<img ").collect::<Vec<_>>();
    let closed = images.iter().enumerate().map(|(n, part)| match n {
        0 => (*part).to_owned(),
        _ => format!("<img {}", part.replacen('>', "/>", 1)),
    });
    let closed = closed.collect::<String>().replace("<br>", "<br/>");
    format!("<body>{closed}")
}

#[test]
fn the_page_shows_every_figure_and_fetches_nothing() {
    let page = html(&input(vec![model("model_a", 0.06)])).expect("is made");
    for needed in [
        "At FMR 1e-4 (1 in 10,000) the threshold is 0.4184 and FNMR 2.06 % (95 %: 1.44–2.89 %): \
         1 in 48 genuine comparisons is not a match.",
        "17 of 4,321 samples had no usable face: 41 of 6,000 genuine comparisons could not be \
         made and count as non-matches.",
        "Accuracy over the folds: 99.31 % ± 0.42 points.",
        "Slices by age",
        "12 genuine comparisons: at least 30",
        "the reference scaled to 240 × 320",
        "80.0",
        "1.24.0",
        "Apache-2.0",
        "38,696,353",
        "model_a:0a1b2c3d4e5f6071",
        "draws 2,345 people anew, 1,000 times, with seed 20250101",
    ] {
        assert!(page.contains(needed), "{needed}");
    }
    for absent in [
        "http://", "https://", "<script", "<link", "url(", "@import", "<img",
    ] {
        let rest = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        assert!(!rest.contains(absent), "{absent}");
    }
    assert_eq!(page.matches("<svg ").count(), 3);
    roxmltree::Document::parse(&parsed(&page)).expect("every tag is closed");
}

#[test]
fn models_are_side_by_side_and_told_apart_even_when_their_names_are_the_same() {
    let page = html(&input(vec![model("m", 0.06), model("m", 0.04)])).expect("is made");
    assert_eq!(page.matches("<svg ").count(), 4);
    for name in [
        "<h3>m</h3>",
        "<h3>m (2)</h3>",
        "Rates at the targets: m (2)",
    ] {
        assert!(page.contains(name), "{name}");
    }
}

#[test]
fn faces_are_shown_with_a_notice_and_only_where_they_were_asked_for() {
    let mut one = model("m", 0.06);
    let without = html(&input(vec![one.clone()])).expect("is made");
    assert!(!without.contains("biometric") && !without.contains("base64"));
    one.faces = Some(vec![
        face_pair(0.31, false),
        face_pair(0.62, false),
        face_pair(0.21, true),
        face_pair(0.11, true),
    ]);
    let page = html(&input(vec![one.clone()])).expect("is made");
    assert!(page.contains("holds biometric data"));
    let places = ["0.6200", "0.3100", "0.1100", "0.2100"].map(|value| {
        page.find(&format!("similarity {value}<"))
            .expect("is shown")
    });
    assert!(places.is_sorted(), "{places:?}");
    // The words and tables for elsewhere have none.
    assert!(!markdown(&input(vec![one.clone()])).contains("base64"));
    if let Some(pair) = one.faces.iter_mut().flatten().next() {
        pair.probe = Bytes::from_static(b"<svg onload=x>");
    }
    let error = html(&input(vec![one])).expect_err("is no JPEG");
    assert!(error.contains("no JPEG"), "{error}");
}

#[test]
fn text_from_outside_is_only_text_wherever_it_is_shown() {
    let report = hostile();
    let page = html(&report).expect("is made");
    let xml = parsed(&page);
    let document = roxmltree::Document::parse(&xml).expect("every tag is closed");
    for node in document.descendants() {
        assert!(!node.has_tag_name("script"));
        assert!(
            node.attributes()
                .all(|attribute| !attribute.name().starts_with("on"))
        );
    }
    let head = page.split_once("<body>").expect("has a body").0;
    assert!(!head.contains("<script") && head.contains("&lt;script&gt;"));
    let text = markdown(&report);
    assert!(!text.contains("<script") && !text.contains("[a]"), "{text}");
    for shown in [&page, &text, &table(&report.models[0].evaluation)] {
        assert!(!shown.contains(['\u{1b}', '\u{202e}']));
    }
}

/// Columns of each line that is part of a table.
fn columns(markdown: &str) -> Vec<Vec<usize>> {
    let mut tables = vec![Vec::new()];
    for line in markdown.lines() {
        if line.starts_with('|') {
            let bars = line
                .replace("\\\\", "")
                .replace("\\|", "")
                .matches('|')
                .count();
            tables.last_mut().expect("one").push(bars);
        } else if tables.last().is_some_and(|table| !table.is_empty()) {
            tables.push(Vec::new());
        }
    }
    tables.retain(|table| !table.is_empty());
    tables
}

#[test]
fn tables_in_markdown_have_as_many_cells_in_each_row_as_in_their_heads() {
    let reports = [
        input(vec![model("a", 0.06)]),
        input(vec![model("a", 0.06), model("b", 0.05)]),
        hostile(),
    ];
    // Targets, slices, degraded samples and origin for each model; speed, environment, and an
    // overview of several.
    for (report, tables) in reports.iter().zip([6, 11, 11]) {
        let counts = columns(&markdown(report));
        assert_eq!(counts.len(), tables);
        for table in counts {
            assert!(table.len() > 2);
            assert!(
                table.iter().all(|bars| Some(bars) == table.first()),
                "{table:?}"
            );
        }
    }
}

#[test]
fn json_keeps_the_keys_of_the_first_reports_and_tells_the_rest() {
    let mut one = fixture::evaluation("m", 0.06);
    let value = json(&one);
    for (key, expected) in [
        ("/images", Value::from(4_321)),
        ("/failure_to_acquire", Value::from(17)),
        ("/accuracy", Value::from(0.9931)),
        ("/accuracy_std", Value::from(0.0042)),
        ("/genuine", Value::from(6_000)),
        ("/genuine_lost", Value::from(41)),
        ("/impostor", Value::from(2_000_000)),
        (
            "/model_contract_id",
            Value::from("model_a:0a1b2c3d4e5f6071"),
        ),
        ("/data_sha256", Value::from("5f".repeat(32))),
        ("/at_fmr/0.001/false_matches", Value::from(2_000)),
        ("/at_fmr/0.0001/false_matches", Value::from(200)),
        ("/at_fmr/1e-05/false_matches", Value::from(20)),
        ("/eer/rate", Value::from(0.0123)),
        ("/histogram/bin_width", Value::from(0.01)),
        ("/columns/0/slices/1/at_fmr/1e-05/fmr", Value::Null),
        (
            "/columns/0/slices/0/at_fmr/0.001/fnmr/errors",
            Value::from(2),
        ),
        (
            "/degradations/1/at_fmr/0.0001/fnmr/errors",
            Value::from(1_507),
        ),
        ("/speed/per_s", Value::from(80.0)),
        ("/resampling/of_people", Value::from(true)),
        ("/model", Value::from("m")),
        ("/gated", Value::from(true)),
    ] {
        assert_eq!(value.pointer(key), Some(&expected), "{key}");
    }
    let at = &value["at_fmr"]["0.0001"];
    for interval in [
        "threshold_interval",
        "fmr_wilson",
        "fmr_bootstrap",
        "fnmr_wilson",
        "fnmr_bootstrap",
        "fnmr_at_target",
    ] {
        let ends = at[interval].as_array().expect("is an interval");
        assert!(
            ends.len() == 2 && ends[0].as_f64() < ends[1].as_f64(),
            "{interval}"
        );
    }
    assert!(at["threshold"].is_f64() && at["fnmr"].is_f64() && at["fmr"].is_f64());
    assert_eq!(value["curve"].as_array().map(Vec::len), Some(161));
    assert_eq!(
        value["histogram"]["impostor"].as_array().map(Vec::len),
        Some(200)
    );
    one.accuracy = None;
    assert!(json(&one)["accuracy"].is_null() && json(&one)["accuracy_std"].is_null());
}

#[test]
fn a_terminal_shows_rates_with_both_intervals_slices_and_degraded_samples() {
    let mut one = fixture::evaluation("m", 0.06);
    let text = table(&one);
    for needed in [
        "95 % Wilson",
        "95 % over people",
        "1e-5",
        "0.9931",
        "over 80",
        "probe-dark",
    ] {
        assert!(text.contains(needed), "{needed}: {text}");
    }
    one.measures.resampling.of_people = false;
    one.columns.clear();
    one.degradations.clear();
    let text = table(&one);
    assert!(
        text.contains("over listed") && !text.contains("Slices"),
        "{text}"
    );
}

#[test]
fn what_is_not_known_is_left_out_and_never_shown_as_a_number() {
    let mut empty = model("m", 0.06);
    let evaluation = &mut empty.evaluation;
    evaluation.accuracy = None;
    evaluation.failure_to_acquire = 0;
    evaluation.measures.targets[0].threshold = f32::INFINITY;
    evaluation.measures.targets[1].fnmr.rate = f64::NAN;
    evaluation.measures.eer.bootstrap = (f64::NAN, f64::NAN);
    evaluation.measures.curve.clear();
    evaluation.measures.histogram.genuine.clear();
    evaluation.measures.histogram.impostor.clear();
    evaluation.speed.took = std::time::Duration::ZERO;
    evaluation.columns[0].slices[0].fnmr.clear();
    evaluation.degradations[0].fnmr.clear();
    let mut report = input(vec![empty]);
    let texts = [html(&report).expect("is made"), markdown(&report)];
    for text in texts.iter().chain([&table(&report.models[0].evaluation)]) {
        for absent in ["NaN", "inf ", "inf<", "inf%", "Accuracy over"] {
            assert!(!text.contains(absent), "{absent}");
        }
    }
    assert!(json(&report.models[0].evaluation)["speed"]["per_s"].is_null());
    report.models[0].evaluation.measures.targets.clear();
    for text in [html(&report).expect("is made"), markdown(&report)] {
        assert!(text.contains("No rate was named") && !text.contains("false non-matches"));
    }
    let none = input(Vec::new());
    assert!(html(&none).is_ok() && !markdown(&none).is_empty());
}
