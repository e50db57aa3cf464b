//! `[retention]` and `[review]`: how long what is kept, and how long a case is a reviewer's.

use serde::Deserialize;
use time::Duration;

use super::VerificationTable;
use crate::retention::Periods;
use crate::review::ReviewLimits;

/// Longest time for cases, days: what a case says is personal data.
const REVIEWS_DAYS_MAX: u32 = 7;

/// Longest time for all else, days.
const DAYS_MAX: u32 = 30;

/// `[retention]` as typed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionTable {
    /// Request ids with their sealed replies, days: so long the same request gets the same answer.
    pub requests_days: u32,
    /// Cases for review, days.
    pub reviews_days: u32,
    /// Counters of sessions after their last attempt, days.
    pub sessions_days: u32,
    /// Counters of subjects, days of the calendar with today.
    pub attempts_days: u32,
}

impl Default for RetentionTable {
    fn default() -> Self {
        Self {
            requests_days: 7,
            reviews_days: 7,
            sessions_days: 2,
            attempts_days: 2,
        }
    }
}

/// `[review]` as typed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReviewTable {
    /// A case that a reviewer took and did not decide for this long is free again, minutes.
    pub claim_min: u32,
}

impl Default for ReviewTable {
    fn default() -> Self {
        Self { claim_min: 15 }
    }
}

pub(super) fn periods(
    table: &RetentionTable,
    verification: &VerificationTable,
    mistakes: &mut Vec<String>,
) -> Periods {
    if !(1..=REVIEWS_DAYS_MAX).contains(&table.reviews_days) {
        let mistake = format!("retention.reviews_days takes 1 to {REVIEWS_DAYS_MAX}");
        mistakes.push(mistake);
    }
    for (name, days) in [
        ("requests_days", table.requests_days),
        ("sessions_days", table.sessions_days),
        ("attempts_days", table.attempts_days),
    ] {
        if !(1..=DAYS_MAX).contains(&days) {
            mistakes.push(format!("retention.{name} takes 1 to {DAYS_MAX}"));
        }
    }
    if table.requests_days < table.reviews_days {
        let mistake = "retention.requests_days is at least retention.reviews_days: a case is found \
            by its request";
        mistakes.push(mistake.to_owned());
    }
    let days = |days: u32| Duration::days(days.into());
    Periods {
        requests: days(table.requests_days),
        reviews: days(table.reviews_days),
        sessions: days(table.sessions_days),
        attempt_days: table.attempts_days,
        day_offset: Duration::minutes(verification.day_offset_min.into()),
    }
}

pub(super) fn review(
    table: &ReviewTable,
    retention: &RetentionTable,
    verification: &VerificationTable,
    mistakes: &mut Vec<String>,
) -> ReviewLimits {
    if !(1..=1440).contains(&table.claim_min) {
        mistakes.push("review.claim_min takes 1 to 1440".to_owned());
    }
    ReviewLimits {
        claim_life: Duration::minutes(table.claim_min.into()),
        token_life: Duration::seconds(verification.token_life_s.into()),
        // After that its case would be gone, and asking again would make another one.
        decision_age_max: Duration::days(retention.reviews_days.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        let mut mistakes = Vec::new();
        let table: RetentionTable = toml::from_str(text).expect("a table");
        periods(&table, &VerificationTable::default(), &mut mistakes);
        mistakes
    }

    #[test]
    fn the_defaults_are_those_of_the_domain() {
        let mut mistakes = Vec::new();
        let (table, verification) = (RetentionTable::default(), VerificationTable::default());
        let found = periods(&table, &verification, &mut mistakes);
        assert_eq!(found, Periods::default());
        let found = review(
            &ReviewTable::default(),
            &table,
            &verification,
            &mut mistakes,
        );
        assert_eq!(found, ReviewLimits::default());
        assert!(mistakes.is_empty(), "{mistakes:?}");
    }

    #[test]
    fn a_case_is_kept_for_seven_days_at_most_and_its_request_as_long() {
        for (text, expected) in [
            ("reviews_days = 8\nrequests_days = 8", "reviews_days"),
            ("reviews_days = 0", "reviews_days"),
            ("requests_days = 6", "requests_days is at least"),
            ("requests_days = 31", "requests_days takes"),
            ("sessions_days = 0", "sessions_days"),
            ("attempts_days = 0", "attempts_days"),
        ] {
            let found = mistakes(text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(found[0].contains(expected), "{text}: {found:?}");
        }
        assert!(mistakes("reviews_days = 1\nrequests_days = 1").is_empty());
    }
}
