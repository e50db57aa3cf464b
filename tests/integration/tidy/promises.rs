//! Promises of the crate page, the contract and the folders that text can keep or break.

use std::path::PathBuf;

use super::{assert_none, files_below, sources};
use crate::support::repository;

/// Every method of the contract, by name: a new one is looked at before it is added here.
const METHODS: [&str; 30] = [
    "Activate",
    "Announce",
    "AssessCapture",
    "BreachScope",
    "Decide",
    "Delete",
    "Enqueue",
    "Erase",
    "Export",
    "ExportSubject",
    "GetPublicKeys",
    "GetServiceInfo",
    "GetShadowReport",
    "GetStatus",
    "Import",
    "ListModels",
    "LoadModel",
    "Next",
    "Put",
    "Query",
    "RedeemResult",
    "Rekey",
    "Rollback",
    "SetBlocked",
    "StartShadow",
    "StopShadow",
    "UnloadModel",
    "Verify",
    "VerifyChain",
    "WithdrawConsent",
];

#[test]
fn duty_11_nothing_searches_a_population() {
    let mut findings = Vec::new();
    let sources = sources("src");
    // src/config looks for files.
    for source in sources.iter().filter(|source| !source.is_in(&["config"])) {
        for (number, line) in source.served_code() {
            let name = line
                .split("fn ")
                .nth(1)
                .and_then(|rest| rest.split(['(', '<']).next());
            let words = [
                "search",
                "identif",
                "gallery",
                "one_to_many",
                "nearest_template",
                "top_k",
            ];
            let is_search = name.is_some_and(|name| words.iter().any(|word| name.contains(word)));
            let many = [
                "[Template]",
                "[Embedding]",
                "Vec<Template>",
                "Vec<Embedding>",
            ];
            let takes_many = many.iter().any(|many| line.contains(many));
            if is_search || takes_many {
                findings.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    assert_none(
        &findings,
        "there is no 1:N search in padan, nor a function that invites one",
    );
    let contract = proto();
    let mut methods: Vec<&str> = contract
        .lines()
        .filter_map(|line| line.trim().strip_prefix("rpc "))
        .map(|line| line.split('(').next().unwrap_or_default())
        .collect();
    methods.sort_unstable();
    assert_eq!(methods, METHODS);
    assert!(
        !contract.contains("repeated Sample "),
        "a request with many samples invites a search"
    );
}

fn proto() -> String {
    let mut files = Vec::new();
    // Beside it lies ONNX's file format, which is not served.
    files_below(&repository().join("proto/padan"), "proto", &mut files);
    let read = |path: &PathBuf| std::fs::read_to_string(path).expect("readable");
    files.iter().map(read).collect()
}

#[test]
fn the_zero_of_every_enum_of_the_contract_is_unspecified() {
    let contract = proto();
    let mut enums = 0;
    let mut findings = Vec::new();
    for block in contract.split("\nenum ").skip(1) {
        enums += 1;
        let name = block.split_whitespace().next().unwrap_or_default();
        let body = block.split('}').next().unwrap_or_default();
        let zero = body.lines().find(|line| line.trim_end().ends_with("= 0;"));
        let prefix: String = name
            .chars()
            .enumerate()
            .flat_map(|(at, c)| {
                (at > 0 && c.is_uppercase())
                    .then_some('_')
                    .into_iter()
                    .chain([c])
            })
            .collect();
        let expected = format!("{}_UNSPECIFIED = 0;", prefix.to_uppercase());
        if zero.map(str::trim) != Some(expected.as_str()) {
            findings.push(format!("{name}: {zero:?} instead of {expected}"));
        }
    }
    assert!(enums > 0, "the contract has enums");
    assert_none(&findings, "the zero of an enum is its *_UNSPECIFIED");
}

/// What the invariants of the crate page name in parentheses, as written.
fn guards() -> Vec<String> {
    let page = std::fs::read_to_string(repository().join("src/lib.rs")).expect("readable");
    let section = page
        .split("## Invariants")
        .nth(1)
        .expect("the page lists invariants");
    let section: String = section
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with("//!") || line.is_empty())
        .map(|line| line.trim_start_matches("//!"))
        .collect();
    let quoted = section.split('`').skip(1).step_by(2);
    let is_guard = |name: &&str| name.contains("::") || name.contains("tests/");
    quoted.filter(is_guard).map(str::to_owned).collect()
}

/// Whether a guard is there: a file of tests, a test, a module of tests, or a module.
fn exists(guard: &str) -> bool {
    if guard.contains('/') {
        let path = repository().join(guard);
        return std::fs::read_to_string(path).is_ok_and(|text| {
            // The last makes tests for both databases.
            ["test]", "::test(", "on_both!("]
                .iter()
                .any(|it| text.contains(it))
        });
    }
    let (module, test) = guard.split_once("::tests").unwrap_or((guard, ""));
    let path = module.replace("::", "/");
    let files = [format!("src/{path}.rs"), format!("src/{path}/tests.rs")];
    let texts = files.map(|file| std::fs::read_to_string(repository().join(file)));
    let text: String = texts.into_iter().flatten().collect();
    let test = test.trim_start_matches("::");
    let is_there = test.is_empty() || text.contains(&format!("fn {test}("));
    let has_tests = !guard.contains("::tests") || text.contains("test]");
    !text.is_empty() && is_there && has_tests
}

#[test]
fn every_invariant_of_the_crate_page_names_a_test_that_exists() {
    let guards = guards();
    assert!(guards.len() >= 8, "{guards:?}");
    let missing: Vec<String> = guards.into_iter().filter(|guard| !exists(guard)).collect();
    assert_none(&missing, "src/lib.rs names guards that do not exist");
    assert!(!exists("compare::tests::no_such_test") && !exists("tests/no_such_file.rs"));
}

#[test]
fn every_file_that_the_manifest_names_is_in_the_tree() {
    let models = repository().join("models");
    let manifest = padan::model::Manifest::read(&models).expect("the manifest is valid");
    assert!(!manifest.models().is_empty());
    let ignored = std::fs::read_to_string(repository().join(".gitignore")).expect("is there");
    for entry in manifest.models() {
        let path = format!("/models/{}", entry.file);
        // Weights that may not be shipped: whoever wants to measure them fetches them.
        if ignored.lines().any(|line| line == path) {
            assert!(!entry.commercial_use, "{path} may be shipped, but is not");
            continue;
        }
        assert!(entry.commercial_use, "{path} may not be shipped, but is");
        manifest
            .load(entry)
            .expect("the file is there and has the pinned digest");
        let licence = models.join("LICENSES");
        assert!(
            licence.is_dir(),
            "licences of the weights are kept beside them"
        );
    }
}

#[test]
fn the_changelog_has_a_group_for_accuracy() {
    let text = std::fs::read_to_string(repository().join("CHANGELOG.md")).expect("is there");
    assert!(
        text.contains("# Accuracy"),
        "changes of scores and rates have a group of their own"
    );
}
