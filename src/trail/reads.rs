//! Entries about the trail itself and about the process that writes it.

use std::collections::BTreeSet;

use super::plan::{Extent, Part};
use super::{Trail, TrailError};
use crate::access::Caller;
use crate::audit::{Entry, Event, Text, Timestamp};
use crate::decision::Policy;
use crate::records::Records;
use crate::store::{Position, StoreError};
use crate::subject::SubjectHash;

/// Policies that the entry names at most; how many more there are is said.
const POLICIES_MAX: usize = 50;

/// Writes the entry that this process starts, and by which policies it is going to decide. A policy
/// changes only with a start or with a model, so this and [`note_model`] write the entry of each
/// change: a version stands for the thresholds, the calibration and the contract.
///
/// # Errors
/// When the entry is not durable.
pub async fn note_start<'a>(
    records: &Records,
    policies: impl Iterator<Item = &'a Policy>,
) -> Result<Position, StoreError> {
    let mut entry = records.own_entry(Event::ServiceChanged);
    entry.detail("what", "started");
    name_policies(&mut entry, policies);
    records.store().append(entry).await
}

/// Writes the entry of what `caller`, or padan itself, did with a model: what it was, what else is
/// to be said of it, and the policies of that model.
///
/// # Errors
/// When the entry is not durable.
pub async fn note_model<'a>(
    records: &Records,
    caller: Option<&Caller>,
    (what, details): (&str, &[(&'static str, String)]),
    policies: impl Iterator<Item = &'a Policy>,
) -> Result<Position, StoreError> {
    let mut entry = match caller {
        Some(caller) => records.entry(Event::ServiceChanged, caller),
        None => records.own_entry(Event::ServiceChanged),
    };
    entry.detail("what", what);
    for (name, value) in details {
        entry.detail(name, value);
    }
    name_policies(&mut entry, policies);
    records.store().append(entry).await
}

/// Says which policies these are, and of which contracts.
fn name_policies<'a>(entry: &mut Entry, policies: impl Iterator<Item = &'a Policy>) {
    let (mut contracts, mut more) = (BTreeSet::new(), 0_usize);
    for (number, policy) in policies.enumerate() {
        contracts.insert(Text::fitted(policy.contract_id.as_str()));
        if number < POLICIES_MAX {
            let (threshold, review_from) = (policy.threshold.value(), policy.review_from.value());
            let value = format!(
                "{}: match from {threshold}, review from {review_from}, FMR {}",
                policy.version, policy.fmr
            );
            entry.detail(&format!("policy {}", policy.id), &value);
        } else {
            more += 1;
        }
    }
    if more > 0 {
        entry.detail("more_policies", &more.to_string());
    }
    entry.contracts = contracts.into_iter().collect();
}

/// Writes the entry that this process serves no more.
///
/// # Errors
/// When the entry is not durable.
pub async fn note_stop(records: &Records) -> Result<Position, StoreError> {
    let mut entry = records.own_entry(Event::ServiceChanged);
    entry.detail("what", "stopped");
    records.store().append(entry).await
}

/// What somebody asks of the trail, as its entry says it.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub method: &'static str,
    pub subject: Option<SubjectHash>,
    pub office: Option<Text>,
    pub details: Vec<(&'static str, String)>,
}

impl Asked {
    pub fn part(method: &'static str, part: &Part) -> Self {
        let mut details = Vec::new();
        if let Some(writer) = &part.writer {
            details.push(("writer", writer.to_string()));
        }
        match part.extent {
            Extent::From(first) => details.push(("first", first.to_string())),
            Extent::Sequences(first, last) => {
                details.extend([("first", first.to_string()), ("last", last.to_string())]);
            }
            Extent::Times(from_us, until_us) => details.extend(times(from_us, until_us)),
        }
        Self {
            method,
            details,
            ..Self::default()
        }
    }
}

/// A window of time as its ends stand in entries.
pub(super) fn times(from_us: i64, until_us: i64) -> [(&'static str, String); 2] {
    let text = |us| Timestamp::from_microseconds(us).map_or("-".to_owned(), |it| it.to_string());
    [("from", text(from_us)), ("until", text(until_us))]
}

impl Trail {
    /// Writes the entry that `caller` asks for a check of a part.
    ///
    /// # Errors
    /// When the entry is not durable: then nothing may be answered.
    pub async fn note_verify(&self, caller: &Caller, part: &Part) -> Result<(), TrailError> {
        self.note(caller, Asked::part("VerifyChain", part)).await
    }

    /// Writes the entry that `caller` asks for an export of a part.
    ///
    /// # Errors
    /// As [`Self::note_verify`].
    pub async fn note_export(&self, caller: &Caller, part: &Part) -> Result<(), TrailError> {
        self.note(caller, Asked::part("Export", part)).await
    }

    /// Writes the entry that `caller` was refused `method`, and why.
    ///
    /// # Errors
    /// As [`Self::note_verify`].
    pub async fn note_refusal(
        &self,
        caller: &Caller,
        method: &'static str,
        why: &'static str,
    ) -> Result<(), TrailError> {
        let mut entry = self.records.entry(Event::CallRefused, caller);
        entry.reasons = vec![Text::fitted(why)];
        entry.detail("method", method);
        self.records.store().append(entry).await?;
        Ok(())
    }

    pub(super) async fn note(&self, caller: &Caller, asked: Asked) -> Result<(), TrailError> {
        let mut entry = self.records.entry(Event::TrailRead, caller);
        entry.subject = asked.subject;
        entry.office = asked.office;
        for (name, value) in &asked.details {
            entry.detail(name, value);
        }
        entry.detail("method", asked.method);
        self.records.store().append(entry).await?;
        Ok(())
    }
}
