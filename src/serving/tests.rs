//! The registry with models that are made up: every picture has one face, and it is always the
//! same.

mod in_flight;

use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::Instant;

use super::*;
use crate::access::{Caller, Role};
use crate::audit::Text;
use crate::decision::{Calibration, PolicySpec, example_calibration};
use crate::embed::{Embedding, FaceEmbedder, InferenceError};
use crate::engine::{Class, EngineSettings};
use crate::pipeline::PipelineSettings;
use crate::sample::align::{ARCFACE_112, AlignmentTemplate};
use crate::sample::decode::ImageLimits;
use crate::sample::detect::FaceDetector;
use crate::sample::geometry::Face;
use crate::sample::picture::Picture;
use crate::sample::quality::QualityLimits;
use crate::verify::{Reference, Urgency, Verifier, VerifyTask};

/// Long enough for whatever ought to come at once.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// What a detector does before it finds nothing.
type Before = Arc<dyn Fn() + Send + Sync>;

struct NoFace(Before);

impl FaceDetector for NoFace {
    fn detect(&mut self, _: &Picture, _: f32) -> Result<Vec<Face>, InferenceError> {
        (self.0)();
        Ok(Vec::new())
    }
}

/// Tells when it is gone, and its lane with it.
struct Fake(ContractId, mpsc::Sender<()>);

impl FaceEmbedder for Fake {
    fn contract_id(&self) -> &ContractId {
        &self.0
    }

    fn alignment(&self) -> &'static AlignmentTemplate {
        &ARCFACE_112
    }

    fn embed(&mut self, _: &Picture) -> Result<Embedding, InferenceError> {
        Ok(Embedding::from_output(&[1.0, 0.0]).expect("has a direction"))
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        // Most tests do not listen.
        let _ = self.1.send(());
    }
}

fn policies(contract: &ContractId) -> PolicySet {
    let calibration = Calibration {
        model_contract_id: contract.to_string(),
        ..example_calibration()
    };
    let spec = PolicySpec {
        id: "activation".to_owned(),
        fmr: 1e-4,
        review_fmr: Some(1e-3),
    };
    PolicySet::new(&[spec], &calibration, contract, None).expect("supported")
}

/// A model, and word of the end of its only lane.
fn model(id: &str) -> (Serving, mpsc::Receiver<()>) {
    model_that(id, Arc::new(|| ()))
}

/// The same, whose lane does something with each sample.
fn model_that(id: &str, before: Before) -> (Serving, mpsc::Receiver<()>) {
    let contract = ContractId::new(&format!("{id}:1"));
    let (ended, word) = mpsc::channel();
    let settings = Arc::new(PipelineSettings {
        image: ImageLimits::default(),
        quality: QualityLimits::default(),
    });
    let one = std::num::NonZeroUsize::MIN;
    let (made_for, ended) = (contract.clone(), std::sync::Mutex::new(ended));
    let factory = move || {
        let ended = ended.lock().expect("not poisoned").clone();
        let embedder = Fake(made_for.clone(), ended);
        let settings = Arc::clone(&settings);
        Ok(Pipeline::new(
            Box::new(NoFace(Arc::clone(&before))),
            Box::new(embedder),
            settings,
        ))
    };
    let settings = EngineSettings {
        lanes: one,
        queue_length_max: one.saturating_add(7),
    };
    let engine = Engine::start(settings, Box::new(factory)).expect("starts");
    let engine = if id == "dead" {
        engine.needing(|| false)
    } else {
        engine
    };
    let facts = |id: &str, task| ModelFacts {
        id: id.to_owned(),
        task,
        sha256: String::new(),
        licence: "MIT".to_owned(),
        contract_id: None,
        dimension: None,
    };
    let facts = [facts("none", "detector"), facts(id, "embedder")];
    let set = policies(&contract);
    (Serving::new(contract, facts, engine, set), word)
}

/// Loads what it is asked for, unless it is called `broken`; waits for the gate before.
struct FakeLoader {
    is_open: AtomicBool,
}

impl Loader for FakeLoader {
    fn load(&self, id: &str) -> Result<Serving, LoadError> {
        while !self.is_open.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(1));
        }
        match id {
            "broken" => Err(LoadError::Refused("its digest is another".to_owned())),
            "unknown" => Err(LoadError::Unknown("there is none".to_owned())),
            id => Ok(model(id).0),
        }
    }
}

