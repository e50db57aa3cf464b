//! What is asked of a verification by NIK, by which rules, and what is answered.

use bytes::Bytes;
use time::{Duration, OffsetDateTime};

use super::Reply;
use crate::access::Caller;
use crate::audit::Text;
use crate::subject::{Nik, NikError};
use crate::verify::Verification;

/// What an office has decided about attempts, consents and tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Comparisons of a session at most.
    pub session_attempts_max: u32,
    /// Comparisons of a subject on a day at most.
    pub day_attempts_max: u32,
    /// By how much the calendar's day is ahead of UTC.
    pub day_offset: Duration,
    /// Life of a result token.
    pub token_life: Duration,
    /// How old a consent may be.
    pub consent_age_max: Duration,
}

/// Where, by whom and what for.
#[derive(Debug, Clone)]
pub struct Context {
    /// What the verification is for.
    pub purpose: Text,
    /// Where the probe was captured.
    pub channel: Text,
    /// The office that answers for it.
    pub office: Text,
    /// The officer; absent when nobody attended.
    pub operator: Option<Text>,
    /// The capturing device; the result token is bound to it.
    pub device: Text,
    /// The citizen's visit.
    pub session: Text,
}

/// A consent as the office took it down.
#[derive(Debug, Clone)]
pub struct GivenConsent {
    /// The caller's id of it.
    pub id: Text,
    /// The legal basis.
    pub basis: Text,
    /// The text that was read out or shown.
    pub notice_version: Text,
    /// When it was given.
    pub given_at: OffsetDateTime,
}

/// A verification by NIK that is asked for.
pub struct Ask {
    /// Who asks.
    pub caller: Caller,
    /// The caller's id of the request.
    pub request_id: Text,
    /// Keyed digest of all that the decision depends on.
    pub body_digest: [u8; 32],
    /// Whom to verify.
    pub nik: Result<Nik, NikError>,
    /// Where, by whom and what for.
    pub context: Context,
    /// None: not given, or not completely.
    pub consent: Option<GivenConsent>,
    /// The live capture, encoded.
    pub probe: Bytes,
    /// Id of the policy; empty means the default one.
    pub policy: String,
}

impl std::fmt::Debug for Ask {
    /// Neither the NIK nor a byte of the image.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Ask({})", self.request_id)
    }
}

/// What is told, and what was seen on the way.
#[derive(Debug)]
pub struct Answer {
    /// What is told.
    pub reply: Reply,
    /// The comparison, when it was made for this answer: a repeated answer comes without.
    pub verification: Option<Verification>,
    /// Whether it was answered before.
    pub is_repeated: bool,
}

impl Limits {
    /// The day that a moment counts for, in days since 1970.
    pub(super) fn day(&self, now: OffsetDateTime) -> i64 {
        let local = now.unix_timestamp() + self.day_offset.whole_seconds();
        local.div_euclid(Duration::DAY.whole_seconds())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_the_offices_calendars() {
        let limits = Limits {
            session_attempts_max: 3,
            day_attempts_max: 5,
            day_offset: Duration::hours(7),
            token_life: Duration::seconds(90),
            consent_age_max: Duration::DAY,
        };
        let at = |text: &str| {
            let format = &time::format_description::well_known::Rfc3339;
            OffsetDateTime::parse(text, format).expect("a time")
        };
        // Midnight in Jakarta is five in the afternoon of the day before in UTC.
        let before = limits.day(at("2026-11-21T16:59:59Z"));
        assert_eq!(limits.day(at("2026-11-21T17:00:00Z")), before + 1);
        assert_eq!(limits.day(at("2026-11-22T16:59:59Z")), before + 1);
        assert_eq!(limits.day(at("1969-12-31T17:00:00Z")), 0);
        assert_eq!(limits.day(at("1969-12-31T16:59:59Z")), -1);
    }
}
