//! padan starts only when everything is as it should be; otherwise it says why, and what to do.

mod accelerators;
mod command_line;
mod serving;

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;

use padan::app::{App, ModelSet};
use padan::config::Config;
use padan::model::Profile;

use crate::support::{self, TestFolder, assert_says, refusal};

/// A folder of models like the repository's, for a test to spoil. The large files are links.
struct Models {
    folder: TestFolder,
    base: Config,
}

impl Models {
    /// The models served by default.
    fn new(name: &str) -> Self {
        Self::of(name, support::config())
    }

    /// Those that `base` names, and no other, so that there is one line of each kind to spoil.
    fn of(name: &str, base: Config) -> Self {
        let folder = TestFolder::new(name);
        let models = support::repository().join("models");
        let embedder = format!("{}.onnx", base.embedder);
        for entry in ["yunet_2023mar.onnx", &embedder, "golden"] {
            symlink(models.join(entry), folder.path().join(entry)).expect("links");
        }
        std::fs::create_dir(folder.path().join("calibration")).expect("a folder");
        let calibration = format!("calibration/{}.toml", base.embedder);
        std::fs::copy(models.join(&calibration), folder.path().join(&calibration)).expect("copies");
        let manifest = std::fs::read_to_string(models.join(MANIFEST)).expect("readable");
        let is_wanted = |entry: &&str| {
            let other = |id: &str| id != base.detector && id != base.embedder;
            !entry.lines().any(|line| {
                let id = line.strip_prefix("id = ").map(|id| id.trim_matches('"'));
                id.is_some_and(other)
            })
        };
        let entries: Vec<&str> = manifest.split("\n[[model]]").filter(is_wanted).collect();
        assert_eq!(entries.len(), 3, "the head, the detector, the embedder");
        std::fs::write(folder.path().join(MANIFEST), entries.join("\n[[model]]")).expect("writes");
        Self { folder, base }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces every `from` in a file of text.
    fn change(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(name)).expect("readable");
        assert!(
            text.contains(from),
            "{name} has no {from:?}: this test spoils nothing"
        );
        std::fs::write(self.path(name), text.replace(from, to)).expect("writes");
    }

    /// Replaces the only line of a file that begins with `start`.
    fn change_line(&self, name: &str, start: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(name)).expect("readable");
        let lines: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with(start))
            .collect();
        assert_eq!(lines.len(), 1, "{name}: lines that begin with {start:?}");
        self.change(name, lines[0], to);
    }

    fn config(&self) -> Config {
        let mut config = self.base.clone();
        config.calibration = self.path(&format!("calibration/{}.toml", config.embedder));
        self.folder.path().clone_into(&mut config.models);
        config
    }

    /// Why these models make no pipeline. Another contract has no calibration, so an app would stop
    /// at that.
    fn refusal_without_calibration(&self) -> String {
        let config = self.config();
        let models = ModelSet::select(&config).expect("nothing is wrong so far");
        let pipeline = models.pipeline(&Arc::new(config.pipeline.clone()));
        pipeline.err().expect("it was made")
    }

    /// Why an app with these models does not start.
    fn refusal(&self) -> String {
        refusal(&self.config())
    }
}

const MANIFEST: &str = "manifest.toml";
/// The line of the manifest with the similarity of the golden faces.
const GOLDEN: &str = "golden_similarity = ";
const CALIBRATION: &str = "calibration/sface_2021dec_int8.toml";

#[test]
fn an_unspoilt_copy_of_the_models_starts() {
    let models = Models::new("unspoilt");
    App::start(&models.config()).expect("starts");
}

#[test]
fn a_model_with_one_flipped_bit_is_refused() {
    for name in ["yunet_2023mar.onnx", "sface_2021dec_int8.onnx"] {
        let models = Models::new(&format!("digest-{name}"));
        let mut bytes = std::fs::read(models.path(name)).expect("readable");
        std::fs::remove_file(models.path(name)).expect("removes the link");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(models.path(name), bytes).expect("writes");
        assert_says(&models.refusal(), &[name, "SHA-256", "git checkout models"]);
    }
}