fn caller() -> Caller {
    Caller {
        name: Text::fitted("admin"),
        role: Role::Admin,
        office: None,
        is_certified: true,
    }
}

/// A service on the model `old`, with the gate of its loader open.
fn service() -> (Arc<Registry>, Arc<Swap>, Arc<FakeLoader>) {
    let models = Arc::new(Registry::new(model("old").0));
    let loader = Arc::new(FakeLoader {
        is_open: AtomicBool::new(true),
    });
    let swap = Swap::new(Arc::clone(&models), Arc::clone(&loader) as _, None);
    (models, Arc::new(swap), loader)
}

fn task() -> VerifyTask {
    let picture = image::RgbImage::from_pixel(64, 64, image::Rgb([200; 3]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    let written = picture.write_to(&mut bytes, image::ImageFormat::Png);
    written.expect("encodes");
    let image = bytes::Bytes::from(bytes.into_inner());
    VerifyTask {
        probe: image.clone(),
        reference: Reference::Sample(image),
        policy: String::new(),
    }
}

const URGENCY: Urgency = Urgency {
    class: Class::Activation,
    deadline: None,
};

fn ids(lineup: &Lineup) -> Vec<&str> {
    lineup.loaded().iter().map(|model| model.id()).collect()
}

#[tokio::test]
async fn a_request_ends_on_the_model_it_began_with_and_the_next_begins_on_the_new_one() {
    let (models, swap, _) = service();
    let verifier = Verifier::new(Arc::clone(&models));
    let begun = verifier.lineup();
    swap.load(&caller(), "new").await.expect("loads");
    let active = swap.activate(&caller(), "new", "new:1").await;
    assert_eq!(active.expect("is loaded").id(), "new");
    let made = begun.active().verify(task(), URGENCY).await;
    let made = made.expect("a decision");
    assert_eq!(made.policy.contract_id.as_str(), "old:1");
    let made = verifier.verify(task(), URGENCY).await.expect("a decision");
    assert_eq!(made.policy.contract_id.as_str(), "new:1");
    let back = swap.roll_back(&caller(), Some("new:1")).await;
    assert_eq!(back.expect("there is a way").id(), "old");
    // The same call again, by somebody whom the answer did not reach.
    let again = swap.roll_back(&caller(), Some("new:1")).await.err();
    assert!(matches!(again, Some(SwapError::OtherContract { .. })));
    let made = verifier.verify(task(), URGENCY).await.expect("a decision");
    assert_eq!(made.policy.contract_id.as_str(), "old:1");
    assert_eq!(models.lineup().previous().expect("one").id(), "new");
}

#[tokio::test]
async fn what_is_refused_changes_nothing() {
    let (models, swap, _) = service();
    let caller = caller();
    let refused = swap.load(&caller, "broken").await.err().expect("refused");
    assert!(refused.to_string().contains("digest"), "{refused}");
    let refused = swap.load(&caller, "unknown").await.err();
    assert!(matches!(
        refused,
        Some(SwapError::Load(LoadError::Unknown(_)))
    ));
    let refused = swap.roll_back(&caller, None).await.err();
    assert!(matches!(refused, Some(SwapError::NoPrevious)));
    let refused = swap.activate(&caller, "new", "new:1").await.err();
    assert!(matches!(refused, Some(SwapError::NotLoaded { .. })));
    let refused = swap.activate(&caller, "old", "old:1").await.err();
    assert!(matches!(refused, Some(SwapError::AlreadyActive { .. })));
    swap.load(&caller, "new").await.expect("loads");
    let refused = swap.activate(&caller, "new", "new:2").await.err();
    assert!(matches!(refused, Some(SwapError::OtherContract { .. })));
    let refused = swap.load(&caller, "new").await.err();
    assert!(matches!(refused, Some(SwapError::AlreadyLoaded { .. })));
    swap.load(&caller, "third").await.expect("loads");
    let refused = swap.load(&caller, "fourth").await.err();
    assert!(matches!(refused, Some(SwapError::TooMany)));
    assert_eq!(ids(&models.lineup()), ["old", "new", "third"]);
    assert_eq!(models.active().id(), "old");
}

#[tokio::test]
async fn a_model_whose_lanes_are_dead_is_neither_activated_nor_tried() {
    let (models, swap, _) = service();
    let caller = caller();
    swap.load(&caller, "dead").await.expect("loads");
    let refused = swap.activate(&caller, "dead", "dead:1").await.err();
    assert!(matches!(refused, Some(SwapError::LanesDead { .. })));
    let pace = Pace::new(1.0, 0).expect("a share");
    let refused = swap.start_shadow(&caller, "dead", pace).await.err();
    assert!(matches!(refused, Some(SwapError::LanesDead { .. })));
    assert_eq!(models.active().id(), "old");
    swap.unload(&caller, "dead", false).await.expect("may go");
}

#[tokio::test]
async fn one_model_is_loaded_at_a_time_and_changes_do_not_wait_for_it() {
    let (models, swap, loader) = service();
    swap.load(&caller(), "new").await.expect("loads");
    loader.is_open.store(false, Ordering::Release);
    let (background, third) = (Arc::clone(&swap), caller());
    let loading = tokio::spawn(async move { background.load(&third, "third").await.map(drop) });
    let begun = Instant::now();
    let refused = loop {
        // Until the other one has begun, this one would wait for the gate itself.
        tokio::task::yield_now().await;
        if swap.loading.try_lock().is_err() {
            break swap.load(&caller(), "fourth").await.err();
        }
        assert!(begun.elapsed() < WAIT_MAX);
    };
    assert!(matches!(refused, Some(SwapError::Loading)));
    let active = swap.activate(&caller(), "new", "new:1").await;
    assert!(active.is_ok());
    loader.is_open.store(true, Ordering::Release);
    loading.await.expect("no panic").expect("loads");
    assert_eq!(models.active().id(), "new");
    assert_eq!(ids(&models.lineup()), ["old", "new", "third"]);
}

#[tokio::test]
async fn a_shadow_counts_its_share_and_ends_when_another_model_is_activated() {
    let (models, swap, _) = service();
    let (verifier, caller) = (Verifier::new(Arc::clone(&models)), caller());
    assert!(matches!(swap.shadow_report(), Err(SwapError::NoShadow)));
    let pace = Pace::new(1.0, 3).expect("a share");
    let refused = swap.start_shadow(&caller, "old", pace).await.err();
    assert!(matches!(refused, Some(SwapError::AlreadyActive { .. })));
    swap.load(&caller, "new").await.expect("loads");
    swap.start_shadow(&caller, "new", pace)
        .await
        .expect("begins");
    let refused = swap.start_shadow(&caller, "new", pace).await.err();
    assert!(matches!(refused, Some(SwapError::ShadowRuns)));
    let refused = swap.unload(&caller, "new", true).await.err();
    assert!(matches!(refused, Some(SwapError::InUse { .. })));
    for _ in 0..5 {
        verifier.verify(task(), URGENCY).await.expect("a decision");
    }
    let begun = Instant::now();
    let counts = loop {
        let counts = swap.shadow_report().expect("there is one").counts;
        if counts.scored + counts.dropped == counts.taken {
            break counts;
        }
        assert!(begun.elapsed() < WAIT_MAX);
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    assert_eq!(counts.taken, 5);
    assert!(counts.scored > 0);
    // Without a face nothing is compared, and both say so.
    assert_eq!((counts.compared, counts.disagreements), (0, 0));
    swap.activate(&caller, "new", "new:1")
        .await
        .expect("loaded");
    let report = swap.shadow_report().expect("the latest");
    assert!(!report.is_running);
    verifier.verify(task(), URGENCY).await.expect("a decision");
    assert_eq!(swap.shadow_report().expect("the latest").counts.taken, 5);
}

#[tokio::test]
async fn each_contract_that_is_loaded_is_asked_for_the_active_one_first() {
    let (models, swap, _) = service();
    for id in ["new", "third"] {
        swap.load(&caller(), id).await.expect("loads");
    }
    let contracts = || {
        let lineup = models.lineup();
        let contracts = lineup.contracts().map(ToString::to_string);
        contracts.collect::<Vec<_>>()
    };
    assert_eq!(contracts(), ["old:1", "new:1", "third:1"]);
    swap.activate(&caller(), "third", "third:1")
        .await
        .expect("loaded");
    assert_eq!(contracts(), ["third:1", "old:1", "new:1"]);
    let found = models
        .lineup()
        .of_contract(&ContractId::new("new:1"))
        .cloned();
    assert_eq!(found.expect("is loaded").id(), "new");
    assert!(
        models
            .lineup()
            .of_contract(&ContractId::new("new:2"))
            .is_none()
    );
}
