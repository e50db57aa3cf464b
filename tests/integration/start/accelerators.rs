//! An accelerator that is not there is a refusal, never a quiet fall back to the CPU. The library
//! that set-up installs has no accelerator at all.

use padan::app::ModelSet;
use padan::model::ProviderKind;

use super::{MANIFEST, Models};
use crate::support::{self, TestFolder, assert_says, padan, refusal, run};

const ACCELERATORS: [ProviderKind; 3] = [
    ProviderKind::Cuda,
    ProviderKind::TensorRt,
    ProviderKind::OpenVino,
];

#[test]
fn an_accelerator_that_the_library_does_not_have_is_refused_with_the_way_to_get_it() {
    for kind in ACCELERATORS {
        let mut config = support::full_precision();
        config.provider.kind = kind;
        let way = match kind {
            ProviderKind::OpenVino => "make setup-openvino",
            _ => "docs/accelerators.md",
        };
        let parts = [
            kind.name(),
            "built without",
            "it has: cpu.",
            way,
            "provider.name = \"cpu\"",
        ];
        assert_says(&refusal(&config), &parts);
    }
}

#[test]
fn flag_environment_and_file_choose_the_provider() {
    let folder = TestFolder::new("provider");
    let file = folder.path().join("padan.toml");
    let text = "[models]\nembedder = \"sface_2021dec\"\n[provider]\nname = \"openvino\"\n";
    std::fs::write(&file, text).expect("writes");
    let mut by_flag = padan();
    by_flag.args(["--provider", "cuda", "--embedder", "sface_2021dec"]);
    let mut by_environment = padan();
    by_environment.env("PADAN_PROVIDER", "tensorrt");
    by_environment.env("PADAN_EMBEDDER", "sface_2021dec");
    let mut by_file = padan();
    by_file.arg("--config").arg(&file);
    for (command, name) in [
        (by_flag, "cuda"),
        (by_environment, "tensorrt"),
        (by_file, "openvino"),
    ] {
        let mut command = command;
        let any = "127.0.0.1:0";
        command.args(["serve", "--listen", any, "--metrics-listen", any]);
        let (code, stdout, stderr) = run(&mut command);
        assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
        assert_says(&stderr, &["without the provider", name]);
    }
    // The flag wins over the file.
    let mut command = padan();
    command.arg("--config").arg(&file);
    let (code, _, stderr) = run(command.args(["--provider", "cpu", "models", "check"]));
    assert_eq!(code, 0, "{stderr}");
    let (code, _, stderr) = run(padan().args(["--provider", "gpu", "models", "check"]));
    assert_eq!(code, 2);
    assert_says(&stderr, &["cpu", "cuda", "tensorrt", "openvino"]);
}

#[test]
fn a_model_is_refused_on_a_provider_that_its_manifest_entry_does_not_name() {
    let models = Models::new("providers");
    let mut config = models.config();
    ModelSet::select(&config).expect("the CPU is named");
    for kind in ACCELERATORS {
        config.provider.kind = kind;
        let parts = [
            "sface_2021dec_int8",
            kind.name(),
            "only on: cpu",
            "another model with --embedder",
        ];
        assert_says(&refusal(&config), &parts);
    }
}

#[test]
fn a_manifest_entry_with_unknown_or_no_providers_is_malformed() {
    for (providers, said) in [("[]", "at least one"), ("[\"gpu\"]", "gpu")] {
        let models = Models::new(&format!("providers-{}", providers.len()));
        models.change_line(
            MANIFEST,
            "providers = ",
            &format!("providers = {providers}"),
        );
        assert_says(&models.refusal(), &["manifest", said]);
    }
}

#[test]
fn measuring_shows_every_batch_size_and_the_golden_faces() {
    let (code, stdout, stderr) = run(padan().args([
        "--embedder",
        "sface_2021dec",
        "models",
        "measure",
        "--rounds",
        "1",
        "--json",
    ]));
    assert_eq!(code, 0, "{stderr}");
    let answer: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    let sizes = answer["batches"].as_array().expect("batches").iter();
    let sizes: Vec<_> = sizes.map(|batch| batch["batch_size"].as_u64()).collect();
    assert_eq!(sizes, [1, 4, 8, 16].map(Some));
    let golden = &answer["golden_similarity"];
    let [found, expected] = ["found", "manifest"].map(|name| golden[name].as_f64());
    let difference = found.expect("a number") - expected.expect("a number");
    assert!(difference.abs() <= 0.004, "{answer}");
    assert_eq!(answer["provider"], "cpu");
}
