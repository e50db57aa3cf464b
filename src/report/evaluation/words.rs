//! Figures as people read them, and text from outside made fit to be shown.

use crate::report::look::harmless;

/// More characters of a text from outside are not shown.
const TEXT_LENGTH_MAX: usize = 300;

/// A rate as a key of JSON objects: its shortest decimal form, below 1e-4 with an exponent of at
/// least two digits, as Python writes it: `0.001`, `0.0001`, `1e-05`.
#[must_use]
pub fn rate_key(rate: f64) -> String {
    if rate >= 1e-4 || rate == 0.0 || !rate.is_finite() {
        return rate.to_string();
    }
    let short = format!("{rate:e}");
    match short.split_once("e-") {
        Some((digits, exponent)) => format!("{digits}e-{exponent:0>2}"),
        None => short,
    }
}

/// Harmless text on one line, cut where it is very long.
pub(super) fn clean(text: &str) -> String {
    cut(&harmless(text), TEXT_LENGTH_MAX)
}

/// The beginning of a text, with an ellipsis where something is missing.
pub(super) fn cut(text: &str, length_max: usize) -> String {
    if text.chars().count() <= length_max {
        return text.to_owned();
    }
    let kept = text.chars().take(length_max.saturating_sub(1));
    kept.chain(['…']).collect()
}

/// A rate in percent, to three digits and at least one behind the point.
pub(super) fn percent(rate: f64) -> String {
    if !rate.is_finite() {
        return "–".to_owned();
    }
    let value = rate * 100.0;
    format!("{value:.*} %", decimals(value))
}

/// An interval of rates in percent; both ends to the digits of the higher.
pub(super) fn percents((low, high): (f64, f64)) -> String {
    if !low.is_finite() || !high.is_finite() {
        return "–".to_owned();
    }
    let (low, high) = (low * 100.0, high * 100.0);
    let decimals = decimals(high);
    format!("{low:.decimals$}–{high:.decimals$} %")
}

fn decimals(percent: f64) -> usize {
    // What was computed to be 0.1 is often a little less.
    match percent.abs() * (1.0 + 1e-6) {
        value if value >= 10.0 => 1,
        value if value >= 1.0 => 2,
        value if value >= 0.1 => 3,
        value if value >= 0.01 => 4,
        value if value >= 0.001 => 5,
        value if value >= 1e-9 => 6,
        _ => 1,
    }
}

/// By how many percentage points a rate changed, with its sign.
pub(super) fn points(from: f64, to: f64) -> String {
    let change = (to - from) * 100.0;
    match format!("{:.2}", change.abs()).as_str() {
        size if !change.is_finite() || size.starts_with("NaN") => "–".to_owned(),
        "0.00" => "0.00".to_owned(),
        size if change > 0.0 => format!("+{size}"),
        // The minus sign, which is as wide as the plus.
        size => format!("−{size}"),
    }
}

/// A threshold, to four digits.
pub(super) fn similarity(value: f32) -> String {
    if value.is_finite() {
        format!("{value:.4}")
    } else {
        "–".to_owned()
    }
}

/// An interval of thresholds.
pub(super) fn similarities((low, high): (f32, f32)) -> String {
    format!("{} – {}", similarity(low), similarity(high))
}

/// A count with commas between thousands.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate as one in how many, for rates from one in two to one in 10^12.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 2 and 10^12"
)]
pub(super) fn one_in(rate: f64) -> Option<String> {
    let often = (1.0 / rate).round();
    let told = (2.0..=1e12).contains(&often);
    told.then(|| format!("1 in {}", count(often as u64)))
}

/// A target false match rate in words: `1e-4 (1 in 10,000)`.
pub(super) fn target(rate: f64) -> String {
    match one_in(rate) {
        Some(often) => format!("{} ({often})", short(rate)),
        None => short(rate),
    }
}

/// A target false match rate: `1e-4`.
pub(super) fn short(rate: f64) -> String {
    format!("{rate:e}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_rates_are_those_of_the_first_reports_and_the_shortest_elsewhere() {
        let keys = [1e-3, 1e-4, 1e-5, 3e-4, 2.5e-5, 0.01, 1e-12].map(rate_key);
        let expected = [
            "0.001", "0.0001", "1e-05", "0.0003", "2.5e-05", "0.01", "1e-12",
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn figures_are_as_long_as_they_are_sure() {
        assert_eq!(percent(0.0281), "2.81 %");
        assert_eq!(percent(0.123_45), "12.3 %");
        assert_eq!(percent(1e-4), "0.0100 %");
        assert_eq!(percent(1e-3 - 1e-12), "0.100 %");
        assert_eq!(percent(0.0), "0.0 %");
        assert_eq!(percent(f64::NAN), "–");
        assert_eq!(percents((0.023, 0.0341)), "2.30–3.41 %");
        assert_eq!(percents((f64::NAN, 0.1)), "–");
        assert_eq!(points(0.02, 0.0323), "+1.23");
        assert_eq!(points(0.02, 0.019), "−0.10");
        assert_eq!(points(0.02, 0.019_999), "0.00");
        assert_eq!(points(0.02, f64::NAN), "–");
        assert_eq!(similarity(f32::INFINITY), "–");
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(target(1e-4), "1e-4 (1 in 10,000)");
        assert_eq!(target(0.7), "7e-1");
    }

    #[test]
    fn text_from_outside_is_one_line_that_no_terminal_and_no_parser_obeys() {
        let dirty = "a\nb\u{1b}[31mc\u{202e}d\u{0}\u{ffff}é";
        assert_eq!(clean(dirty), "a b\u{fffd}[31mc\u{fffd}d\u{fffd}\u{fffd}é");
        assert_eq!(clean(&"ß".repeat(1_000)).chars().count(), TEXT_LENGTH_MAX);
    }
}
