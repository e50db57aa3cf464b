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
    let licence = "licence = \"CC-BY-NC-4.0\"\n    commercial_use = false";
    for (name, is_taken) in [
        ("MIT", true),
        ("NOASSERTION", false),
        ("NONE", false),
        (" ", false),
    ] {
        let said = format!("licence = \"{name}\"\n    commercial_use = true");
        let text = EMBEDDER.replacen(licence, &said, 1);
        assert_ne!(text, EMBEDDER);
        assert_eq!(parse(&text).is_ok(), is_taken, "{name:?}");
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
fn floats_may_stand_pixel_by_pixel_with_any_mean_and_scale() {
    let pixels = EMBEDDER.replacen("[-1, 3, 112, 112]", "[-1, 112, 112, 3]", 1);
    for (from, to) in [
        ("rgb", "rgb"),
        ("rgb", "bgr"),
        ("mean = 0.0", "mean = [1, 2.5, 3.0]"),
        ("scale = 1.0", "scale = [0.5, 0.5, 0.25]"),
    ] {
        let manifest = parse(&pixels.replacen(from, to, 1)).expect("parses");
        let layout = manifest.models()[0].layout();
        assert_eq!(layout.ok(), Some(InputLayout::FloatPixels), "{from} → {to}");
    }
    for (from, to) in [
        ("mean = 0.0", "mean = [1.0, 2.0]"),
        ("mean = 0.0", "mean = [1.0, nan, 2.0]"),
        ("scale = 1.0", "scale = [1.0, 0.0, 1.0]"),
        ("scale = 1.0", "scale = \"1.0\""),
    ] {
        assert!(
            parse(&pixels.replacen(from, to, 1)).is_err(),
            "{from} → {to}"
        );
    }
}

#[test]
fn crops_of_other_sides_take_an_alignment_of_that_side() {
    let sized = |side: &str, alignment: &str| {
        let text = EMBEDDER.replacen("112, 112]", &format!("{side}, {side}]"), 1);
        parse(&text.replacen("arcface-112", alignment, 1))
    };
    for (side, alignment) in [
        ("160", "arcface-160"),
        ("160", "box-160"),
        ("224", "box-224"),
        ("-1", "arcface-128"),
    ] {
        assert!(sized(side, alignment).is_ok(), "{side} {alignment}");
    }
    let refused = sized("160", "arcface-112").expect_err("another side");
    assert!(refused.to_string().contains("112×112"), "{refused}");
    let refused = sized("112", "plain").expect_err("no such alignment");
    assert!(refused.to_string().contains("box-160"), "{refused}");
}

#[test]
fn the_embedding_is_one_output_and_others_are_ignored_when_the_entry_says_so() {
    let output = "output = [{ name = \"fc1\", shape = [-1, 128] }]";
    let with = |to: &str| parse(&EMBEDDER.replacen(output, to, 1));
    for shape in ["[-1, 128, 1, 1]", "[1, 128]"] {
        assert!(
            with(&output.replacen("[-1, 128]", shape, 1)).is_ok(),
            "{shape}"
        );
    }
    for shape in ["[-1, 3, 128]", "[128]", "[-1, 64]", "[]"] {
        assert!(
            with(&output.replacen("[-1, 128]", shape, 1)).is_err(),
            "{shape}"
        );
    }
    let two = "output = [{ name = \"a\", shape = [-1, 128] }, { name = \"b\", shape = [-1] }]";
    let refused = with(two).expect_err("two outputs");
    assert!(
        refused.to_string().contains("ignore_other_outputs"),
        "{refused}"
    );
    let ignoring = with(&format!("{output}\nignore_other_outputs = true")).expect("parses");
    let alone = parse(EMBEDDER).expect("parses");
    let contract = |manifest: &Manifest| manifest.models()[0].contract_id();
    assert_ne!(contract(&ignoring), contract(&alone));
}

#[test]
fn a_metric_other_than_the_cosine_is_refused_with_the_reason() {
    let with = |metric: &str| {
        let line = format!("metric = \"{metric}\"\ndimension = 128");
        parse(&EMBEDDER.replacen("dimension = 128", &line, 1))
    };
    let cosine = with("cosine").expect("parses");
    let euclidean = with("euclidean-on-unit").expect("parses");
    // Nothing that is computed changes.
    let contract = |manifest: &Manifest| manifest.models()[0].contract_id();
    assert_eq!(contract(&cosine), contract(&euclidean));
    let refused = with("euclidean").expect_err("raw distances");
    for part in ["\"euclidean\"", "unit length", "euclidean-on-unit"] {
        assert!(refused.to_string().contains(part), "{refused}");
    }
}

/// Stored templates and calibrations name them.
#[test]
fn the_contract_ids_of_the_models_that_come_with_padan_stay_what_they_are() {
    for (id, sha256, contract) in [
        (
            "sface_2021dec",
            "511989f6124fb9dd76f7eddcc8395b0b5de2c612379193a9ddfc165e44d4e05e",
            "sface_2021dec:8ddb908241980a62",
        ),
        (
            "sface_2021dec_int8",
            "9fdc9bf7228f66dcda375924e81c72fbba60357ffa68c1abd0bdc8918565cc29",
            "sface_2021dec_int8:6e1ce09b87fab55f",
        ),
    ] {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let text = EMBEDDER.replacen("id = \"m\"", &format!("id = \"{id}\""), 1);
        let manifest = parse(&text.replacen(empty, sha256, 1)).expect("parses");
        assert_eq!(manifest.models()[0].contract_id().as_str(), contract);
        let each = text.replacen("mean = 0.0", "mean = [0.0, 0.0, 0.0]", 1);
        let manifest = parse(&each.replacen(empty, sha256, 1)).expect("parses");
        assert_eq!(manifest.models()[0].contract_id().as_str(), contract);
    }
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
        ("mean = 0.0", "mean = [0.0, 0.0, 1.0]"),
        ("scale = 1.0", "scale = [1.0, 2.0, 1.0]"),
    ] {
        assert_ne!(
            first,
            contract(&EMBEDDER.replacen(from, to, 1)),
            "{from} → {to}"
        );
    }
}

