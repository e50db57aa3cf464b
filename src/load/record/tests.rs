use std::time::Instant;

use super::*;

fn call(latency_ms: u64, answer: Answer) -> Call {
    let scheduled = Instant::now();
    Call {
        scheduled,
        sent: scheduled + Duration::from_millis(1),
        done: scheduled + Duration::from_millis(latency_ms),
        answer,
    }
}

fn sample_times(times: [u64; 6]) -> proto::SampleTimes {
    let [
        queue_us,
        decode_us,
        detect_us,
        align_us,
        assess_us,
        embed_us,
    ] = times;
    proto::SampleTimes {
        decode_us,
        detect_us,
        assess_us,
        align_us,
        embed_us,
        queue_us,
    }
}

fn ok(latency_ms: u64) -> Call {
    let times = proto::StageTimes {
        probe: Some(sample_times([500, 1_000, 200, 50, 70, 9_000])),
        reference: Some(sample_times([300, 2_000, 400, 60, 80, 9_500])),
        total_us: 20_000,
    };
    let decision = proto::Decision::NoMatch;
    call(
        latency_ms,
        Answer::Ok(Box::new(Decided { decision, times })),
    )
}

fn failed(code: &'static str, text: &str) -> Call {
    let text = text.to_owned();
    call(3, Answer::Failed { code, text })
}

fn refused() -> Call {
    call(2, Answer::Refused { retry_after: None })
}

fn recorded(calls: &[Call]) -> Recorder {
    let mut recorder = Recorder::new().expect("the bounds are valid");
    for call in calls {
        recorder.record(call);
    }
    recorder
}

#[test]
fn each_call_counts_once_and_only_answered_ones_have_a_latency() {
    let recorder = recorded(&[ok(30), refused(), failed("INTERNAL", "x"), ok(40)]);
    let counts = recorder.counts();
    assert_eq!((counts.ok, counts.refused, counts.failed), (2, 1, 1));
    assert_eq!(counts.all(), 4);
    assert_eq!(recorder.latency.spread().expect("two").count, 2);
    assert_eq!(recorder.refused.spread().expect("one").count, 1);
    assert_eq!(recorder.delay.spread().expect("all").count, 4);
    assert_eq!(recorder.decisions, BTreeMap::from([("NO_MATCH", 2)]));
}

#[test]
fn quantiles_are_of_the_recorded_times() {
    let calls: Vec<Call> = (1..=1_000).map(ok).collect();
    let spread = recorded(&calls).latency.spread().expect("has calls");
    let near = |value: f64, expected: f64| (value / expected - 1.0).abs() < 2e-3;
    assert!(
        near(spread.p50, 500.0) && near(spread.p90, 900.0),
        "{spread:?}"
    );
    assert!(
        near(spread.p99, 990.0) && near(spread.max, 1_000.0),
        "{spread:?}"
    );
    assert!(near(spread.mean, 500.5), "{spread:?}");
    assert_eq!(recorded(&[]).latency.spread(), None);
}

#[test]
fn the_parts_are_outside_the_longer_wait_and_the_work_on_both_samples() {
    let recorder = recorded(&[ok(31)]);
    let means = recorder
        .parts
        .each_ref()
        .map(|part| part.spread().expect("one").mean);
    // 31 ms less 1 ms before it was sent less 20 ms in the server.
    let expected = [10.0, 0.5, 3.0, 0.6, 0.11, 0.15, 18.5];
    for ((part, mean), expected) in PARTS.iter().zip(means).zip(expected) {
        assert!((mean / expected - 1.0).abs() < 2e-3, "{part}: {mean}");
    }
}

#[test]
fn merged_recorders_say_what_one_would_have_said() {
    let first: Vec<Call> = (1..50).map(ok).chain([refused()]).collect();
    let second: Vec<Call> = (50..300)
        .map(ok)
        .chain([failed("INTERNAL", "a"), failed("UNAVAILABLE", "b")])
        .collect();
    let third = [failed("INTERNAL", "c")];
    let mut merged = recorded(&first);
    merged.merge(&recorded(&second));
    merged.merge(&recorded(&third));
    let all: Vec<Call> = first.into_iter().chain(second).chain(third).collect();
    let one = recorded(&all);
    assert_eq!(merged.counts(), one.counts());
    assert_eq!(merged.latency.spread(), one.latency.spread());
    assert_eq!(merged.refused.spread(), one.refused.spread());
    assert_eq!(merged.decisions, one.decisions);
    assert_eq!(merged.failed, one.failed);
    assert_eq!(merged.failed["INTERNAL"].first, "a");
    for (merged, one) in merged.parts.iter().zip(&one.parts) {
        assert_eq!(merged.spread(), one.spread());
    }
}

#[test]
fn a_time_beyond_all_bounds_is_the_longest_and_no_panic() {
    let mut times = Times::new().expect("the bounds are valid");
    times.record(Duration::MAX);
    times.record(Duration::ZERO);
    let spread = times.spread().expect("two");
    assert_eq!(spread.count, 2);
    assert!(spread.max >= 3.6e6 && spread.max < 3.7e6, "{spread:?}");
}
