//! Whole requests through a real server: one caller, saturation, and what happens beyond it. The
//! callers share the machine's cores with the server, as `verifyface`'s do in `make bench-peers`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use padan::compare::compare;
use padan::decision::{Evidence, Policy, decide};
use padan::embed::Template;
use padan::engine::Checkpoint;
use padan::pipeline::{Goal, Pipeline, SampleTask};
use padan::sample::SampleRole;
use padan::sample::detect::FaceChoice;
use serde_json::{Value, json};

use super::support::drive::{Answers, closed, open};
use super::support::models::Models;
use super::support::pictures;
use super::support::report::{Report, number, table};
use super::support::server::{BenchServer, Caller, Kind};
use super::support::statistics::{median, percentile};

/// Callers for each lane at saturation: enough that no lane ever waits for one.
const CALLERS_PER_LANE: usize = 4;

/// Connections of an open loop; calls share them.
const CONNECTIONS: usize = 16;

/// Each round measures everything once, so that noise hits a ratio's both sides.
const ROUNDS: usize = 3;

/// Share of saturation that an open loop offers.
const COMFORTABLE: f64 = 0.8;

/// What was measured of one kind of request.
pub struct Measured {
    /// Pair or template.
    pub kind: Kind,
    rounds: Vec<Round>,
}

/// One after the other, each against the saturation just measured.
struct Round {
    /// One caller.
    unloaded: Answers,
    /// Decisions a second of the stages alone, on as many threads as there are lanes.
    bare: f64,
    /// Decisions a second with many callers.
    saturation: f64,
    /// At twice saturation.
    beyond: Answers,
    /// Decisions a second with many callers once more, right after that.
    saturation_after: f64,
    /// At 80 % of saturation.
    comfortable: Answers,
}

impl Measured {
    /// The median of the rounds.
    fn median(&self, value: impl Fn(&Round) -> f64) -> f64 {
        median(&self.rounds.iter().map(value).collect::<Vec<_>>())
    }

    /// Share of the bare throughput that is served.
    pub fn served_to_bare(&self) -> f64 {
        self.median(|round| round.saturation / round.bare)
    }

    /// The slow calls at 80 % against the usual call of an idle server.
    pub fn tail(&self) -> f64 {
        self.median(|round| round.comfortable.latency(0.99) / round.unloaded.latency(0.5))
    }

    /// Share of saturation that is still served at twice the load.
    pub fn goodput(&self) -> f64 {
        self.median(|round| {
            let saturation = f64::midpoint(round.saturation, round.saturation_after);
            round.beyond.throughput() / saturation
        })
    }

    /// Calls that were refused at twice the load.
    fn refused(&self) -> usize {
        self.rounds
            .iter()
            .map(|round| round.beyond.refused.len())
            .sum()
    }

    /// Time to a refusal at twice the load, milliseconds, within which 99 % are; absent when a
    /// round refused nothing.
    pub fn refusal_ms(&self) -> Option<f64> {
        let refused = |round: &Round| !round.beyond.refused.is_empty();
        let slow = |round: &Round| percentile(&round.beyond.refused, 0.99);
        self.rounds.iter().all(refused).then(|| self.median(slow))
    }
}

/// Measures both kinds of request and adds them to the report.
pub fn report(models: &Models, seconds: u64, report: &mut Report) {
    let mut rows = table(["over gRPC", Kind::ALL[0].name(), Kind::ALL[1].name()]);
    let measured = measure(models, seconds);
    let mut row = |name: &str, decimals: usize, value: &dyn Fn(&Measured) -> f64| {
        let mut cells = vec![name.into()];
        cells.extend(measured.iter().map(|kind| number(value(kind), decimals)));
        rows.add_row(cells);
    };
    row("one caller, p50 ms", 2, &|m| {
        m.median(|round| round.unloaded.latency(0.5))
    });
    row("one caller, p99 ms", 2, &|m| {
        m.median(|round| round.unloaded.latency(0.99))
    });
    row("saturation, decisions/s", 1, &|m| {
        m.median(|round| round.saturation)
    });
    row("stages bare on as many threads, decisions/s", 1, &|m| {
        m.median(|round| round.bare)
    });
    row("served / bare", 3, &Measured::served_to_bare);
    row("80 % of saturation, p50 ms", 2, &|m| {
        m.median(|round| round.comfortable.latency(0.5))
    });
    row("80 % of saturation, p99 ms", 2, &|m| {
        m.median(|round| round.comfortable.latency(0.99))
    });
    row("that p99 / p50 of one caller", 2, &Measured::tail);
    row(
        "twice saturation: goodput / saturation",
        3,
        &Measured::goodput,
    );
    row("twice saturation: refused calls", 0, &|m| {
        m.refused() as f64
    });
    row("twice saturation: refusal p99 ms", 2, &|m| {
        m.refusal_ms().unwrap_or(f64::NAN)
    });
    let figures = measured.iter().map(figures);
    let figures = figures.collect::<serde_json::Map<String, Value>>();
    report.add("request", rows, Value::from(figures));
}

