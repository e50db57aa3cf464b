//! `padan models add`, `prepare` and `check` as people run them, on networks that a user brings.

mod at_once;
mod elsewhere;
mod made;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use padan::embed::FaceEmbedder as _;
use padan::model::graph::OnnxModel;
use padan::model::{Manifest, ModelTask, OrtEmbedder, Profile, Runtime, Trial, prepare};
use padan::sample::picture::Picture;

use crate::support::{TestFolder, assert_says, config, padan, repository, run};
use made::{DIMENSION, Net, Oddity};

const MANIFEST: &str = "manifest.toml";
const LICENSED: [&str; 3] = ["--commercial-use", "--licence", "MIT"];

/// A folder of models with the default ones, and room for more.
struct Models(TestFolder);

impl Models {
    fn new(name: &str) -> Self {
        let folder = TestFolder::new(name);
        let models = repository().join("models");
        for entry in ["yunet_2023mar.onnx", "sface_2021dec_int8.onnx", "golden"] {
            symlink(models.join(entry), folder.path().join(entry)).expect("links");
        }
        std::fs::copy(models.join(MANIFEST), folder.path().join(MANIFEST)).expect("copies");
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn manifest_text(&self) -> String {
        std::fs::read_to_string(self.path(MANIFEST)).expect("readable")
    }

    fn change_manifest(&self, from: &str, to: &str) {
        let text = self.manifest_text();
        assert!(text.contains(from), "no {from:?} in {text}");
        std::fs::write(self.path(MANIFEST), text.replace(from, to)).expect("writes");
    }

    /// `padan models …` in this folder.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = padan();
        command.env("PADAN_MODELS", self.0.path());
        run(command.arg("models").args(arguments))
    }

    /// Writes a network outside the models' names, and says where.
    fn write(&self, name: &str, content: &[u8]) -> String {
        let folder = self.path("brought");
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join(name);
        std::fs::write(&path, content).expect("writes");
        path.to_str().expect("UTF-8").to_owned()
    }

    /// Adds a network under this name.
    fn add(&self, id: &str, net: Net, further: &[&str]) {
        let file = self.write(&format!("{id}.onnx"), &net.file());
        let arguments = [&["add", &file, "--write"], further].concat();
        let (code, stdout, stderr) = self.run(&arguments);
        assert_eq!(code, 0, "{stdout}{stderr}");
    }

    fn embedder(&self, id: &str) -> OrtEmbedder {
        let manifest = Manifest::read(self.0.path()).expect("is valid");
        let entry = manifest.select(id, ModelTask::Embedder, Profile::Research);
        OrtEmbedder::load(&runtime(), &manifest, entry.expect("is there")).expect("loads")
    }
}

fn runtime() -> Runtime {
    Runtime::load(&config().runtime_library).expect("the library loads")
}