#[test]
fn a_missing_model_file_is_named_with_the_way_to_get_it() {
    let models = Models::new("missing-model");
    std::fs::remove_file(models.path("sface_2021dec_int8.onnx")).expect("removes the link");
    assert_says(
        &models.refusal(),
        &["sface_2021dec_int8.onnx", "make models"],
    );
}

#[test]
fn a_shape_that_is_not_the_graphs_is_refused_and_both_are_told() {
    let models = Models::new("shape");
    models.change(
        MANIFEST,
        r#""cls_8", shape = [-1, -1, 1]"#,
        r#""cls_8", shape = [-1, -1, 2]"#,
    );
    let refusal = models.refusal();
    assert_says(
        &refusal,
        &["yunet_2023mar", "cls_8[-1, -1, 2]", "the graph has"],
    );
    let models = Models::new("dimension");
    models.change(MANIFEST, "dimension = 128", "dimension = 512");
    models.change(MANIFEST, "shape = [-1, 128]", "shape = [-1, 512]");
    let refusal = models.refusal_without_calibration();
    assert_says(
        &refusal,
        &["sface_2021dec", "fc1[-1, 512]", "the graph has"],
    );
}

#[test]
fn a_name_that_the_graph_does_not_have_is_refused() {
    for (from, to) in [("\"fc1\"", "\"fc2\""), ("\"data\"", "\"image\"")] {
        let models = Models::new(&format!("name-{}", to.trim_matches('"')));
        models.change(MANIFEST, from, to);
        let names = [from, to].map(|name| name.trim_matches('"'));
        assert_says(&models.refusal(), &["sface_2021dec", names[0], names[1]]);
    }
    let models = Models::new("name-detector");
    models.change(MANIFEST, "\"kps_32\"", "\"landmarks_32\"");
    assert_says(&models.refusal(), &["yunet_2023mar", "landmarks_32"]);
}

#[test]
fn the_production_profile_refuses_a_non_commercial_licence_and_research_allows_it() {
    let models = Models::new("licence");
    models.change(
        MANIFEST,
        "licence = \"Apache-2.0\"\ncommercial_use = true",
        NON_COMMERCIAL,
    );
    let refusal = models.refusal();
    assert_says(
        &refusal,
        &["CC-BY-NC-4.0", "production", "profile = \"research\""],
    );
    let mut config = models.config();
    config.profile = Profile::Research;
    App::start(&config).expect("research may use it");
}

const NON_COMMERCIAL: &str = "licence = \"CC-BY-NC-4.0\"\ncommercial_use = false";

#[test]
fn golden_faces_with_another_similarity_are_refused() {
    let models = Models::new("golden-value");
    models.change_line(MANIFEST, GOLDEN, "golden_similarity = 0.5");
    assert_says(
        &models.refusal(),
        &["golden faces", "sface_2021dec", "0.5000"],
    );
}

#[test]
fn a_manifest_without_a_golden_similarity_is_refused() {
    let models = Models::new("golden-none");
    models.change_line(MANIFEST, GOLDEN, "");
    let refusal = models.refusal();
    assert_says(&refusal, &["golden_similarity", "sface_2021dec"]);
    assert!(!refusal.contains("NaN"), "{refusal}");
}

#[test]
fn a_wrong_colour_order_is_found_by_the_golden_faces() {
    let models = Models::of("golden-colour", support::full_precision());
    models.change(MANIFEST, "colour = \"rgb\"", "colour = \"bgr\"");
    assert_says(&models.refusal_without_calibration(), &["golden faces"]);
}

#[test]
fn missing_golden_faces_are_refused() {
    let models = Models::new("golden-missing");
    std::fs::remove_file(models.path("golden")).expect("removes the link");
    assert_says(
        &models.refusal(),
        &["golden", "one.jpg", "git checkout models"],
    );
}

#[test]
fn a_calibration_of_another_contract_is_refused() {
    let models = Models::new("calibration-contract");
    models.change(CALIBRATION, "sface_2021dec_int8:", "other_model:");
    let refusal = models.refusal();
    assert_says(
        &refusal,
        &[
            "other_model:",
            "sface_2021dec_int8:",
            "padan calibrate --out",
        ],
    );
}

