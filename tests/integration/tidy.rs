//! The sources themselves: sizes, import directions, and promises that the text of the code keeps
//! or breaks.

mod promises;

use std::path::{Path, PathBuf};

use crate::support::repository;

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 100;

/// Modules that know nothing of transport or runtime.
const DOMAIN: [&str; 22] = [
    "sample",
    "embed",
    "compare",
    "decision",
    "engine",
    "pipeline",
    "serving",
    "verify",
    "evaluation",
    "subject",
    "keys",
    "token",
    "audit",
    "access",
    "trail",
    "privacy",
    "review",
    "retention",
    "enrolment",
    "records",
    "activation",
    "store",
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

    /// Its code up to the tests at its end. What else is for tests alone is no end.
    fn served_code(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test_file = self.path.ends_with("/tests.rs");
        let opens_tests = |(_, line): &(usize, &str)| line.contains("mod ") && line.ends_with('{');
        let following = self.code().skip(1).map(Some).chain([None]);
        self.code()
            .zip(following)
            .take_while(move |((_, line), next)| {
                let is_end =
                    line.trim() == "#[cfg(test)]" && next.as_ref().is_some_and(opens_tests);
                !is_test_file && !is_end
            })
            .map(|(line, _)| line)
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
    [sources("src"), sources("tests"), sources("benches")]
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
fn only_store_says_sqlx() {
    let sources = sources("src");
    let others = sources.iter().filter(|source| !source.is_in(&["store"]));
    assert_none(
        &lines_that_say(others, &["sqlx", "rusqlite"]),
        "only src/store may say sqlx or rusqlite",
    );
    for library in ["sqlx", "rusqlite"] {
        let store = sources.iter().filter(|source| source.is_in(&["store"]));
        assert!(
            !lines_that_say(store, &[library]).is_empty(),
            "this test finds nothing any more"
        );
    }
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
fn load_knows_the_contract_and_nothing_of_the_server() {
    let sources = sources("src");
    let load = || sources.iter().filter(|source| source.is_in(&["load"]));
    let forbidden = [
        "clap",
        "indicatif",
        "crate::app",
        "crate::cli",
        "crate::config",
        "crate::decision",
        "crate::engine",
        "crate::model",
        "crate::report",
        "crate::sample",
        "crate::verify",
    ];
    assert!(load().count() > 5, "no module load");
    assert_none(
        &lines_that_say(load(), &forbidden),
        "a generator sees the server from outside: src/load must not know",
    );
}

#[test]
fn the_trail_is_checked_without_whatever_wrote_it() {
    let sources = sources("src");
    let audit = || sources.iter().filter(|source| source.is_in(&["audit"]));
    let forbidden = [
        "sqlx",
        "rusqlite",
        "tokio",
        "indicatif",
        "crate::engine",
        "crate::pipeline",
        "crate::sample",
        "crate::store",
        "crate::telemetry",
        "crate::verify",
    ];
    assert!(audit().count() > 5, "no module audit");
    assert_none(
        &lines_that_say(audit(), &forbidden),
        "an auditor needs no service to check the trail: src/audit must not know",
    );
}

#[test]
fn a_reader_who_goes_away_panics_no_command() {
    let sources = sources("src");
    assert_none(
        &lines_that_say(&sources, &["println", "print!"]),
        "these panic when standard output is closed: use `cli::print`",
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
                // Compares thresholds with each other.
                // The last one finds thresholds in scores; it decides about nobody.
                "src/decision/policy.rs"
                | "src/decision/calibration.rs"
                | "src/evaluation/measures.rs" => {}
                path => findings.push(format!("{path}:{number}: {}", line.trim())),
            }
        }
    }
    assert_none(
        &findings,
        "only src/decision may compare a similarity with a threshold",
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
        let indentation = " ".repeat(line.len() - code.len());
        let (closing, signature) = (format!("{indentation}}}"), format!("{indentation})"));
        // A trait may promise a method without a body.
        let is_end =
            |line: &&str| **line == closing || line.starts_with(&signature) && line.ends_with(';');
        let length = lines[start..].iter().position(is_end);
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
            // Strings, addresses and tables cannot be broken.
            let may_be_long = line.contains(['"', '|']) || line.contains("http");
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
