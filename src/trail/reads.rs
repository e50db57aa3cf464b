//! Entries about the trail itself and about the process that writes it.

use std::collections::BTreeMap;

use super::plan::{Extent, Part};
use super::{Trail, TrailError};
use crate::access::Caller;
use crate::audit::{Event, Text, Timestamp};
use crate::records::Records;
use crate::store::{Position, StoreError};
use crate::subject::SubjectHash;

/// What became of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceChange {
    /// It is ready to serve.
    Started,
    /// It serves no more.
    Stopped,
}

/// Writes the entry that this process started or stopped.
///
/// # Errors
/// When the entry is not durable.
pub async fn note_service(
    records: &Records,
    change: ServiceChange,
) -> Result<Position, StoreError> {
    let mut entry = records.own_entry(Event::ServiceChanged);
    let what = match change {
        ServiceChange::Started => "started",
        ServiceChange::Stopped => "stopped",
    };
    entry.details = details([("what", what.to_owned())]);
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
        entry.details = details([("method", method.to_owned())]);
        self.records.store().append(entry).await?;
        Ok(())
    }

    pub(super) async fn note(&self, caller: &Caller, asked: Asked) -> Result<(), TrailError> {
        let mut entry = self.records.entry(Event::TrailRead, caller);
        entry.subject = asked.subject;
        entry.office = asked.office;
        entry.details = details(asked.details);
        let method = (Text::fitted("method"), Text::fitted(asked.method));
        entry.details.extend([method]);
        self.records.store().append(entry).await?;
        Ok(())
    }
}

fn details(pairs: impl IntoIterator<Item = (&'static str, String)>) -> BTreeMap<Text, Text> {
    let fitted = |(name, value): (&str, String)| (Text::fitted(name), Text::fitted(&value));
    pairs.into_iter().map(fitted).collect()
}