#[test]
fn a_calibration_too_small_for_its_false_match_rate_is_refused() {
    let models = Models::new("calibration-small");
    models.change_line(CALIBRATION, "impostor_count", "impostor_count = 29999");
    assert_says(
        &models.refusal(),
        &["0.0001", "30000", "29999", "policy activation"],
    );
    models.change(
        CALIBRATION,
        "impostor_count = 29999",
        "impostor_count = 30000",
    );
    App::start(&models.config()).expect("30,000 are just enough");
}

#[test]
fn a_rate_that_was_not_measured_is_refused() {
    let models = Models::new("calibration-rate");
    models.change(CALIBRATION, "fmr = 0.0001\n", "fmr = 0.0002\n");
    assert_says(
        &models.refusal(),
        &["FMR 0.0001", "0.0002", "padan calibrate --out"],
    );
}

/// A threshold that is no number never matches, and one below every similarity matches everybody.
#[test]
fn a_calibration_with_senseless_thresholds_is_refused() {
    let text = std::fs::read_to_string(support::repository().join("models").join(CALIBRATION));
    let text = text.expect("readable");
    // Before the targets stands the threshold for reviews, which the default policy does not take.
    let (_, targets) = text.split_once("[[target]]").expect("targets");
    let mut lines = targets.lines().filter(|line| line.starts_with("threshold"));
    let (at_review, at_match) = (lines.next().expect("FMR 1e-3"), lines.next().expect("1e-4"));
    let cases = [
        ("nan", at_match, "threshold = nan"),
        ("infinite", at_match, "threshold = inf"),
        ("below-all", at_match, "threshold = -2.0"),
        // The band for review lies below the threshold.
        ("reversed", at_review, "threshold = 0.9"),
    ];
    for (name, line, senseless) in cases {
        let models = Models::new(&format!("calibration-{name}"));
        models.change(CALIBRATION, line, senseless);
        assert_says(&models.refusal(), &["threshold", "calibration"]);
    }
}

#[test]
fn a_missing_calibration_is_named_with_the_way_to_get_one() {
    let models = Models::new("calibration-missing");
    std::fs::remove_file(models.path(CALIBRATION)).expect("removes it");
    assert_says(
        &models.refusal(),
        &["sface_2021dec_int8.toml", "padan calibrate --out"],
    );
}

#[test]
fn a_malformed_calibration_is_named() {
    let models = Models::new("calibration-malformed");
    models.change(CALIBRATION, "impostor_count", "impostors");
    assert_says(
        &models.refusal(),
        &["sface_2021dec_int8.toml", "malformed", "impostors"],
    );
}

#[test]
fn a_malformed_manifest_is_named_with_the_mistake() {
    let cases = [
        ("schema = 1", "schema = 2", "schema 2"),
        ("schema = 1", "schema = one", "manifest"),
        ("mean = 0.0", "average = 0.0", "average"),
        (
            "id = \"sface_2021dec_int8\"",
            "id = \"yunet_2023mar\"",
            "twice",
        ),
        ("task = \"embedder\"", "task = \"search\"", "search"),
    ];
    for (index, (from, to, said)) in cases.into_iter().enumerate() {
        let models = Models::new(&format!("manifest-{index}"));
        models.change(MANIFEST, from, to);
        assert_says(&models.refusal(), &[said, "manifest"]);
    }
}

#[test]
fn a_missing_manifest_is_named() {
    let models = Models::new("manifest-missing");
    std::fs::remove_file(models.path(MANIFEST)).expect("removes it");
    assert_says(&models.refusal(), &["manifest.toml"]);
}

#[test]
fn a_model_that_the_manifest_does_not_have_is_refused_with_those_it_has() {
    let mut config = support::config();
    config.embedder = "adaface".to_owned();
    assert_says(&refusal(&config), &["adaface", "it has: sface_2021dec"]);
    // A detector is no embedder.
    config.embedder = "yunet_2023mar".to_owned();
    assert_says(&refusal(&config), &["no embedder named yunet_2023mar"]);
}
