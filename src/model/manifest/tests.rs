use super::*;

const EMBEDDER: &str = r#"
    schema = 1
    [[model]]
    id = "m"
    task = "embedder"
    file = "m.onnx"
    sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    licence = "CC-BY-NC-4.0"
    commercial_use = false
    source = "made up"
    colour = "rgb"
    mean = 0.0
    scale = 1.0
    alignment = "arcface-112"
    dimension = 128
    input = { name = "data", shape = [-1, 3, 112, 112] }
    output = [{ name = "fc1", shape = [-1, 128] }]
"#;

fn parse(text: &str) -> Result<Manifest, ManifestError> {
    Manifest::parse(&std::env::temp_dir(), text)
}

#[test]
fn entries_that_contradict_themselves_are_refused() {
    assert!(parse(EMBEDDER).is_ok());
    let changes = [
        ("schema = 1", "schema = 2"),
        ("id = \"m\"", "id = \"../m\""),
        ("m.onnx", "../m.onnx"),
        ("e3b0", "E3B0"),
        ("e3b0", ""),
        ("scale = 1.0", "scale = 0.0"),
        ("mean = 0.0", "mean = nan"),
        ("arcface-112", "arcface-96"),
        ("dimension = 128", "dimension = 64"),
        ("dimension = 128", ""),
        ("112, 112]", "96, 112]"),
        ("[-1, 3,", "[-1, 1,"),
        ("task = \"embedder\"", "task = \"search\""),
        ("licence =", "license ="),
    ];
    for (from, to) in changes {
        assert!(
            parse(&EMBEDDER.replacen(from, to, 1)).is_err(),
            "{from} → {to}"
        );
    }
    let twice = format!("{EMBEDDER}{}", EMBEDDER.replacen("schema = 1", "", 1));
    assert!(parse(&twice).is_err());
}

#[test]
fn bytes_go_in_as_they_are() {
    let pixels = EMBEDDER.replacen(
        "shape = [-1, 3, 112, 112] }",
        "shape = [-1, 112, 112, 3], element = \"uint8\" }",
        1,
    );
    let layout = |text: &str| parse(text).map(|manifest| manifest.models()[0].layout());
    assert_eq!(
        layout(EMBEDDER).expect("parses").ok(),
        Some(InputLayout::Planes)
    );
    assert_eq!(
        layout(&pixels).expect("parses").ok(),
        Some(InputLayout::Pixels)
    );
    for (from, to) in [
        ("rgb", "bgr"),
        ("mean = 0.0", "mean = 127.5"),
        ("scale = 1.0", "scale = 0.5"),
        ("112, 112, 3]", "96, 112, 3]"),
        ("uint8", "float32"),
        ("uint8", "int8"),
    ] {
        assert!(
            parse(&pixels.replacen(from, to, 1)).is_err(),
            "{from} → {to}"
        );
    }
    let floats = EMBEDDER.replacen("112] }", "112], element = \"uint8\" }", 1);
    assert!(parse(&floats).is_err(), "bytes in planes");
}

#[test]
fn the_production_profile_refuses_a_non_commercial_licence() {
    let manifest = parse(EMBEDDER).expect("parses");
    let select = |profile| manifest.select("m", ModelTask::Embedder, profile);
    assert!(select(Profile::Research).is_ok());
    let refused = select(Profile::Production).expect_err("non-commercial");
    assert!(refused.to_string().contains("CC-BY-NC-4.0"), "{refused}");
    assert!(
        manifest
            .select("m", ModelTask::Detector, Profile::Research)
            .is_err()
    );
}

#[test]
fn a_file_with_another_digest_is_refused() {
    let folder = std::env::temp_dir().join(format!("padan-manifest-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let manifest = Manifest::parse(&folder, EMBEDDER).expect("parses");
    let entry = &manifest.models()[0];
    assert!(matches!(
        manifest.load(entry),
        Err(ManifestError::Unreadable { .. })
    ));
    std::fs::write(folder.join("m.onnx"), b"").expect("writes");
    // The pinned digest is that of an empty file.
    assert!(manifest.load(entry).is_ok());
    std::fs::write(folder.join("m.onnx"), b"x").expect("writes");
    assert!(matches!(
        manifest.load(entry),
        Err(ManifestError::Digest { .. })
    ));
    std::fs::remove_dir_all(&folder).expect("cleans up");
}

#[test]
fn the_contract_changes_with_everything_that_moves_an_embedding() {
    let contract = |text: &str| parse(text).expect("parses").models()[0].contract_id();
    let first = contract(EMBEDDER);
    assert_eq!(
        first,
        contract(&EMBEDDER.replacen("made up", "elsewhere", 1))
    );
    for (from, to) in [
        ("e3b0", "e3b1"),
        ("rgb", "bgr"),
        ("mean = 0.0", "mean = 1.0"),
    ] {
        assert_ne!(
            first,
            contract(&EMBEDDER.replacen(from, to, 1)),
            "{from} → {to}"
        );
    }
}
