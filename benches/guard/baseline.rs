//! `benches/baseline.toml`: what the guard compares with.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::support::pictures::repository;

const HEAD: &str = "\
# What `make bench-guard` compares with, written by `make bench-baseline`. Each ratio is to a
# yardstick of the same run: instructions to those of bare YuNet on 320x320, times to a bare
# session's (decoding: to the image crate's). A measure may exceed its ratio by its tolerance.
";

/// One ratio and how far it may be exceeded.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What is measured.
    pub name: String,
    /// As a multiple of the yardstick.
    pub ratio: f64,
    /// Share of the ratio by which it may be exceeded.
    pub tolerance: f64,
}

/// All ratios, and what they were measured with.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Versions, for whoever wonders why counts differ.
    made_with: BTreeMap<String, String>,
    /// Instruction counts.
    #[serde(default)]
    pub instructions: Vec<Entry>,
    /// Times.
    #[serde(default)]
    pub timed: Vec<Entry>,
}

fn path() -> PathBuf {
    repository().join("benches/baseline.toml")
}

impl Baseline {
    /// Reads the committed one.
    pub fn read() -> Self {
        let text = std::fs::read_to_string(path());
        let text = text.expect("benches/baseline.toml is there: run `make bench-baseline`");
        toml::from_str(&text).expect("benches/baseline.toml is valid")
    }

    /// The committed one, or an empty one.
    pub fn read_if_there() -> Self {
        if path().exists() {
            Self::read()
        } else {
            Self::default()
        }
    }

    /// What differs from what it was made with: name, then, now.
    pub fn differences(&self, made_with: &[(&str, String)]) -> Vec<(String, String, String)> {
        let now = made_with.iter();
        now.filter_map(|(name, now)| {
            let then = self.made_with.get(*name)?;
            (then != now).then(|| ((*name).to_owned(), then.clone(), now.clone()))
        })
        .collect()
    }

    /// Writes it over the committed one.
    pub fn write(mut self, made_with: &[(&str, String)]) {
        self.made_with = made_with
            .iter()
            .map(|(name, version)| ((*name).to_owned(), version.clone()))
            .collect();
        for entry in self.instructions.iter_mut().chain(&mut self.timed) {
            entry.ratio = rounded(entry.ratio);
        }
        let text = toml::to_string(&self).expect("names and numbers");
        let path = path();
        std::fs::write(&path, format!("{HEAD}\n{text}")).expect("writable");
        println!("wrote {}", path.display());
    }
}

/// Four significant digits: more would change with every run.
fn rounded(ratio: f64) -> f64 {
    format!("{ratio:.3e}").parse().expect("was a number")
}