/// Two embedders, and a fusion of them.
fn with_fusion(fusion: &str) -> String {
    let second = EMBEDDER.replacen("schema = 1", "", 1);
    let second = second.replacen("id = \"m\"", "id = \"n\"", 1);
    format!("{EMBEDDER}{second}[[fusion]]\n{fusion}")
}

const FUSION: &str = r#"
    id = "pair"
    models = ["m", "n"]
    weights = [0.7, 0.3]
    band = { from = 0.2, to = 0.6 }
"#;

#[test]
fn fusions_that_contradict_themselves_are_refused() {
    assert!(parse(&with_fusion(FUSION)).is_ok());
    let changes = [
        ("\"pair\"", "\"m\""),
        ("\"pair\"", "\"../pair\""),
        ("[\"m\", \"n\"]", "[\"m\", \"m\"]"),
        ("[\"m\", \"n\"]", "[\"m\", \"other\"]"),
        ("0.7, 0.3", "0.7, 0.7"),
        ("0.7, 0.3", "1.0, 0.0"),
        ("0.7, 0.3", "nan, 0.3"),
        ("0.6 }", "0.1 }"),
        ("weights", "weight"),
    ];
    for (from, to) in changes {
        let changed = FUSION.replacen(from, to, 1);
        assert!(parse(&with_fusion(&changed)).is_err(), "{from} → {to}");
    }
}

#[test]
fn a_fusion_has_a_contract_of_its_own_that_the_band_does_not_change() {
    let embedder = |fusion: &str| {
        let manifest = parse(&with_fusion(fusion)).expect("parses");
        manifest
            .embedder("pair", Profile::Research)
            .expect("is there")
    };
    let fused = embedder(FUSION);
    assert_eq!((fused.dimension(), fused.models().len()), (256, 2));
    assert!(fused.contract_id().as_str().starts_with("pair:"));
    let other_band = embedder(&FUSION.replacen("0.6", "0.5", 1));
    assert_eq!(other_band.contract_id(), fused.contract_id());
    let other_weights = embedder(&FUSION.replacen("0.7, 0.3", "0.6, 0.4", 1));
    assert_ne!(other_weights.contract_id(), fused.contract_id());
}

#[test]
fn production_refuses_a_fusion_with_a_network_that_it_refuses() {
    let manifest = parse(&with_fusion(FUSION)).expect("parses");
    let refused = manifest.embedder("pair", Profile::Production);
    assert!(matches!(refused, Err(ManifestError::Licence { .. })));
    let unknown = manifest.embedder("nothing", Profile::Research);
    assert!(unknown.expect_err("no such").to_string().contains("pair"));
}

#[test]
fn a_fusion_has_both_licences_and_a_choice_stays_one() {
    let licence = |first: &str, second: &str| {
        let text = with_fusion(FUSION).replacen("CC-BY-NC-4.0", first, 1);
        let manifest = parse(&text.replacen("CC-BY-NC-4.0", second, 1)).expect("parses");
        let fused = manifest.embedder("pair", Profile::Research);
        fused.expect("is there").licence()
    };
    assert_eq!(licence("MIT", "MIT"), "MIT");
    assert_eq!(licence("MIT", "Apache-2.0"), "MIT AND Apache-2.0");
    let choice = licence("MIT OR Apache-2.0", "BSD-3-Clause");
    assert_eq!(choice, "(MIT OR Apache-2.0) AND BSD-3-Clause");
}
