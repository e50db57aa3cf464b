//! The sources themselves: sizes, import directions, and promises that the text of the code keeps or
//! breaks.

use std::path::{Path, PathBuf};

use crate::support::repository;

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 100;

/// Modules that know nothing of transport or runtime.
const DOMAIN: [&str; 8] = [
    "sample",
    "embed",
    "compare",
    "decision",
    "engine",
    "pipeline",
    "verify",
    "evaluation",
];

/// One source file, by its path in the repository.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Its numbered lines without comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = (1..).zip(self.text.lines());
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// Its code up to the tests at its end.
    fn served_code(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test_file = self.path.ends_with("/tests.rs");
        self.code()
            .take_while(move |(_, line)| !is_test_file && line.trim() != "#[cfg(test)]")
    }

    /// Whether it is one of `modules`, or inside one: `src/model.rs` and `src/model/…` are `model`.
    fn is_in(&self, modules: &[&str]) -> bool {
        modules.iter().any(|module| {
            self.path == format!("src/{module}.rs")
                || self.path.starts_with(&format!("src/{module}/"))
        })
    }
}

fn files_below(folder: &Path, extension: &str, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_below(&path, extension, files);
        } else if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
}

fn sources(folder: &str) -> Vec<Source> {
    let mut files = Vec::new();
    files_below(&repository().join(folder), "rs", &mut files);
    files.sort();
    assert!(!files.is_empty(), "no sources in {folder}");
    let read = |path: PathBuf| Source {
        text: std::fs::read_to_string(&path).expect("readable"),
        path: path
            .strip_prefix(repository())
            .expect("inside")
            .display()
            .to_string(),
    };
    files.into_iter().map(read).collect()
}

fn all_sources() -> Vec<Source> {
    [sources("src"), sources("tests")]
        .into_iter()
        .flatten()
        .collect()
}

/// Whether `line` says `name` as a word of its own: `ort::` is not in `report::`.
fn says(line: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + name.len()..].chars().next();
        !before.is_some_and(is_word) && (name.ends_with(':') || !after.is_some_and(is_word))
    })
}

/// Fails with every finding, not only the first.
fn assert_none(findings: &[String], rule: &str) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

