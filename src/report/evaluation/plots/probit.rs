//! The normal-deviate scale of DET curves.

/// The standard normal deviate below which the share `p` lies, for `p` between 0 and 1, to six
/// digits. On axes of it the curve of normally spread similarities is a straight line.
///
/// M. J. Wichura, Algorithm AS 241, Applied Statistics 37 (1988), 477–484: PPND7.
pub fn probit(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        let above = [
            3.387_132_717_9,
            50.434_271_938,
            159.291_132_02,
            59.109_374_720,
        ];
        let below = [1.0, 17.895_169_469, 78.757_757_664, 67.187_563_600];
        return q * polynomial(r, &above) / polynomial(r, &below);
    }
    let tail = (-p.min(1.0 - p).ln()).sqrt();
    let deviate = if tail <= 5.0 {
        let r = tail - 1.6;
        let above = [
            1.423_437_277_7,
            2.756_815_390_0,
            1.306_728_481_6,
            0.170_238_211_03,
        ];
        let below = [1.0, 0.737_001_642_50, 0.120_211_329_75];
        polynomial(r, &above) / polynomial(r, &below)
    } else {
        let r = tail - 5.0;
        let above = [
            6.657_905_115_0,
            3.081_226_386_0,
            0.428_682_943_37,
            0.017_337_203_997,
        ];
        let below = [1.0, 0.241_978_942_25, 0.012_258_202_635];
        polynomial(r, &above) / polynomial(r, &below)
    };
    deviate.copysign(q)
}

fn polynomial(x: f64, coefficients: &[f64]) -> f64 {
    let from_last = coefficients.iter().rev();
    from_last.fold(0.0, |sum, coefficient| sum * x + coefficient)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviates_are_those_of_the_tables() {
        // Of Python's `statistics.NormalDist().inv_cdf`.
        for (p, deviate) in [
            (1e-11, -6.706_023_155),
            (1e-6, -4.753_424_309),
            (1e-3, -3.090_232_306),
            (0.07, -1.475_791_028),
            (0.08, -1.405_071_560),
            (0.5, 0.0),
            (0.8, 0.841_621_234),
            (0.99, 2.326_347_874),
        ] {
            assert!((probit(p) - deviate).abs() < 1e-6, "{p}: {}", probit(p));
        }
    }
}
