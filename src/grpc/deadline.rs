//! `grpc-timeout`, read by ourselves: tonic's own timer answers CANCELLED instead of
//! `DEADLINE_EXCEEDED`, and knows no upper bound.

use std::time::Duration;

/// tonic's timer is started just after ours, for the same time. Ours must ring first, also when
/// both fall into one tick of the clock (1 ms), and when the thread pauses in between.
const BEFORE_TONIC: Duration = Duration::from_millis(5);

/// The time a caller grants, by the header's text (gRPC over HTTP/2, "Timeout"): at most eight
/// digits and a unit. `None` when it is malformed.
#[must_use]
pub fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// The time a request gets: the caller's, but never more than the server's.
#[must_use]
pub fn granted(header: Option<&str>, longest: Duration) -> Duration {
    match header.and_then(parse_timeout) {
        Some(timeout) => timeout.saturating_sub(BEFORE_TONIC).min(longest),
        None => longest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_the_protocol() {
        let cases = [
            ("2H", 7_200_000_000_000),
            ("3M", 180_000_000_000),
            ("4S", 4_000_000_000),
            ("5m", 5_000_000),
            ("6u", 6_000),
            ("7n", 7),
            ("00000001S", 1_000_000_000),
        ];
        for (text, nanoseconds) in cases {
            assert_eq!(
                parse_timeout(text),
                Some(Duration::from_nanos(nanoseconds)),
                "{text}"
            );
        }
        assert!(parse_timeout("99999999H").is_some());
    }

    #[test]
    fn malformed_headers_grant_the_servers_time() {
        for text in [
            "",
            "S",
            "1",
            "1s",
            "-1S",
            "+1S",
            "123456789S",
            "1.5S",
            "1 S",
            "é",
            "1é",
        ] {
            assert_eq!(parse_timeout(text), None, "{text}");
            let longest = Duration::from_secs(9);
            assert_eq!(granted(Some(text), longest), longest);
        }
    }

    #[test]
    fn the_shorter_time_counts_and_rings_before_tonics_timer() {
        let longest = Duration::from_secs(9);
        assert_eq!(granted(None, longest), longest);
        assert_eq!(granted(Some("1H"), longest), longest);
        assert_eq!(granted(Some("10m"), longest), Duration::from_millis(5));
        assert_eq!(granted(Some("1m"), longest), Duration::ZERO);
    }
}