fn figures(measured: &Measured) -> (String, Value) {
    let latency = |answers: &dyn Fn(&Round) -> &Answers| {
        let quantile = |q: f64| measured.median(|round| answers(round).latency(q));
        let calls = measured
            .rounds
            .iter()
            .map(|round| answers(round).answered.len());
        let slowest = measured.rounds.iter();
        let slowest = slowest.map(|round| answers(round).latency(1.0));
        json!({
            "p50": quantile(0.5), "p90": quantile(0.9), "p99": quantile(0.99),
            "max": slowest.fold(0.0, f64::max),
            "calls": calls.sum::<usize>(),
        })
    };
    let value = json!({
        "one_caller_ms": latency(&|round| &round.unloaded),
        "saturation_per_s": measured.median(|round| round.saturation),
        "bare_per_s": measured.median(|round| round.bare),
        "served_to_bare": measured.served_to_bare(),
        "at_80_percent_ms": latency(&|round| &round.comfortable),
        "p99_to_unloaded_p50": measured.tail(),
        "beyond_goodput": measured.goodput(),
        "beyond_refused": measured.refused(),
        "beyond_refusal_p99_ms": measured.refusal_ms(),
    });
    (measured.kind.key().to_owned(), value)
}

/// Measures both kinds of request.
pub fn measure(models: &Models, seconds: u64) -> Vec<Measured> {
    let time = Duration::from_secs(seconds);
    let mut lanes = BareLanes::new(models);
    let mut measure = |kind: Kind| {
        println!("measuring: {}, {} lanes", kind.name(), lanes.number());
        // Nothing of one kind may be left over while the other is measured.
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let server = BenchServer::start(models, kind).await;
            measure_kind(&server, kind, &mut lanes, time).await
        })
    };
    Kind::ALL.into_iter().map(&mut measure).collect()
}

async fn measure_kind(
    server: &BenchServer,
    kind: Kind,
    lanes: &mut BareLanes,
    time: Duration,
) -> Measured {
    let callers = server.callers(CALLERS_PER_LANE * lanes.number()).await;
    let connections = server.callers(CONNECTIONS).await;
    warm(&callers).await;
    warm(&connections).await;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let mut bare = || tokio::task::block_in_place(|| lanes.throughput(kind, time));
        let saturation = async || {
            let answers = closed(callers.clone(), time).await.assert_sound();
            answers.throughput()
        };
        let unloaded = closed(callers[..1].to_vec(), time).await.assert_sound();
        // Before and after: what the machine's neighbours do meanwhile hits both sides.
        let bare_before = bare();
        let before = saturation().await;
        let bare = f64::midpoint(bare_before, bare());
        // Long enough to fill the queue, which is when refusals begin.
        let beyond = open(&connections, 2.0 * before, 2 * time).await;
        let after = saturation().await;
        let comfortable = open(&connections, COMFORTABLE * after, time).await;
        rounds.push(Round {
            unloaded,
            bare,
            saturation: before,
            beyond: beyond.assert_sound(),
            saturation_after: after,
            comfortable: comfortable.assert_sound(),
        });
    }
    Measured { kind, rounds }
}

/// The first calls of a connection are slower: windows open, buffers grow.
async fn warm(callers: &[Caller]) {
    closed(callers.to_vec(), Duration::from_secs(1))
        .await
        .assert_sound();
}

/// The stages without engine and transport: a loop on as many threads as there are lanes.
struct BareLanes {
    pipelines: Vec<Pipeline>,
    tasks: [SampleTask; 2],
    template: Template,
    policy: Policy,
}

impl BareLanes {
    fn new(models: &Models) -> Self {
        let task = |image, role| SampleTask {
            cascade: None,
            image,
            role,
            choice: FaceChoice::Largest,
            goal: Goal::Embed,
        };
        let number = models.config.engine.lanes.get();
        let mut pipelines: Vec<Pipeline> = (0..number).map(|_| models.pipeline()).collect();
        let tasks = [
            task(pictures::selfie(), SampleRole::Probe),
            task(pictures::reference(), SampleRole::Reference),
        ];
        let result = pipelines[0].run(&tasks[1], &Checkpoint::always());
        let template = result.expect("runs").template.expect("is fit");
        Self {
            pipelines,
            tasks,
            template,
            policy: models.policy(),
        }
    }

    fn number(&self) -> usize {
        self.pipelines.len()
    }

    /// Decisions a second of all threads together.
    fn throughput(&mut self, kind: Kind, time: Duration) -> f64 {
        let (tasks, template, policy) = (&self.tasks, &self.template, &self.policy);
        let started = Instant::now();
        let decided: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = self
                .pipelines
                .iter_mut()
                .map(|pipeline| {
                    scope.spawn(move || {
                        let mut decided = 0;
                        while started.elapsed() < time {
                            decide_once(pipeline, kind, tasks, template, policy);
                            decided += 1;
                        }
                        decided
                    })
                })
                .collect();
            let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
            joined.map(|decided| decided.expect("no panic")).sum()
        });
        decided as f64 / started.elapsed().as_secs_f64()
    }
}

fn decide_once(
    pipeline: &mut Pipeline,
    kind: Kind,
    [probe, reference]: &[SampleTask; 2],
    template: &Template,
    policy: &Policy,
) {
    let mut run = |task| {
        let result = pipeline.run(task, &Checkpoint::always()).expect("runs");
        result.template.expect("is fit")
    };
    let probe = run(probe);
    let similarity = match kind {
        Kind::Pair => compare(&probe, &run(reference)),
        Kind::Template | Kind::Subject => compare(&probe, template),
    };
    let evidence = Evidence {
        probe_faults: &[],
        reference_faults: &[],
        similarity: Some(similarity.expect("one contract")),
    };
    black_box(decide(policy, &evidence));
}
