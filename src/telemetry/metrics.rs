//! The metrics and their labels. Names follow Prometheus: prefix, base units, `_total`.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::engine::BatchCounts;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestLabels {
    pub method: &'static str,
    pub code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StageLabels {
    pub stage: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct DecisionLabels {
    pub decision: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReasonLabels {
    pub reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct BatchLabels {
    pub faces: u64,
}

/// What runs, as labels of a metric that is always 1.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BuildLabels {
    /// padan's version.
    pub version: String,
    /// Version of ONNX Runtime.
    pub runtime_version: String,
    /// The detector's id.
    pub detector: String,
    /// The embedder's contract id.
    pub model_contract_id: String,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// All metrics of one server.
pub struct Metrics {
    registry: Registry,
    /// One series: what runs now.
    build_info: Family<BuildLabels, Gauge>,
    build: Mutex<BuildLabels>,
    pub(super) requests: Family<RequestLabels, Counter>,
    pub(super) request_seconds: Histograms<RequestLabels>,
    pub(super) stage_seconds: Histograms<StageLabels>,
    pub(super) decisions: Family<DecisionLabels, Counter>,
    pub(super) reasons: Family<ReasonLabels, Counter>,
    queue_length: Gauge,
    lanes_alive: Gauge,
    lane_crashes: Counter,
    device_batches: Family<BatchLabels, Counter>,
    device_failures: Counter,
}

impl Metrics {
    /// Metrics at zero.
    #[must_use]
    pub fn new(build: BuildLabels) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("padan"),
            build_info: Family::default(),
            build: Mutex::new(build),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(histogram),
            stage_seconds: Family::new_with_constructor(histogram),
            decisions: Family::default(),
            reasons: Family::default(),
            queue_length: Gauge::default(),
            lanes_alive: Gauge::default(),
            lane_crashes: Counter::default(),
            device_batches: Family::default(),
            device_failures: Counter::default(),
        };
        metrics.build_info.get_or_create(&metrics.labels()).set(1);
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        // Not the type `Info`, whose labels cannot change.
        registry.register("build_info", "What runs", self.build_info.clone());
        let requests = self.requests.clone();
        registry.register("requests", "gRPC requests answered", requests);
        let request_seconds = self.request_seconds.clone();
        registry.register(
            "request_seconds",
            "Time from arrival to answer",
            request_seconds,
        );
        let stage_seconds = self.stage_seconds.clone();
        registry.register(
            "stage_seconds",
            "Time of one sample in one stage",
            stage_seconds,
        );
        registry.register(
            "decisions",
            "Verifications by decision",
            self.decisions.clone(),
        );
        registry.register(
            "reasons",
            "Reasons given to operators",
            self.reasons.clone(),
        );
        let queue_length = self.queue_length.clone();
        registry.register("queue_length", "Samples that wait for a lane", queue_length);
        registry.register("lanes_alive", "Lanes that work", self.lanes_alive.clone());
        let lane_crashes = self.lane_crashes.clone();
        registry.register("lane_crashes", "Panics caught on lanes", lane_crashes);
        registry.register(
            "device_batches",
            "Batches that the accelerator ran, by faces in them",
            self.device_batches.clone(),
        );
        registry.register(
            "device_failures",
            "Failures of the accelerator",
            self.device_failures.clone(),
        );
    }

    fn labels(&self) -> BuildLabels {
        let build = self.build.lock().unwrap_or_else(PoisonError::into_inner);
        build.clone()
    }

    /// Says which model serves now, at the moment of a scrape.
    pub fn set_model(&self, detector: &str, model_contract_id: &str) {
        let mut build = self.build.lock().unwrap_or_else(PoisonError::into_inner);
        if build.model_contract_id == model_contract_id && build.detector == detector {
            return;
        }
        let next = BuildLabels {
            detector: detector.to_owned(),
            model_contract_id: model_contract_id.to_owned(),
            ..build.clone()
        };
        self.build_info.get_or_create(&next).set(1);
        self.build_info.remove(&build);
        *build = next;
    }

    /// Sets what an accelerator has done, at the moment of a scrape.
    pub fn set_device(&self, counts: &BatchCounts) {
        set(&self.device_failures, counts.failures);
        for (faces, batches) in &counts.batches {
            // As many series as there are sizes up to the largest bucket.
            let labels = BatchLabels {
                faces: *faces as u64,
            };
            set(&self.device_batches.get_or_create(&labels), *batches);
        }
    }

    /// Sets what is read at the moment of a scrape.
    pub fn set_engine(&self, queue_length: usize, lanes_alive: usize, crashes: u64) {
        let to_gauge = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.queue_length.set(to_gauge(queue_length));
        self.lanes_alive.set(to_gauge(lanes_alive));
        set(&self.lane_crashes, crashes);
    }

    /// The metrics in the text format of `OpenMetrics` 1.0.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

/// Sets a counter to what another place has counted.
fn set(counter: &Counter, number: u64) {
    counter.inner().store(number, Ordering::Relaxed);
}

/// 0.1 ms to 13 s, each bucket twice the last.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(1e-4, 2.0, 18))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_prefix_and_unit() {
        let metrics = Metrics::new(BuildLabels {
            version: "0".to_owned(),
            runtime_version: "1".to_owned(),
            detector: "d".to_owned(),
            model_contract_id: "m:1".to_owned(),
        });
        let labels = RequestLabels {
            method: "Verify",
            code: "OK",
        };
        metrics.requests.get_or_create(&labels).inc();
        metrics.set_engine(3, 2, 0);
        metrics.set_device(&BatchCounts {
            batches: [(1, 7), (4, 2)].into(),
            failures: 1,
        });
        let text = metrics.encode();
        assert!(
            text.contains("padan_requests_total{method=\"Verify\",code=\"OK\"} 1"),
            "{text}"
        );
        assert!(text.contains("padan_queue_length 3"), "{text}");
        assert!(
            text.contains("padan_device_batches_total{faces=\"4\"} 2"),
            "{text}"
        );
        assert!(text.contains("padan_device_failures_total 1"), "{text}");
        let build = "padan_build_info{version=\"0\",runtime_version=\"1\",detector=\"d\",\
                     model_contract_id=\"m:1\"} 1";
        assert!(text.contains(build), "{text}");
        metrics.set_model("d", "m:2");
        let text = metrics.encode();
        assert!(text.contains(&build.replace("m:1", "m:2")), "{text}");
        assert!(!text.contains("m:1"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
