//! Degraded samples, and the page: one file that shows no face unless somebody asks.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Faces, PAIRS, assert_refused, count, json, list, number};
use crate::support::{assert_says, run};

/// The list.
const DEGRADATIONS: [&str; 10] = [
    "reference-240x320",
    "reference-120x160",
    "reference-jpeg-4kb",
    "reference-grey",
    "reference-red-background",
    "reference-blue-background",
    "probe-blur",
    "probe-dark",
    "probe-rotated",
    "probe-compressed",
];

/// Fails where a page would load anything, or run anything.
pub fn assert_loads_nothing(page: &str) {
    for forbidden in ["<script", "<link", "<iframe", "<object", "@import", "url("] {
        assert!(!page.contains(forbidden), "{forbidden} in the page");
    }
    let namespace = "xmlns=\"http://www.w3.org/2000/svg\"";
    assert!(!page.replace(namespace, "").contains("://"), "an address");
    for attribute in ["src=", "href="] {
        for rest in page.split(attribute).skip(1) {
            let value = rest.trim_start_matches(['"', '\'']);
            let is_inside = value.starts_with("data:") || value.starts_with('#');
            assert!(is_inside, "{attribute}{}", &rest[..rest.len().min(60)]);
        }
    }
}

/// The plots of a page; fails where one is no SVG.
pub fn plots(page: &str) -> usize {
    let plots = page.split("<svg").skip(1);
    let check = |plot: &str| {
        let (inside, _) = plot.split_once("</svg>").expect("ends");
        let plot = format!("<svg{inside}</svg>");
        assert!(roxmltree::Document::parse(&plot).is_ok(), "{plot}");
    };
    plots.map(check).count()
}

#[test]
fn all_degradations_are_measured_and_written_everywhere() {
    let faces = Faces::new("evaluate-degradations");
    let (markdown, page) = (faces.path("result.md"), faces.path("result.html"));
    let mut command = faces.listed("evaluate", "pairs.txt", PAIRS);
    command.args(["--fmr", "0.3,0.5", "--degradations", "--json", "-"]);
    command.arg("--markdown").arg(&markdown);
    command.arg("--report").arg(&page);
    let (code, stdout, stderr) = run(&mut command);
    assert_eq!(code, 0, "{stderr}");
    let answer = json(&stdout);
    let rows = list(&answer["degradations"]);
    let names: Vec<_> = rows.iter().map(|row| &row["name"]).collect();
    assert_eq!(names, DEGRADATIONS);
    let mut false_matches = Vec::new();
    for row in rows {
        let failures = count(row, "failure_to_acquire");
        assert!(failures <= 6, "{row:#}");
        // What failed is a non-match of its genuine pair, and no impostor comparison.
        assert_eq!(count(row, "genuine"), 2, "{row:#}");
        assert_eq!(count(row, "impostor") == 13, failures == 0, "{row:#}");
        for fmr in ["0.3", "0.5"] {
            for (rate, of) in [("fnmr", "genuine"), ("fmr", "impostor")] {
                let rates = &row["at_fmr"][fmr][rate];
                let expected = number(&rates["errors"]) / number(&row[of]);
                assert!((number(&rates["rate"]) - expected).abs() < 1e-12, "{row:#}");
            }
        }
        false_matches.push(&row["at_fmr"]["0.3"]["fmr"]["errors"]);
    }
    // At the thresholds of the samples as they are, which are another share of other ones.
    let as_it_is = &answer["at_fmr"]["0.3"]["false_matches"];
    let others = false_matches.iter().filter(|it| **it != as_it_is).count();
    assert!(others > 0, "{false_matches:?}: nothing was degraded");
    for path in [markdown, page] {
        let text = std::fs::read_to_string(path).expect("is written");
        assert_says(&text, &DEGRADATIONS);
    }
}

#[test]
fn the_page_loads_nothing_and_shows_no_face() {
    let faces = Faces::new("evaluate-page");
    let page = faces.path("page.html");
    let mut command = faces.listed("evaluate", "pairs.txt", PAIRS);
    command.args(["--fmr", "0.3", "--report"]).arg(&page);
    let (code, stdout, stderr) = run(&mut command);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let page = std::fs::read_to_string(page).expect("is written");
    let contract = "sface_2021dec_int8:";
    assert_says(
        &page,
        &["<!doctype html>", "</html>", contract, "pairs.txt", "95 %"],
    );
    assert!(plots(&page) >= 3, "trade-offs and similarities");
    assert_loads_nothing(&page);
    for face in ["<img", "<image", "data:image", "A_0001"] {
        assert!(!page.contains(face), "{face} in the page");
    }
}

#[test]
fn faces_are_in_the_page_where_somebody_asked_for_them() {
    let faces = Faces::new("evaluate-faces");
    // One that was there, and that everybody may read.
    let page = faces.write("page.html", "before");
    std::fs::set_permissions(&page, Permissions::from_mode(0o644)).expect("set");
    let mut command = faces.listed("evaluate", "pairs.txt", PAIRS);
    command.args(["--fmr", "0.3", "--with-faces", "--report"]);
    let (code, stdout, stderr) = run(command.arg(&page));
    assert_eq!(code, 0, "{stdout}{stderr}");
    let mode = std::fs::metadata(&page).expect("is there").permissions();
    assert_eq!(mode.mode() & 0o777, 0o600, "for its owner alone");
    let page = std::fs::read_to_string(page).expect("is written");
    assert_says(&page, &["holds biometric data", "A_0001"]);
    assert_loads_nothing(&page);
    // Two genuine and two impostor pairs are listed.
    let images: Vec<_> = page.split("<img src=\"").skip(1).collect();
    assert_eq!(images.len(), 8);
    for image in images {
        let data = image.strip_prefix("data:image/jpeg;base64,");
        let encoded = data.and_then(|data| data.split('"').next());
        let bytes = STANDARD.decode(encoded.expect("a JPEG")).expect("base64");
        let image = image::load_from_memory(&bytes).expect("is one");
        assert!(image.width().max(image.height()) <= 400, "it is small");
    }
    let mut command = faces.listed("evaluate", "pairs.txt", PAIRS);
    assert_refused(command.arg("--with-faces"), &["--report"]);
}
