//! The generator as a library, as benches use it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use padan::load::{self, Arrivals, LoadError, Progress, Settings, Watch, Workload};

use super::stub::{self, Behaviour};
use crate::support::{ServerProcess, padan, portrait, verify_request};

fn settings(url: &str) -> Settings {
    let request = verify_request(Vec::new(), portrait("person_a_1.jpg"));
    Settings {
        tls: padan::grpc::ClientTls::default(),
        server: url.to_owned(),
        workload: Workload::new(vec![portrait("person_a_2.jpg")], request),
        arrivals: Arrivals::Closed { callers: 2 },
        connections: std::num::NonZeroUsize::MIN,
        warmup: Duration::ZERO,
        duration: Duration::from_hours(1),
        duration_max: None,
        tolerance: 0.05,
        deadline: Duration::from_mins(1),
    }
}

/// The run ends when all has been seen, whenever that is.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_leaves_failures_and_what_was_measured_before() {
    let server = ServerProcess::start(padan());
    let settings = settings(&server.url);
    let (kill, killed) = std::sync::mpsc::channel();
    let killer = std::thread::spawn(move || {
        killed.recv().expect("the run goes on until it is told");
        server.terminate()
    });
    let is_killed = AtomicBool::new(false);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let on_progress = |progress: &Progress| {
        if progress.counts.ok > 0 && !is_killed.swap(true, Ordering::Relaxed) {
            kill.send(()).expect("the killer waits");
        }
        // The calls in flight, and one that finds nobody to connect to.
        if progress.counts.failed > 2 {
            stop.send_replace(true);
        }
    };
    let mut watch = Watch::new(&on_progress, stopped);
    let outcome = load::run(&settings, &mut watch)
        .await
        .expect("was measured");
    killer.join().expect("the server ended");
    assert!(outcome.ended_early && !outcome.is_stable);
    assert!(
        outcome.counts.ok > 0 && outcome.counts.failed > 0,
        "{outcome:?}"
    );
    assert!(
        outcome.failed.contains_key("UNAVAILABLE"),
        "{:?}",
        outcome.failed
    );
    assert!(outcome.duration_s < 3600.0 && outcome.throughput_per_s > 0.0);
}

#[tokio::test]
async fn a_load_can_be_run_in_a_process_that_serves() {
    let mut settings = settings(&super::SERVER.get().url);
    settings.duration = Duration::from_millis(300);
    let outcome = load::run(&settings, &mut Watch::silent())
        .await
        .expect("was measured");
    assert!(outcome.counts.ok >= 2 && !outcome.ended_early);
    settings.tolerance = f64::NAN;
    let error = load::run(&settings, &mut Watch::silent()).await;
    assert!(matches!(error, Err(LoadError::Settings(_))));
}

#[test]
fn a_limit_that_no_rate_keeps_is_tried_down_to_the_lowest() {
    // Every call takes 20 ms at least, so no rate keeps 5 ms.
    let after = Duration::from_millis(20);
    let stub = stub::start(Behaviour::Answer { after });
    let settings = Settings {
        arrivals: Arrivals::Open {
            rate: 40.0,
            seed: 1,
            in_flight_max: 64,
        },
        duration: Duration::from_millis(300),
        ..settings(&stub)
    };
    let limit = load::P99Limit {
        p99: Duration::from_millis(5),
        lost_max: 0.0,
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let found = runtime.block_on(load::find_rate(&settings, limit, &mut Watch::silent()));
    let found = found.expect("was measured");
    assert_eq!(found.highest, None);
    assert!(found.series.runs.len() > 1);
    let rates: Vec<f64> = found.series.runs.iter().map(load::Outcome::rate).collect();
    assert!(rates.windows(2).all(|pair| pair[1] < pair[0]), "{rates:?}");
    assert_eq!(rates.last(), Some(&load::RateFinder::LOWEST));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_keeps_what_it_measured_when_the_server_goes_away() {
    let server = ServerProcess::start(padan());
    let settings = Settings {
        arrivals: Arrivals::Open {
            rate: 10.0,
            seed: 1,
            in_flight_max: 64,
        },
        duration: Duration::from_millis(300),
        ..settings(&server.url)
    };
    let server = std::sync::Mutex::new(Some(server));
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    // The first run's first report: the server has ended before the second run begins.
    let end = |_: &Progress| {
        if let Some(server) = server.lock().expect("nobody panics").take() {
            server.terminate();
        }
    };
    let mut watch = Watch::new(&end, stopped);
    let series = load::sweep(&settings, &[10.0, 20.0, 30.0], &mut watch).await;
    let series = series.expect("the first run was made");
    assert_eq!(series.runs.len(), 1);
    let problem = series.problem.expect("the second could not be made");
    assert!(problem.contains("no server answers"), "{problem}");
}

#[tokio::test]
async fn a_run_that_is_stopped_before_it_begins_measures_nothing() {
    // It accepts, and never answers.
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (_stop, stopped) = tokio::sync::watch::channel(true);
    let mut watch = Watch::new(&|_| {}, stopped);
    let outcome = load::run(&settings(&format!("http://{address}")), &mut watch).await;
    assert!(matches!(outcome, Err(LoadError::Stopped)), "{outcome:?}");
}
