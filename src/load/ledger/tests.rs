use super::*;

const SECOND: Duration = Duration::from_secs(1);
const CLOSED: Arrivals = Arrivals::Closed { callers: 2 };
const OPEN: Arrivals = Arrivals::Open {
    rate: 100.0,
    seed: 1,
    in_flight_max: 512,
};

fn ledger() -> (Ledger, Instant) {
    let start = Instant::now();
    (
        Ledger::new(start, 3 * SECOND).expect("the bounds are valid"),
        start,
    )
}

fn call(scheduled: Instant, done: Instant, answer: Answer) -> Call {
    Call {
        scheduled,
        sent: scheduled,
        done,
        answer,
    }
}

fn ok() -> Answer {
    Answer::Ok(Box::default())
}

fn window(arrived: u64, completed: u64) -> WindowFigures {
    WindowFigures {
        arrived,
        completed,
        throughput_per_s: completed as f64,
    }
}

#[test]
fn a_call_belongs_to_its_schedule_and_its_completion_to_its_end() {
    let (mut ledger, start) = ledger();
    let late = start + SECOND / 2;
    ledger.start(late);
    ledger.record(&call(late, late + SECOND, ok()));
    let figures = ledger.figures(start + 3 * SECOND);
    let seen: Vec<_> = figures.iter().map(|w| (w.arrived, w.completed)).collect();
    assert_eq!(seen, [(1, 0), (0, 1), (0, 0)]);
    assert_eq!(ledger.counts().ok, 1);
}

#[test]
fn what_was_due_in_the_warm_up_or_ended_after_the_run_is_not_measured() {
    let start = Instant::now() + SECOND;
    let mut ledger = Ledger::new(start, 3 * SECOND).expect("the bounds are valid");
    // Due before the start: completes within, so it counts for throughput only.
    ledger.start(start.checked_sub(SECOND / 2).unwrap());
    ledger.record(&call(
        start.checked_sub(SECOND / 2).unwrap(),
        start + SECOND / 2,
        ok(),
    ));
    // Due within, answered after the end: counts as a call, not for throughput.
    ledger.start(start + 2 * SECOND);
    ledger.record(&call(start + 2 * SECOND, start + 4 * SECOND, ok()));
    let totals = ledger
        .close(start + 5 * SECOND)
        .expect("the bounds are valid");
    assert_eq!((totals.completed, totals.arrived), (1, 1));
    assert_eq!(totals.recorder.counts().ok, 1);
    assert_eq!(totals.measured, 3 * SECOND);
}

#[test]
fn what_could_not_be_sent_is_a_failure() {
    let (mut ledger, start) = ledger();
    ledger.unsent(start);
    ledger.unsent(start + SECOND);
    let totals = ledger
        .close(start + 3 * SECOND)
        .expect("the bounds are valid");
    assert_eq!(totals.arrived, 2);
    assert_eq!(totals.recorder.counts().failed, 2);
    assert_eq!(totals.recorder.failed[UNSENT].count, 2);
}

#[test]
fn a_window_left_behind_keeps_its_counts_apart_also_of_late_answers() {
    let (mut ledger, start) = ledger();
    ledger.start(start);
    ledger.start(start);
    ledger.record(&call(start, start + SECOND / 2, ok()));
    let before = ledger.end();
    ledger.extend().expect("the bounds are valid");
    assert_eq!(ledger.end(), before + SECOND);
    let refused = Answer::Refused { retry_after: None };
    ledger.record(&call(start, start + SECOND, refused));
    assert_eq!(ledger.counts(), Counts::default());
    let totals = ledger
        .close(ledger_end(start))
        .expect("the bounds are valid");
    assert_eq!(totals.earlier, 1);
    assert_eq!(
        (totals.earlier_counts.ok, totals.earlier_counts.refused),
        (1, 1)
    );
    assert_eq!(totals.measured, 3 * SECOND);
    assert_eq!(totals.windows.len(), 3);
}

fn ledger_end(start: Instant) -> Instant {
    start + 4 * SECOND
}

#[test]
fn a_run_that_ended_early_has_the_time_it_ran_and_its_complete_windows() {
    let (mut ledger, start) = ledger();
    ledger.record(&call(start, start + SECOND / 4, ok()));
    let totals = ledger
        .close(start + SECOND * 3 / 2)
        .expect("the bounds are valid");
    assert_eq!(totals.measured, SECOND * 3 / 2);
    assert_eq!(totals.windows.len(), 1);
    assert!(
        !is_stable(&totals.windows, 0.5, &CLOSED),
        "one window does not agree"
    );
    let (ledger, start) = self::ledger();
    let totals = ledger.close(start).expect("the bounds are valid");
    assert_eq!(totals.measured, Duration::ZERO);
    assert!((per_second(totals.completed, totals.measured)).abs() < f64::EPSILON);
}

#[test]
fn windows_agree_within_the_tolerance_of_their_mean() {
    // A closed loop: what arrives is decided, however slowly.
    let windows = |completed: [u64; 3]| completed.map(|completed| window(completed, completed));
    assert!(is_stable(&windows([100, 100, 100]), 0.05, &CLOSED));
    assert!(is_stable(&windows([95, 100, 105]), 0.05, &CLOSED));
    assert!(!is_stable(&windows([94, 100, 106]), 0.05, &CLOSED));
    assert!(is_stable(&windows([94, 100, 106]), 0.07, &CLOSED));
    assert!(
        !is_stable(&windows([50, 100, 150]), 0.05, &CLOSED),
        "it still grows"
    );
    assert!(
        !is_stable(&windows([0, 0, 0]), 0.05, &CLOSED),
        "nothing was answered"
    );
    assert!(
        !is_stable(&windows([100, 100, 100])[..2], 0.05, &CLOSED),
        "too short"
    );
}

#[test]
fn arrivals_that_differ_do_not_make_a_server_unstable_that_keeps_up() {
    let keeps_up = [window(80, 80), window(100, 99), window(125, 125)];
    assert!(is_stable(&keeps_up, 0.05, &OPEN));
    let falls_behind = [window(80, 80), window(100, 70), window(125, 40)];
    assert!(!is_stable(&falls_behind, 0.05, &OPEN));
}
