//! A device whose batches the test lets go one by one: what runs together is then no accident.

use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, yield_now};
use std::time::Instant;

use padan::config::Config;
use padan::embed::{Embedding, FaceEmbedder, InferenceError};
use padan::engine::{BatchWorker, Batcher};
use padan::model::{
    BatchedEmbedder, DeviceSession, Embedded, Manifest, ModelEntry, ModelTask, OrtEmbedder, Planes,
    Profile, Runtime,
};
use padan::sample::picture::Picture;

use super::{WAIT_MAX, decoded, repository};

fn spin_until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < WAIT_MAX, "within a minute: {what}");
        yield_now();
    }
}

/// What the device does with its next batch.
pub enum Order {
    Run,
    Fail,
}

/// Faces and bucket of each batch.
type Seen = Arc<Mutex<Vec<(usize, usize)>>>;

/// A real session that waits for an order before each batch, until nobody can give one.
pub struct Gated {
    session: DeviceSession,
    orders: Arc<Mutex<Receiver<Order>>>,
    seen: Seen,
}

impl BatchWorker for Gated {
    type Item = Planes;
    type Output = Embedded;

    fn run(&mut self, items: Vec<Planes>, bucket: usize) -> Result<Vec<Embedded>, String> {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let order = orders.recv().unwrap_or(Order::Run);
        let mut seen = self.seen.lock().expect("not poisoned");
        seen.push((items.len(), bucket));
        match order {
            Order::Run => self.session.run(items, bucket),
            Order::Fail => Err("on purpose".to_owned()),
        }
    }
}

type Call = JoinHandle<Result<Embedding, InferenceError>>;

/// A gated device, and what lanes need to use it.
pub struct GatedDevice {
    pub device: Arc<Batcher<Gated>>,
    pub orders: Sender<Order>,
    pub seen: Seen,
    entry: ModelEntry,
    runtime: Runtime,
    manifest: Manifest,
}

impl GatedDevice {
    /// The configured embedder on the configured provider.
    pub fn start(config: &Config) -> Self {
        let runtime = Runtime::load(&config.runtime_library).expect("the library loads");
        let manifest = Manifest::read(&config.models).expect("the manifest is valid");
        let select = |id| manifest.select(id, ModelTask::Embedder, Profile::Production);
        let entry = select(&config.embedder).expect("is there").clone();
        let (orders, given) = channel();
        let given = Arc::new(Mutex::new(given));
        let seen = Seen::default();
        let for_worker = Arc::clone(&seen);
        let load = {
            let (provider, runtime) = (config.provider.clone(), runtime.clone());
            let (manifest, entry) = (manifest.clone(), entry.clone());
            move || DeviceSession::load(&provider, &runtime, &manifest, &entry)
        };
        let factory = move || {
            Ok(Gated {
                session: load().map_err(|error| error.to_string())?,
                orders: Arc::clone(&given),
                seen: Arc::clone(&for_worker),
            })
        };
        let lanes = NonZeroUsize::new(16).expect("not zero");
        let device = Batcher::start(config.provider.buckets.clone(), lanes, Box::new(factory));
        Self {
            device: Arc::new(device.expect("starts")),
            orders,
            seen,
            entry,
            runtime,
            manifest,
        }
    }

    /// A lane's handle to the device.
    pub fn handle(&self) -> BatchedEmbedder<Gated> {
        BatchedEmbedder::new(Arc::clone(&self.device), &self.entry).expect("has an alignment")
    }

    /// A lane's own session of the same model, on the CPU.
    pub fn lane(&self) -> OrtEmbedder {
        OrtEmbedder::load(&self.runtime, &self.manifest, &self.entry).expect("loads")
    }

    /// A call that the device has taken and holds until the next order.
    pub fn held(&self, crop: &Picture) -> Call {
        let batches = || -> u64 { self.device.counts().batches.values().sum() };
        let before = batches();
        let call = self.call(crop);
        spin_until("the device takes the call", || batches() != before);
        call
    }

    /// A call that waits behind a held one.
    pub fn waiting(&self, crop: &Picture) -> Call {
        let before = self.device.waiting();
        let call = self.call(crop);
        let is_waiting = || self.device.waiting() != before;
        spin_until("the call waits", is_waiting);
        call
    }

    fn call(&self, crop: &Picture) -> Call {
        let (mut handle, crop) = (self.handle(), crop.clone());
        std::thread::spawn(move || handle.embed(&crop))
    }

    pub fn order(&self, order: Order) {
        self.orders.send(order).expect("the device is there");
    }
}

/// The aligned faces of the six portraits.
pub fn crops() -> Vec<Picture> {
    super::PORTRAITS
        .map(|name| {
            let name = name.replace(".jpg", ".png");
            let path = repository().join("tests/golden/crops").join(name);
            decoded(&std::fs::read(path).expect("the crop is in the tree"))
        })
        .into()
}

/// The largest difference of any number of two embeddings.
pub fn difference(one: &Embedding, other: &Embedding) -> f32 {
    let pairs = one.as_slice().iter().zip(other.as_slice());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// One face is held, five gather and run together, then all again from many threads without order:
/// each comes out as from a lane's own session on the CPU, within `tolerance` in each number.
pub fn assert_batches_give_what_a_lane_gives(config: &Config, tolerance: f32) {
    let crops = crops();
    let device = GatedDevice::start(config);
    let mut lane = device.lane();
    let alone: Vec<_> = crops
        .iter()
        .map(|crop| lane.embed(crop).expect("embeds"))
        .collect();
    let check = |number: usize, found: &Embedding| {
        let difference = difference(found, &alone[number]);
        assert!(difference <= tolerance, "face {number} is {difference} off");
    };
    assert!(
        difference(&alone[0], &alone[5]) > 10.0 * tolerance,
        "faces differ"
    );

    let first = device.held(&crops[0]);
    let rest: Vec<_> = crops[1..].iter().map(|crop| device.waiting(crop)).collect();
    device.order(Order::Run);
    device.order(Order::Run);
    for (number, call) in [first].into_iter().chain(rest).enumerate() {
        check(number, &call.join().expect("no panic").expect("embeds"));
    }
    assert_eq!(*device.seen.lock().expect("not poisoned"), [(1, 1), (5, 8)]);

    let handles: Vec<_> = (0..6).map(|_| device.handle()).collect();
    // Without orders, the device never waits.
    drop(device.orders);
    std::thread::scope(|scope| {
        for (start, mut handle) in handles.into_iter().enumerate() {
            let (crops, check) = (&crops, &check);
            scope.spawn(move || {
                for number in (0..crops.len()).map(|n| (start + n) % crops.len()) {
                    check(number, &handle.embed(&crops[number]).expect("embeds"));
                }
            });
        }
    });
}
