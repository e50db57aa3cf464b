//! Two networks as one: their similarities are added, and the second one is spared where it cannot
//! change a decision. The two at hand are SFace in 8 and in 32 bits.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use padan::app::{App, ModelSet};
use padan::config::Config;
use padan::embed::Template;
use padan::engine::{Checkpoint, Class};
use padan::model::{Manifest, Profile};
use padan::pipeline::{Goal, SampleTask};
use padan::sample::SampleRole;
use padan::sample::detect::FaceChoice;
use padan::verify::{Reference, Urgency, Verification, VerifyTask};

use crate::support::{TestFolder, assert_says, config, full_precision, portrait, refusal};
use crate::support::{padan, repository, run};

const WEIGHTS: [f32; 2] = [0.75, 0.25];

/// A folder of models with the fusion `pair`, its calibration, and what the table says besides.
fn models(name: &str, more: &str) -> TestFolder {
    let folder = TestFolder::unique(name);
    let from = repository().join("models");
    for file in ["yunet_2023mar", "sface_2021dec", "sface_2021dec_int8"] {
        let file = format!("{file}.onnx");
        symlink(from.join(&file), folder.path().join(&file)).expect("links");
    }
    symlink(from.join("golden"), folder.path().join("golden")).expect("links");
    let manifest = std::fs::read_to_string(from.join("manifest.toml")).expect("readable");
    let [first, second] = WEIGHTS;
    let manifest = format!(
        "{manifest}\n[[fusion]]\nid = \"pair\"\n\
         models = [\"sface_2021dec_int8\", \"sface_2021dec\"]\n\
         weights = [{first}, {second}]\n{more}\n",
    );
    std::fs::write(folder.path().join("manifest.toml"), manifest).expect("writes");
    folder
}

/// A configuration that serves the fusion, calibrated with `band`, a line of TOML or none.
fn pair(folder: &Path, band: &str) -> Config {
    let mut config = config();
    folder.clone_into(&mut config.models);
    "pair".clone_into(&mut config.embedder);
    let manifest = Manifest::read(folder).expect("the manifest is valid");
    let embedder = manifest.embedder("pair", Profile::Production);
    let contract_id = embedder.expect("is there").contract_id();
    let of_first = std::fs::read_to_string(&config.calibration).expect("readable");
    let (first_line, rest) = of_first.split_once('\n').expect("lines");
    assert!(first_line.starts_with("model_contract_id"));
    let text = format!("model_contract_id = \"{contract_id}\"\n{band}\n{rest}");
    config.calibration = folder.join("pair.toml");
    std::fs::write(&config.calibration, text).expect("writes");
    config
}

/// What the manifest has to say of the golden faces: the weighted sum of what it says of the two.
const GOLDEN: &str = "golden_similarity = 0.5806";

const NOW: Urgency = Urgency {
    class: Class::LiveCheck,
    deadline: None,
};

async fn verify(config: &Config, reference: Reference) -> Verification {
    let app = App::start(config).expect("the app starts");
    let task = VerifyTask {
        probe: portrait("person_a_2.jpg"),
        reference,
        policy: String::new(),
    };
    app.verifier.verify(task, NOW).await.expect("decides")
}

fn template(config: &Config, name: &str) -> Template {
    let models = Arc::new(ModelSet::select(config).expect("selects"));
    let pipeline = models.pipeline(&Arc::new(config.pipeline.clone()));
    let task = SampleTask {
        image: portrait(name),
        role: SampleRole::Reference,
        choice: FaceChoice::Largest,
        goal: Goal::Embed,
        cascade: None,
    };
    let result = pipeline.expect("loads").run(&task, &Checkpoint::always());
    result.expect("works").template.expect("a face")
}

fn similarity(verification: &Verification) -> f32 {
    verification.similarity.expect("compared").value()
}

fn reference() -> Reference {
    Reference::Sample(portrait("person_a_1.jpg"))
}

#[tokio::test]
async fn similarities_of_two_networks_are_added_by_their_weights() {
    let folder = models("fusion-sum", GOLDEN);
    let together = verify(&pair(folder.path(), ""), reference()).await;
    let first = verify(&config(), reference()).await;
    let second = verify(&full_precision(), reference()).await;
    let expected = WEIGHTS[0] * similarity(&first) + WEIGHTS[1] * similarity(&second);
    assert!((similarity(&together) - expected).abs() < 1e-4);
    assert!((similarity(&first) - similarity(&second)).abs() > 1e-4);
    assert!(together.policy.contract_id.as_str().starts_with("pair:"));
}

#[tokio::test]
async fn outside_the_band_the_first_network_decides_alone() {
    let folder = models("fusion-band", GOLDEN);
    let first = similarity(&verify(&config(), reference()).await);
    let below = format!("band = {{ from = -0.9, to = {} }}", first - 0.05);
    let around = format!("band = {{ from = {}, to = 0.99 }}", first - 0.05);
    let whole = similarity(&verify(&pair(folder.path(), ""), reference()).await);
    for (band, expected, dimension) in [(below, first, 128), (around, whole, 256)] {
        let config = pair(folder.path(), &band);
        let as_sample = verify(&config, reference()).await;
        assert!((similarity(&as_sample) - expected).abs() < 1e-5, "{band}");
        // A template is known before the probe is embedded: a network is spared.
        let stored = template(&config, "person_a_1.jpg");
        assert_eq!(stored.embedding.as_slice().len(), 256);
        let as_template = verify(&config, Reference::Template(stored)).await;
        assert!((similarity(&as_template) - expected).abs() < 1e-5, "{band}");
        let probe = as_template.probe.template.expect("embedded");
        assert_eq!(probe.embedding.as_slice().len(), dimension, "{band}");
    }
}

#[test]
fn a_fusion_is_checked_by_its_golden_faces() {
    let folder = models("fusion-golden", "golden_similarity = 0.7");
    assert_says(&refusal(&pair(folder.path(), "")), &["pair", "0.58", "0.7"]);
}

#[test]
fn a_band_is_refused_where_there_is_no_fusion() {
    let mut config = config();
    let text = std::fs::read_to_string(&config.calibration).expect("readable");
    let folder = TestFolder::unique("fusion-single");
    config.calibration = folder.path().join("one.toml");
    let with_band = format!("band = {{ from = 0.2, to = 0.6 }}\n{text}");
    std::fs::write(&config.calibration, with_band).expect("writes");
    assert_says(&refusal(&config), &["band", "fusion"]);
}

#[test]
fn a_fusion_is_listed_with_its_contract_and_both_licences() {
    let folder = models("fusion-list", GOLDEN);
    let mut command = padan();
    command.arg("--models").arg(folder.path());
    let (code, text, _) = run(command.args(["models", "list"]));
    assert_eq!(code, 0);
    assert_says(&text, &["pair", "fusion", "Apache-2.0"]);
}
