//! A made-up evaluation: similarities of both kinds spread logistically, whose distribution has a
//! closed form.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "made-up counts are small, and thresholds are rounded anyway"
)]

use std::time::Duration;

use super::result::{
    ColumnRates, CurvePoint, DegradationRates, EqualErrorRate, Estimate, Evaluation, Histogram,
    KfoldAccuracy, Measures, Resampling, SliceRate, SliceRates, Speed, TargetRates,
};
use crate::embed::ContractId;

pub const GENUINE: u64 = 6_000;
pub const IMPOSTOR: u64 = 2_000_000;

/// Share of impostor comparisons at or above a similarity.
pub fn fmr(at: f64) -> f64 {
    1.0 / (1.0 + ((at - 0.05) / 0.04).exp())
}

/// Share of genuine comparisons below it.
pub fn fnmr(at: f64, spread: f64) -> f64 {
    1.0 / (1.0 + ((0.65 - at) / spread).exp())
}

fn round(share: f64, of: u64) -> u64 {
    (share * of as f64).round() as u64
}

fn estimate(rate: f64) -> Estimate {
    Estimate {
        rate,
        wilson: (rate * 0.9, rate * 1.1),
        bootstrap: (rate * 0.8, rate * 1.25),
    }
}

fn target(target: f64, spread: f64) -> TargetRates {
    let threshold = 0.05 + 0.04 * (1.0 / target - 1.0).ln();
    let (fmr, fnmr) = (fmr(threshold), fnmr(threshold, spread));
    TargetRates {
        target,
        threshold: threshold as f32,
        threshold_interval: (threshold as f32 - 0.01, threshold as f32 + 0.012),
        false_matches: round(fmr, IMPOSTOR),
        false_non_matches: round(fnmr, GENUINE),
        fmr: estimate(fmr),
        fnmr: estimate(fnmr),
        fnmr_at_target: (fnmr * 0.7, fnmr * 1.4),
    }
}

pub fn measures(spread: f64) -> Measures {
    let curve = (-80..=80).rev().map(|step| {
        let at = f64::from(step) / 80.0;
        let seen = |rate: f64, of| round(rate, of) as f64 / of as f64;
        CurvePoint {
            threshold: at as f32,
            fmr: seen(fmr(at), IMPOSTOR),
            fnmr: seen(fnmr(at, spread), GENUINE),
        }
    });
    let bin = |rate: &dyn Fn(f64) -> f64, of: u64, n: u32| {
        let start = f64::from(n) / 100.0 - 1.0;
        round((rate(start + 0.01) - rate(start)).abs(), of)
    };
    Measures {
        genuine: GENUINE,
        genuine_lost: 41,
        impostor: IMPOSTOR,
        eer: EqualErrorRate {
            rate: 0.0123,
            threshold: 0.31,
            bootstrap: (0.009, 0.016),
        },
        targets: [1e-3, 1e-4, 1e-5].map(|at| target(at, spread)).to_vec(),
        curve: curve.collect(),
        histogram: Histogram {
            genuine: (0..200)
                .map(|n| bin(&|at| fnmr(at, spread), GENUINE, n))
                .collect(),
            impostor: (0..200).map(|n| bin(&fmr, IMPOSTOR, n)).collect(),
        },
        resampling: Resampling {
            resamples: 1_000,
            units: 2_345,
            of_people: true,
            seed: 20_250_101,
        },
    }
}

pub fn slice_rate(errors: u64, of: u64) -> SliceRate {
    let rate = errors as f64 / of as f64;
    SliceRate {
        errors,
        rate,
        wilson: (rate * 0.6, rate * 1.7),
    }
}

fn slice(value: &str, warning: Option<&str>) -> SliceRates {
    let few = warning.is_some();
    let errors = [2, 11, 30];
    SliceRates {
        value: value.to_owned(),
        genuine: if few { 12 } else { 700 },
        impostor: if few { 0 } else { 800 },
        fnmr: errors.map(|n| Some(slice_rate(n, 700))).to_vec(),
        fmr: errors.map(|_| (!few).then(|| slice_rate(1, 800))).to_vec(),
        warning: warning.map(str::to_owned),
    }
}

fn degraded(name: &str, lost: u64, errors: [u64; 3]) -> DegradationRates {
    DegradationRates {
        name: name.to_owned(),
        failure_to_acquire: lost,
        genuine: GENUINE,
        fnmr: errors.map(|n| slice_rate(n, GENUINE)).to_vec(),
        impostor: IMPOSTOR,
        fmr: [2_000, 190, 20].map(|n| slice_rate(n, IMPOSTOR)).to_vec(),
    }
}

/// `spread` is that of the genuine similarities.
pub fn evaluation(model: &str, spread: f64) -> Evaluation {
    let few = "12 genuine comparisons: at least 30 are needed to say anything";
    Evaluation {
        cascade: None,
        model: model.to_owned(),
        contract_id: ContractId::new("model_a:0a1b2c3d4e5f6071"),
        data: "pairs.csv, probes with references".to_owned(),
        data_sha256: "5f".repeat(32),
        images: 4_321,
        failure_to_acquire: 17,
        gated: true,
        accuracy: Some(KfoldAccuracy {
            mean: 0.9931,
            std: 0.0042,
        }),
        measures: measures(spread),
        columns: vec![ColumnRates {
            column: "age".to_owned(),
            slices: vec![slice("18 to 30", None), slice("over 80", Some(few))],
        }],
        degradations: vec![
            degraded("reference-240x320", 17, [30, 61, 102]),
            degraded("probe-dark", 950, [1_203, 1_507, 1_988]),
        ],
        speed: Speed {
            computed: 4_000,
            remembered: 321,
            took: Duration::from_secs(50),
            lanes: 2,
        },
    }
}
