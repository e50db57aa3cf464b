//! Times of the trail: UTC, whole microseconds, one spelling.

use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use time::{Date, Month, OffsetDateTime, Time};

/// 9999-12-31T23:59:59.999999Z, the last that four digits of a year can say.
const MICROSECONDS_MAX: i64 = 253_402_300_799_999_999;

/// A time that the trail does not hold, or a text that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time of the audit trail looks like 2026-11-22T09:30:00.000001Z, from the year 1970 on")]
pub struct TimestampError;

/// A moment in UTC to the microsecond, from 1970 to 9999. As text always 27 characters:
/// `2026-11-22T09:30:00.000001Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

impl Timestamp {
    /// Microseconds since 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// Before 1970 and after 9999.
    pub fn from_microseconds(microseconds: i64) -> Result<Self, TimestampError> {
        if (0..=MICROSECONDS_MAX).contains(&microseconds) {
            Ok(Self(microseconds))
        } else {
            Err(TimestampError)
        }
    }

    /// Now, by the system's clock; a clock outside 1970 to 9999 is brought to the nearer end.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let microseconds = since.map_or(0, |since| since.as_micros());
        Self(i64::try_from(microseconds).map_or(MICROSECONDS_MAX, |now| now.min(MICROSECONDS_MAX)))
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn microseconds(self) -> i64 {
        self.0
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000)
            .map_err(|_| std::fmt::Error)?;
        let (year, month, day) = moment.to_calendar_date();
        let (hour, minute, second, micro) = moment.to_hms_micro();
        let month = u8::from(month);
        write!(
            out,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micro:06}Z"
        )
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let digits = |at: std::ops::Range<usize>| {
            let digits = text.get(at).filter(|part| is_digits(part));
            digits.and_then(|digits| digits.parse::<u32>().ok())
        };
        let small = |at| digits(at).and_then(|number| u8::try_from(number).ok());
        let moment = || {
            let year = i32::try_from(digits(0..4)?).ok()?;
            let month = Month::try_from(small(5..7)?).ok()?;
            let date = Date::from_calendar_date(year, month, small(8..10)?).ok()?;
            let (hour, minute, second) = (small(11..13)?, small(14..16)?, small(17..19)?);
            let time = Time::from_hms_micro(hour, minute, second, digits(20..26)?).ok()?;
            let nanoseconds = date.with_time(time).assume_utc().unix_timestamp_nanos();
            i64::try_from(nanoseconds / 1_000).ok()
        };
        let moment = moment().ok_or(TimestampError)?;
        let timestamp = Self::from_microseconds(moment)?;
        // What lies between the numbers has one spelling, too.
        if timestamp.to_string() == text {
            Ok(timestamp)
        } else {
            Err(TimestampError)
        }
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

impl TryFrom<String> for Timestamp {
    type Error = TimestampError;

    fn try_from(text: String) -> Result<Self, TimestampError> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_known_moment_has_its_known_text() {
        // `date -u -d @1700000000` says 2023-11-14 22:13:20.
        let moment = Timestamp::from_microseconds(1_700_000_000_000_001).expect("in range");
        assert_eq!(moment.to_string(), "2023-11-14T22:13:20.000001Z");
        assert!(Timestamp::now() > moment);
    }

    #[test]
    fn other_spellings_and_impossible_moments_are_refused() {
        for wrong in [
            "",
            "2023-11-14T22:13:20.000001",
            "2023-11-14T22:13:20.000001+00:00",
            "2023-11-14 22:13:20.000001Z",
            "2023-11-14T22:13:20.0001Z",
            "2023-11-14T22:13:20.0000010Z",
            "2023-02-29T00:00:00.000000Z",
            "2023-11-14T24:00:00.000000Z",
            "2023-11-14T22:13:60.000000Z",
            "1969-12-31T23:59:59.999999Z",
            "+023-11-14T22:13:20.000001Z",
            "２０２３-11-14T22:13:20.0Z",
        ] {
            assert_eq!(wrong.parse::<Timestamp>(), Err(TimestampError), "{wrong}");
        }
        assert!(Timestamp::from_microseconds(-1).is_err());
        assert!(Timestamp::from_microseconds(MICROSECONDS_MAX + 1).is_err());
    }

    proptest! {
        #[test]
        fn text_and_moment_are_one_to_one(microseconds in 0..=MICROSECONDS_MAX) {
            let moment = Timestamp::from_microseconds(microseconds).expect("in range");
            let text = moment.to_string();
            prop_assert_eq!(text.len(), 27);
            prop_assert_eq!(text.parse(), Ok(moment));
        }

        #[test]
        fn hostile_text_is_no_moment_or_spelled_right(text in "[0-9TZ:.\\-é]{0,30}") {
            if let Ok(moment) = text.parse::<Timestamp>() {
                prop_assert_eq!(moment.to_string(), text);
            }
        }
    }
}
