//! `[store]`, `[verification]` and `[enrolment]`: whether references are kept, where, and the
//! limits of a verification by NIK.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::activation::Limits;
use crate::audit::WriterId;
use crate::store::{Location, Settings};

/// `[store]` as typed. Without it padan keeps nothing, and compares pairs of photographs.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreTable {
    /// File of an SQLite database, made when it is missing.
    pub file: Option<PathBuf>,
    /// Name of an environment variable with the address of a PostgreSQL database.
    pub address_variable: Option<String>,
    /// Address of a PostgreSQL database; with a password in it, use `address_variable`.
    pub address: Option<String>,
    /// Name of this process's chain in the audit trail.
    pub writer: Option<String>,
    /// Connections at most.
    pub connections_max: Option<u32>,
    /// How long a statement may run, milliseconds.
    pub statement_timeout_ms: Option<u64>,
}

/// `[enrolment]` as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnrolmentTable {
    /// Whether portraits are kept, sealed, beside the templates made from them.
    pub keep_portraits: bool,
}

/// `[verification]` as typed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VerificationTable {
    /// Comparisons of a session at most.
    pub session_attempts_max: u32,
    /// Comparisons of a subject on a day at most.
    pub day_attempts_max: u32,
    /// By how much the calendar's day is ahead of UTC, minutes: 420 in western Indonesia.
    pub day_offset_min: i32,
    /// Life of a result token, seconds.
    pub token_life_s: u32,
    /// How old a consent may be, hours.
    pub consent_age_max_h: u32,
}

impl Default for VerificationTable {
    fn default() -> Self {
        Self {
            session_attempts_max: 3,
            day_attempts_max: 5,
            day_offset_min: 420,
            token_life_s: 90,
            consent_age_max_h: 24,
        }
    }
}

/// The name of the chain when none is configured: one process, one machine.
const WRITER: &str = "padan";

pub(super) fn settings(table: Option<&StoreTable>, mistakes: &mut Vec<String>) -> Option<Settings> {
    let table = table?;
    let address = match (&table.address, &table.address_variable) {
        (Some(address), None) => Some(address.clone()),
        (None, Some(name)) => variable(name, mistakes),
        (None, None) => None,
        (Some(_), Some(_)) => {
            mistakes.push("store.address and store.address_variable: give one".to_owned());
            None
        }
    };
    let location = match (&table.file, address) {
        (Some(file), None) => Location::Sqlite(file.clone()),
        (None, Some(address)) => Location::Postgres(address),
        _ => {
            let mistake = "store takes either file (SQLite) or address or address_variable \
                (PostgreSQL)";
            mistakes.push(mistake.to_owned());
            return None;
        }
    };
    let writer = match WriterId::new(table.writer.as_deref().unwrap_or(WRITER)) {
        Ok(writer) => writer,
        Err(error) => {
            mistakes.push(format!("store.writer: {error}"));
            return None;
        }
    };
    if matches!(location, Location::Postgres(_)) && table.writer.is_none() {
        let mistake = "store.writer is needed with PostgreSQL: a name of its own for each replica";
        mistakes.push(mistake.to_owned());
    }
    let mut settings = Settings::new(location, writer);
    settings.connections_max = table.connections_max.unwrap_or(settings.connections_max);
    if let Some(milliseconds) = table.statement_timeout_ms {
        settings.statement_timeout = Duration::from_millis(milliseconds);
    }
    if settings.connections_max < 2 || settings.statement_timeout.is_zero() {
        let mistake = "store.connections_max takes 2 or more, store.statement_timeout_ms 1 or more";
        mistakes.push(mistake.to_owned());
    }
    Some(settings)
}

fn variable(name: &str, mistakes: &mut Vec<String>) -> Option<String> {
    let value = super::secret_variable(name);
    if value.is_none() {
        mistakes.push(format!("store.address_variable: {name} is not set"));
    }
    value.map(|value| value.as_str().to_owned())
}

pub(super) fn limits(table: &VerificationTable, mistakes: &mut Vec<String>) -> Limits {
    if !(1..=90).contains(&table.token_life_s) {
        mistakes.push("verification.token_life_s takes 1 to 90".to_owned());
    }
    if !(-720..=840).contains(&table.day_offset_min) {
        mistakes.push("verification.day_offset_min takes -720 to 840".to_owned());
    }
    if table.session_attempts_max == 0 || table.day_attempts_max == 0 {
        let mistake = "verification.session_attempts_max and day_attempts_max take 1 or more";
        mistakes.push(mistake.to_owned());
    }
    if table.consent_age_max_h == 0 {
        mistakes.push("verification.consent_age_max_h takes 1 or more".to_owned());
    }
    Limits {
        session_attempts_max: table.session_attempts_max,
        day_attempts_max: table.day_attempts_max,
        day_offset: time::Duration::minutes(table.day_offset_min.into()),
        token_life: time::Duration::seconds(table.token_life_s.into()),
        consent_age_max: time::Duration::hours(table.consent_age_max_h.into()),
    }
}
