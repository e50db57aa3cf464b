//! Intervals over comparisons.

/// 95 % interval of a rate, `count` of `total` (E. B. Wilson, JASA 22, 1927).
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn wilson_interval(count: u64, total: u64) -> (f64, f64) {
    const Z: f64 = 1.959_963_984_540_054;
    let n = total.max(1) as f64;
    let rate = count as f64 / n;
    let scale = 1.0 + Z * Z / n;
    let centre = (rate + Z * Z / (2.0 * n)) / scale;
    let half = Z / scale * (rate * (1.0 - rate) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_agrees_with_published_values() {
        // Newcombe, Statistics in Medicine 17 (1998), table I: 81/263, 15/148, 0/20, 1/29.
        for (count, total, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let (l, h) = wilson_interval(count, total);
            assert!(
                (l - low).abs() < 5e-5 && (h - high).abs() < 5e-5,
                "{count}/{total}: {l} {h}"
            );
        }
    }
}