/// Red in the main, so that the order of colours matters.
fn crop() -> Picture {
    let colours = [251, 120, 40_u64].into_iter().cycle();
    let pixels = (0..112 * 112 * 3_u64)
        .zip(colours)
        .map(|(n, most)| n * n % most);
    let pixels = pixels.map(|n| u8::try_from(n).expect("is small")).collect();
    Picture::new(112, 112, pixels).expect("sizes agree")
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<_> = entries
        .map(|it| name(it).into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_network_is_prepared_added_and_checked() {
    let models = Models::new("models-journey");
    let file = models.write("exported.onnx", &Net::USUAL.file());
    let out = models.path("brought/prepared.onnx");
    let out = out.to_str().expect("UTF-8");
    let (code, stdout, stderr) = models.run(&["prepare", &file, out]);
    assert_eq!(code, 0, "{stderr}");
    assert_says(&stdout, &["was 1, may vary", "GlobalAveragePool", out]);
    assert!(!stdout.contains("note:"), "{stdout}");
    let content = std::fs::read(out).expect("was written");
    let operators = OnnxModel::read(content.into())
        .expect("is a network")
        .operators();
    assert!(
        operators.contains("3 Conv") && !operators.contains("PRelu"),
        "{operators}"
    );

    let before = (models.manifest_text(), files(models.0.path()));
    let (code, drafted, stderr) = models.run(&["add", out]);
    assert_eq!(code, 0, "{stderr}");
    assert_says(
        &drafted,
        &[
            "id = \"prepared\"",
            "Confirm",
            "NOASSERTION",
            "Nothing was written",
        ],
    );
    assert_eq!((models.manifest_text(), files(models.0.path())), before);

    let said = [
        "--id",
        "mine",
        "--licence",
        "MIT",
        "--commercial-use",
        "--source",
        "a test",
    ];
    let said = [
        &said[..],
        &["--alignment", "arcface-112", "--colour", "bgr"],
    ]
    .concat();
    let said = [
        &said[..],
        &["--mean", "127.5", "--scale", "0.0078125", "--write"],
    ]
    .concat();
    let (code, stdout, stderr) = models.run(&[&["add", out], &said[..]].concat());
    assert_eq!(code, 0, "{stderr}");
    assert!(!stdout.contains("Confirm:"), "{stdout}");
    assert!(models.manifest_text().starts_with(before.0.trim_end()));
    let expected = [before.1, vec!["mine.onnx".to_owned()]].concat();
    let mut left = files(models.0.path());
    left.sort_by_key(|name| name == "mine.onnx");
    assert_eq!(left, expected, "nothing else is left behind");
    golden_faces_are_asked_for(&models);
}

/// The value to enter is told, and with it everything is as promised.
fn golden_faces_are_asked_for(models: &Models) {
    let (code, stdout, stderr) = models.run(&["check", "mine"]);
    assert_eq!(code, 1, "{stderr}");
    assert_says(&stdout, &["✗ mine, golden faces", "no golden_similarity"]);
    let value = stdout.split("enter ").nth(1).expect("a value");
    let value = value.split_whitespace().next().expect("a value");
    let line = format!("dimension = {DIMENSION}\n");
    models.change_manifest(&line, &format!("{line}golden_similarity = {value}\n"));
    let (code, stdout, stderr) = models.run(&["check", "mine"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert_says(&stdout, &["mine:", "✓"]);
    assert!(
        !stdout.contains('✗') && !stdout.contains("sface"),
        "{stdout}"
    );
    let (code, stdout, stderr) = models.run(&["check"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert_says(&stdout, &["mine:", "yunet_2023mar", "sface_2021dec_int8:"]);
}

#[test]
fn a_prepared_network_computes_what_the_given_one_does() {
    let runtime = runtime();
    for net in [
        Net::USUAL,
        Net {
            takes_pixels: true,
            ..Net::USUAL
        },
        Net {
            batch: 2,
            ..Net::USUAL
        },
    ] {
        let given = net.file();
        let done = prepare(&runtime, &given.clone().into(), "net").expect("can be prepared");
        assert_eq!((done.weight_inputs, done.prelus, done.reshapes), (1, 1, 1));
        assert_eq!(done.batch_was, Some(net.batch));
        assert!(done.cosine > 0.999_999, "{}", done.cosine);
        let batch = usize::try_from(net.batch).expect("small");
        let sides = if net.takes_pixels {
            [112, 112, 3]
        } else {
            [3, 112, 112]
        };
        let shape = |batch| [batch, sides[0], sides[1], sides[2]];
        let numbers = |batch: usize| -> Vec<f32> {
            let numbers = (0..1013_u16).map(|n| f32::from(n) / 500.0 - 1.0).cycle();
            numbers.take(batch * 3 * 112 * 112).collect()
        };
        let mut given = Trial::load(&runtime, &given).expect("loads");
        let expected = given.run(shape(batch), &numbers(batch)).expect("runs");
        let mut prepared = Trial::load(&runtime, &done.content).expect("loads");
        let found = prepared.run(shape(batch), &numbers(batch)).expect("runs");
        let pairs = || expected[0].iter().zip(&found[0]);
        assert_eq!(
            pairs().count(),
            batch * usize::try_from(DIMENSION).expect("small")
        );
        assert!(pairs().all(|(a, b)| (a - b).abs() <= 1e-4), "differs");
        assert_eq!(
            prepared.run(shape(5), &numbers(5)).expect("any batch")[0].len(),
            5 * 32
        );
    }
}

#[test]
fn a_batch_that_cannot_be_freed_stays_at_one_or_is_refused() {
    let models = Models::new("models-batch");
    let out = models.path("out.onnx");
    let out = out.to_str().expect("UTF-8");
    let net = Net::odd(Oddity::LosesBatch);
    let file = models.write("two.onnx", &Net { batch: 2, ..net }.file());
    let (code, stdout, stderr) = models.run(&["prepare", &file, out]);
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert_says(&stderr, &["two.onnx", "not written", "dynamic_axes"]);
    assert!(!Path::new(out).exists());
    let (code, _, stderr) = models.run(&["add", &file]);
    assert_eq!(code, 2);
    assert_says(&stderr, &["fixed at 2", "padan models prepare"]);
    let file = models.write("one.onnx", &net.file());
    let (code, stdout, stderr) = models.run(&["prepare", &file, out]);
    assert_eq!(code, 0, "{stderr}");
    assert_says(&stdout, &["note: only one crop at a time", "as it was"]);
    let (code, stdout, stderr) = models.run(&["add", out]);
    assert_eq!(code, 0, "{stderr}");
    assert_says(&stdout, &["providers = [\"cpu\"]", "[1, 3, 112, 112]"]);
}

#[test]
fn what_cannot_be_taken_exits_2_says_why_and_changes_nothing() {
    let models = Models::new("models-refusals");
    let before = (models.manifest_text(), files(models.0.path()));
    let net = models.write("net.onnx", &Net::USUAL.file());
    let rubbish = models.write("rubbish.onnx", b"this is not a network");
    let taken = models.write("taken.onnx", b"");
    let yunet = models.path("yunet_2023mar.onnx");
    let yunet = yunet.to_str().expect("UTF-8");
    let cases: [(&[&str], &[&str]); 9] = [
        (&["add", &rubbish], &["rubbish.onnx", "not an ONNX model"]),
        (&["add", "nowhere.onnx"], &["cannot read", "nowhere.onnx"]),
        (&["add", "/"], &["no file", "ONNX"]),
        (&["add", yunet], &["yunet", "--output"]),
        (&["add", &net, "--commercial-use"], &["--licence"]),
        (
            &["add", &net, "--id", "sface_2021dec", "--write"],
            &["stands twice", "--id"],
        ),
        (&["add", &net, "--scale", "0", "--write"], &["scale not 0"]),
        (
            &["prepare", &net, &taken],
            &["taken.onnx", "not overwritten"],
        ),
        (&["prepare", &rubbish, "out.onnx"], &["not an ONNX model"]),
    ];
    for (arguments, parts) in cases {
        let (code, _, stderr) = models.run(arguments);
        assert_eq!(code, 2, "{arguments:?}: {stderr}");
        assert_says(&stderr, parts);
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
    // Another file of that name is in the folder, and stays.
    std::fs::write(models.path("net.onnx"), "another").expect("writes");
    let (code, _, stderr) = models.run(&["add", &net, "--write"]);
    assert_eq!(code, 2, "{stderr}");
    assert_says(&stderr, &["net.onnx", "not overwritten"]);
    let kept = std::fs::read_to_string(models.path("net.onnx"));
    assert_eq!(kept.expect("is there"), "another");
    std::fs::remove_file(models.path("net.onnx")).expect("removes");
    let after = files(models.0.path())
        .into_iter()
        .filter(|name| name != "brought");
    let after = (models.manifest_text(), after.collect::<Vec<_>>());
    assert_eq!(after, before);
}

#[test]
fn layouts_give_one_network_the_same_embeddings() {
    let models = Models::new("models-layouts");
    let said = [
        "--colour",
        "bgr",
        "--mean",
        "10,20,30",
        "--scale",
        "0.01,0.02,0.005",
    ];
    models.add("planes", Net::USUAL, &said);
    models.add(
        "pixels",
        Net {
            takes_pixels: true,
            ..Net::USUAL
        },
        &said,
    );
    models.add(
        "rgb",
        Net::USUAL,
        &["--mean", "10,20,30", "--scale", "0.01,0.02,0.005"],
    );
    let embedding = |id: &str| {
        let embedding = models.embedder(id).embed(&crop()).expect("embeds");
        embedding.as_slice().to_vec()
    };
    let planes = embedding("planes");
    let differs = |other: Vec<f32>| {
        let pairs = planes.iter().zip(other);
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    assert!(differs(embedding("pixels")) < 1e-5);
    assert!(
        differs(embedding("rgb")) > 1e-3,
        "this test sees no difference"
    );
}

#[test]
fn an_embedding_among_other_outputs_is_used_alone() {
    let models = Models::new("models-outputs");
    let net = Net::odd(Oddity::TwoOutputs);
    models.add("two", net, &[]);
    models.add("one", Net::USUAL, &[]);
    let embedding = |id: &str| models.embedder(id).embed(&crop()).expect("embeds");
    assert!(
        embedding("two") == embedding("one"),
        "another output was used"
    );
    models.change_manifest("ignore_other_outputs = true\n", "");
    let (code, stdout, _) = models.run(&["check", "two"]);
    assert_eq!(code, 1);
    assert_says(&stdout, &["✗ two, names and shapes", "features"]);
}

#[test]
fn a_broken_promise_exits_1_and_is_named() {
    let models = Models::new("models-promises");
    models.add("random", Net::odd(Oddity::Random), &LICENSED);
    models.add("research", Net::USUAL, &["--licence", "CC-BY-NC-4.0"]);
    models.add("spoilt", Net::USUAL, &LICENSED);
    models.add("away", Net::USUAL, &LICENSED);
    std::fs::write(models.path("spoilt.onnx"), "other bytes").expect("writes");
    std::fs::remove_file(models.path("away.onnx")).expect("removes");
    let check = |ids: &[&str]| models.run(&[&["check"], ids].concat());
    for (id, parts) in [
        ("random", ["✗ random, deterministic", "two embeddings"]),
        ("research", ["✗ research, licence", "CC-BY-NC-4.0"]),
        ("spoilt", ["✗ spoilt, digest", "pins"]),
        ("away", ["✗ away, digest", "cannot read"]),
    ] {
        let (code, stdout, stderr) = check(&[id]);
        assert_eq!(code, 1, "{stderr}");
        assert_says(&stdout, &parts);
    }
    // Nobody named them: what is away or not allowed here is no failure, what is broken is one.
    let (code, stdout, stderr) = check(&[]);
    assert_eq!(code, 1, "{stderr}");
    assert_says(
        &stdout,
        &["– away: ", "not here", "– research: ", "✗ spoilt, digest"],
    );
    assert!(
        !stdout.contains("✗ away") && !stdout.contains("✗ research"),
        "{stdout}"
    );
    let (code, _, stderr) = check(&["nobody"]);
    assert_eq!(code, 2);
    assert_says(&stderr, &["no model nobody", "sface_2021dec_int8"]);
}
