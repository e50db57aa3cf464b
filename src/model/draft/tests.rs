use super::*;
use crate::model::{Manifest, ModelEntry};

fn port(name: &str, element: Option<Element>, shape: &[i64]) -> Port {
    Port {
        name: name.to_owned(),
        element,
        shape: shape.to_vec(),
    }
}

fn floats(name: &str, shape: &[i64]) -> Port {
    port(name, Some(Element::Float32), shape)
}

fn looked(inputs: Vec<Port>, outputs: Vec<Port>) -> Looked {
    Looked {
        stem: "My net (v2)".to_owned(),
        sha256: "ab".repeat(32),
        inputs,
        outputs,
    }
}

fn of_shape(shape: &[i64]) -> Looked {
    looked(vec![floats("x", shape)], vec![floats("y", &[-1, 512])])
}

fn entry(looked: &Looked, said: &Said) -> ModelEntry {
    let draft = draft(looked, said).expect("an entry can be made");
    let text = format!("schema = 1\n\n{}", draft.text);
    let manifest = Manifest::parse(&std::env::temp_dir(), &text);
    let manifest = manifest.unwrap_or_else(|error| panic!("{error}\n{text}"));
    manifest.models()[0].clone()
}

fn refusal(looked: &Looked, said: &Said) -> String {
    let error = draft(looked, said).expect_err("no entry can be made");
    error.to_string()
}

#[test]
fn what_the_graph_says_is_entered_and_what_it_does_not_say_is_asked_for() {
    let given = of_shape(&[-1, 3, 112, 112]);
    let drafted = draft(&given, &Said::default()).expect("an entry can be made");
    assert_eq!(drafted.id, "My_net_v2_");
    assert_eq!(drafted.text.matches("# Confirm").count(), 5);
    let entry = entry(&given, &Said::default());
    assert_eq!(entry.sha256, "ab".repeat(32));
    assert_eq!(entry.alignment.as_deref(), Some("arcface-112"));
    assert_eq!(entry.dimension, Some(512));
    assert!(!entry.commercial_use && entry.golden_similarity.is_none());
    assert_eq!(
        (entry.input.name, entry.output[0].name.as_str()),
        ("x".into(), "y")
    );
    assert!(entry.providers.is_none(), "it runs in batches");
}

#[test]
fn what_the_caller_says_is_not_asked_for_again() {
    let said = Said {
        id: Some("net".to_owned()),
        licence: Some("MIT".to_owned()),
        commercial_use: true,
        source: Some("a \"paper\"\\\nand [[model]]".to_owned()),
        alignment: Some("box-160".to_owned()),
        colour: Some(ColourOrder::Bgr),
        mean: "1,2,3".parse().ok(),
        scale: "0.5".parse().ok(),
        output: None,
    };
    let given = of_shape(&[-1, 160, 160, 3]);
    let text = draft(&given, &said).expect("an entry can be made").text;
    assert!(!text.contains("Confirm"), "{text}");
    let entry = entry(&given, &said);
    assert_eq!(Some(entry.source), said.source);
    assert_eq!(entry.licence, "MIT");
    assert!(entry.commercial_use);
    assert_eq!(
        (Some(entry.mean), Some(entry.scale)),
        (said.mean, said.scale)
    );
    assert_eq!(entry.colour, ColourOrder::Bgr);
    assert_eq!(entry.alignment.as_deref(), Some("box-160"));
}

#[test]
fn every_layout_and_every_kind_of_output_gives_an_entry_that_is_valid() {
    let said = Said::default();
    for shape in [
        [1, 3, 112, 112],
        [-1, 3, 160, 160],
        [-1, 224, 224, 3],
        [-1, 128, 128, 3],
        [-1, 3, -1, -1],
    ] {
        entry(&of_shape(&shape), &said);
    }
    let bytes = port("x", Some(Element::Uint8), &[-1, 112, 112, 3]);
    let bytes = entry(&looked(vec![bytes], vec![floats("y", &[-1, 128])]), &said);
    assert!(bytes.providers.is_some(), "bytes do not run in batches");
    let one = entry(&of_shape(&[1, 3, 112, 112]), &said);
    assert!(one.providers.is_some(), "one crop at a time is no batch");
    let square = vec![floats("y", &[-1, 128, 1, 1])];
    entry(
        &looked(vec![floats("x", &[-1, 3, 112, 112])], square),
        &said,
    );
}

#[test]
fn the_embedding_is_found_among_other_outputs_or_asked_for() {
    let input = || vec![floats("x", &[-1, 3, 112, 112])];
    let outputs = vec![
        floats("landmarks", &[-1, 10]),
        floats("embedding", &[-1, 512]),
        floats("map", &[-1, 512, 7, 7]),
        port("label", None, &[-1]),
    ];
    let found = entry(&looked(input(), outputs), &Said::default());
    assert_eq!(found.output[0].name, "embedding");
    assert!(found.ignore_other_outputs);
    let two = vec![floats("one", &[-1, 512]), floats("two", &[-1, 512])];
    let two = looked(input(), two);
    let text = refusal(&two, &Said::default());
    assert!(
        text.contains("--output") && text.contains("one float32 [-1, 512]"),
        "{text}"
    );
    let named = |name: &str| Said {
        output: Some(name.to_owned()),
        ..Said::default()
    };
    let one = entry(&two, &named("one")).contract_id();
    assert_ne!(one, entry(&two, &named("two")).contract_id());
    assert!(refusal(&two, &named("three")).contains("--output"));
}

#[test]
fn what_is_no_embedder_is_refused_with_what_to_do() {
    let said = Said::default();
    let output = || vec![floats("y", &[-1, 512])];
    let input = |inputs| looked(inputs, output());
    let image = || floats("x", &[-1, 3, 112, 112]);
    let cases = [
        (input(vec![image(), image()]), "one input"),
        (input(vec![]), "this network has: none"),
        (of_shape(&[-1, 3, 112]), "four dimensions"),
        (of_shape(&[-1, 1, 112, 112]), "four dimensions"),
        (of_shape(&[2, 3, 112, 112]), "padan models prepare"),
        (of_shape(&[-1, 3, 100, 100]), "arcface-112"),
        (of_shape(&[-1, 3, 112, 96]), "crops of 96×112"),
        (input(vec![port("x", None, &[-1, 3, 112, 112])]), "float32"),
        (
            input(vec![port("x", Some(Element::Uint8), &[-1, 3, 112, 112])]),
            "uint8 in [batch, side, side, 3]",
        ),
        (looked(vec![image()], vec![]), "this network has: none"),
        (
            looked(vec![image()], vec![floats("y", &[-1, 10])]),
            "--output",
        ),
        (
            looked(vec![image()], vec![port("y", None, &[-1, 512])]),
            "float32 [batch, dimension]",
        ),
    ];
    for (given, said_text) in cases {
        let text = refusal(&given, &said);
        assert!(text.contains(said_text), "{text:?} lacks {said_text:?}");
    }
    let unknown = Said {
        alignment: Some("arcface-224".to_owned()),
        ..Said::default()
    };
    let text = refusal(&of_shape(&[-1, 3, 112, 112]), &unknown);
    assert!(
        text.contains("arcface-224") && text.contains("112×112"),
        "{text}"
    );
    for id in ["", "../up", "a b", ".hidden"] {
        let said = Said {
            id: Some(id.to_owned()),
            ..Said::default()
        };
        let text = refusal(&of_shape(&[-1, 3, 112, 112]), &said);
        assert!(text.contains("--id"), "{text}");
    }
}
