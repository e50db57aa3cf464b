//! Piecewise linear mappings from native measures to 0–100.

/// Pairs (native, value), ascending in native; before the first and after the last it is flat.
#[derive(Debug, Clone, Copy)]
pub struct Scale(pub &'static [(f64, f64)]);

impl Scale {
    /// The value of a native measure, rounded down, so that 50 is reached only at its anchor.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "values lie between 0 and 100"
    )]
    pub fn value(self, native: f64) -> u8 {
        let Self(anchors) = self;
        let above = anchors.iter().position(|(anchor, _)| native < *anchor);
        let value = match above {
            Some(0) => anchors.first().map_or(0.0, |(_, value)| *value),
            None => anchors.last().map_or(0.0, |(_, value)| *value),
            Some(next) => match anchors.get(next - 1..=next) {
                Some([(from, low), (to, high)]) => {
                    low + (high - low) * (native - from) / (to - from)
                }
                _ => 0.0,
            },
        };
        // A hair of rounding must not push a measure on its anchor below it.
        (value + 1e-9).clamp(0.0, 100.0) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_hit_and_the_ends_are_flat() {
        let scale = Scale(&[(1.0, 0.0), (2.0, 50.0), (4.0, 100.0)]);
        let cases = [
            (0.0, 0),
            (1.0, 0),
            (1.5, 25),
            (2.0, 50),
            (3.0, 75),
            (4.0, 100),
            (9.0, 100),
        ];
        for (native, value) in cases {
            assert_eq!(scale.value(native), value, "{native}");
        }
        assert_eq!(scale.value(1.9999), 49);
    }
}
