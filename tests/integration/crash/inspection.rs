//! What the trail says afterwards.

use std::collections::{BTreeMap, BTreeSet};

use padan::audit::{Entry, Event, Text};
use padan::store::Store as _;

use super::decisions::Decisions;
use crate::store::{Home, whole_chain};

/// How many entries there are, by request id.
#[derive(Default)]
struct Counts {
    decided: BTreeMap<String, u32>,
    redeemed: BTreeMap<String, u32>,
    changed: BTreeMap<String, u32>,
}

impl Counts {
    fn count(&mut self, entry: &Entry) {
        let decision = entry.decision.as_ref().map(Text::as_str);
        let request = entry.request.as_ref();
        let (counts, id) = match entry.event {
            Event::Verification => (&mut self.decided, request),
            Event::TokenRedeemed if decision != Some("REFUSED") => {
                let id = entry.details.get(&Text::fitted("decided_request"));
                (&mut self.redeemed, id)
            }
            // What a start repeats of its own accord has no request.
            Event::ReferenceChanged | Event::SubjectErased if request.is_some() => {
                (&mut self.changed, request)
            }
            _ => return,
        };
        let id = id.expect("names its request");
        *counts.entry(id.to_string()).or_default() += 1;
    }
}

/// In the trail each decision, each change of a person and each use of a token is there once, and
/// nothing else is.
pub async fn inspect(home: &Home, decisions: &Decisions, made: &BTreeSet<String>) {
    let store = home.open("inspector").await;
    let mut counts = Counts::default();
    for entry in whole_chain(&store, "crashing").await {
        counts.count(&entry);
    }
    store.close().await;
    for (what, counts) in [
        ("decision", &counts.decided),
        ("change", &counts.changed),
        ("use of a token", &counts.redeemed),
    ] {
        let doubled: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
        assert!(doubled.is_empty(), "a {what} is doubled: {doubled:?}");
    }
    let asked: BTreeSet<_> = decisions.asked.keys().cloned().collect();
    assert_same("decision", counts.decided, &asked);
    assert_same("change", counts.changed, made);
    for id in &decisions.redeemed {
        let is_there = counts.redeemed.contains_key(id);
        assert!(is_there, "the use of the token of {id} is lost");
    }
}

fn assert_same(what: &str, counts: BTreeMap<String, u32>, made: &BTreeSet<String>) {
    let found: BTreeSet<_> = counts.into_keys().collect();
    let lost: Vec<_> = made.difference(&found).collect();
    let invented: Vec<_> = found.difference(made).collect();
    assert!(lost.is_empty(), "a {what} has no entry: {lost:?}");
    assert!(
        invented.is_empty(),
        "a {what} of the trail was not made: {invented:?}"
    );
}