/// Lines of `sources` that say one of `names`.
fn lines_that_say<'a>(
    sources: impl IntoIterator<Item = &'a Source>,
    names: &[&str],
) -> Vec<String> {
    let mut findings = Vec::new();
    for source in sources {
        for (number, line) in source.served_code() {
            if names.iter().any(|name| says(line, name)) {
                findings.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    findings
}

#[test]
fn only_model_says_ort() {
    let sources = sources("src");
    let others = sources.iter().filter(|source| !source.is_in(&["model"]));
    assert_none(
        &lines_that_say(others, &["ort::", "use ort"]),
        "only src/model may say ort",
    );
    let model = sources.iter().filter(|source| source.is_in(&["model"]));
    assert!(
        !lines_that_say(model, &["ort::"]).is_empty(),
        "this test finds nothing any more"
    );
}

#[test]
fn the_domain_knows_neither_transport_nor_runtime() {
    let sources = sources("src");
    let domain = || sources.iter().filter(|source| source.is_in(&DOMAIN));
    let forbidden = [
        "tonic",
        "prost",
        "ort::",
        "use ort",
        "crate::grpc",
        "proto::",
        "axum",
        "clap",
        "crate::cli",
        "crate::config",
        "crate::model",
        "crate::report",
        "crate::app",
        "std::net",
    ];
    for module in DOMAIN {
        assert!(
            sources.iter().any(|source| source.is_in(&[module])),
            "no module {module}"
        );
    }
    assert_none(
        &lines_that_say(domain(), &forbidden),
        "the domain must not know",
    );
}

#[test]
fn only_decision_compares_a_similarity_with_a_threshold() {
    let sources = sources("src");
    let operators = [" >= ", " <= ", " > ", " < ", "total_cmp(", "partial_cmp("];
    let words = ["similarity", "threshold", "review_from", "Similarity"];
    let compares = |line: &str| {
        operators.iter().any(|operator| line.contains(operator))
            && words.iter().any(|word| line.contains(word))
    };
    let mut findings = Vec::new();
    let mut in_decision = 0;
    for source in &sources {
        for (number, line) in source.served_code().filter(|(_, line)| compares(line)) {
            match source.path.as_str() {
                "src/decision.rs" => in_decision += 1,
                // Finds thresholds in scores; decides about nobody.
                "src/evaluation/measures.rs" => {}
                path => findings.push(format!("{path}:{number}: {}", line.trim())),
            }
        }
    }
    assert_none(
        &findings,
        "only src/decision.rs may compare a similarity with a threshold",
    );
    assert_eq!(
        in_decision, 2,
        "the threshold and the review band are compared once each"
    );
}

#[test]
fn only_config_reads_the_environment() {
    let sources = sources("src");
    let others = sources.iter().filter(|source| !source.is_in(&["config"]));
    assert_none(
        &lines_that_say(others, &["std::env", "env::"]),
        "only src/config may say std::env",
    );
}

#[test]
fn nothing_searches_a_population() {
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
    let methods: Vec<&str> = contract
        .lines()
        .filter_map(|line| line.trim().strip_prefix("rpc "))
        .map(|line| line.split('(').next().unwrap_or_default())
        .collect();
    assert_eq!(methods, ["Verify", "AssessCapture", "GetServiceInfo"]);
    assert!(
        !contract.contains("repeated Sample "),
        "a request with many samples invites a search"
    );
}

fn proto() -> String {
    let mut files = Vec::new();
    files_below(&repository().join("proto"), "proto", &mut files);
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

#[test]
fn files_are_short() {
    let long = all_sources().into_iter().filter_map(|source| {
        let lines = source.text.lines().count();
        (lines > FILE_LINES_MAX).then(|| format!("{}: {lines} lines", source.path))
    });
    assert_none(&long.collect::<Vec<_>>(), "files have at most 400 lines");
}

/// Name and number of lines of each function; rustfmt puts its closing brace below its `fn`.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut functions = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let is_function = !code.starts_with("//")
            && code.split("fn ").next().is_some_and(|before| {
                let words = ["pub", "pub(super)", "pub(crate)", "const", "async"];
                before.split_whitespace().all(|word| words.contains(&word))
            })
            && code.contains("fn ");
        let is_whole = code.ends_with('}') || code.ends_with(';');
        if !is_function || is_whole {
            continue;
        }
        let indentation = line.len() - code.len();
        let closing = format!("{}}}", " ".repeat(indentation));
        let length = lines[start..].iter().position(|line| *line == closing);
        let name = code.split("fn ").nth(1).unwrap_or_default();
        let name = name.split(['(', '<']).next().unwrap_or_default();
        functions.extend(length.map(|length| (name.to_owned(), length + 1)));
    }
    functions
}

#[test]
fn functions_are_short() {
    let mut counted = 0;
    let mut findings = Vec::new();
    for source in all_sources() {
        for (name, lines) in functions(&source.text) {
            counted += 1;
            if lines > FUNCTION_LINES_MAX {
                findings.push(format!("{}: {name} has {lines} lines", source.path));
            }
        }
    }
    assert!(
        counted > 200,
        "only {counted} functions were seen: this test is blind"
    );
    assert_none(&findings, "functions have at most 70 lines");
}

#[test]
fn lines_are_short() {
    let mut findings = Vec::new();
    for source in all_sources() {
        for (number, line) in (1..).zip(source.text.lines()) {
            let may_be_long = line.contains('"') || line.contains("http");
            if line.chars().count() > COLUMNS_MAX && !may_be_long {
                findings.push(format!("{}:{number}", source.path));
            }
        }
    }
    assert_none(&findings, "lines have at most 100 columns");
}

#[test]
fn nothing_is_left_to_do_or_ignored() {
    // Written apart, so that this file does not find itself.
    let words = [
        concat!("todo", "!"),
        concat!("unimplemented", "!"),
        concat!("dbg", "!"),
        concat!("#[", "ignore"),
        concat!("FIX", "ME"),
        concat!("TO", "DO"),
    ];
    let mut findings = Vec::new();
    for source in all_sources() {
        for (number, line) in (1..).zip(source.text.lines()) {
            if words.iter().any(|word| line.contains(word)) {
                findings.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    assert_none(&findings, "left over");
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
        return std::fs::read_to_string(path).is_ok_and(|text| text.contains("test]"));
    }
    let (module, test) = guard.split_once("::tests").unwrap_or((guard, ""));
    let path = module.replace("::", "/");
    let files = [format!("src/{path}.rs"), format!("src/{path}/tests.rs")];
    let texts = files.map(|file| std::fs::read_to_string(repository().join(file)));
    let text: String = texts.into_iter().flatten().collect();
    let test = test.trim_start_matches("::");
    let is_there = test.is_empty() || text.contains(&format!("fn {test}("));
    let has_tests = !guard.contains("::tests") || text.contains("#[test]");
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
    for entry in manifest.models() {
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
