use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{JoinHandle, yield_now};

use super::*;

/// The batches that were run: their items and their bucket.
type Seen = Arc<Mutex<Vec<(Vec<u32>, usize)>>>;

/// A device that waits for the test before each batch, and does what the test then says.
struct Gated {
    orders: Arc<Mutex<Receiver<Order>>>,
    seen: Seen,
}

enum Order {
    Double,
    Fail,
    Panic,
    LoseOne,
}

impl BatchWorker for Gated {
    type Item = u32;
    type Output = u32;

    fn run(&mut self, items: Vec<u32>, bucket: usize) -> Result<Vec<u32>, String> {
        let order = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let order = order.recv().unwrap_or(Order::Double);
        self.seen
            .lock()
            .expect("not poisoned")
            .push((items.clone(), bucket));
        let outputs: Vec<u32> = items.into_iter().map(|item| item * 2).collect();
        match order {
            Order::Double => Ok(outputs),
            Order::Fail => Err("on purpose".to_owned()),
            Order::Panic => panic!("on purpose"),
            Order::LoseOne => Ok(outputs.into_iter().skip(1).collect()),
        }
    }
}

struct Bench {
    batcher: Arc<Batcher<Gated>>,
    orders: Sender<Order>,
    seen: Seen,
    made: Arc<AtomicUsize>,
}

impl Bench {
    /// A device with buckets 1, 4 and 8; its worker can be made `makes_max` times.
    fn new(waiting_max: usize, makes_max: usize) -> Self {
        let (orders, given) = channel();
        let given = Arc::new(Mutex::new(given));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let made = Arc::new(AtomicUsize::new(0));
        let (for_worker, count) = (Arc::clone(&seen), Arc::clone(&made));
        let factory = move || {
            if count.fetch_add(1, Ordering::SeqCst) >= makes_max {
                return Err("no device".to_owned());
            }
            Ok(Gated {
                orders: Arc::clone(&given),
                seen: Arc::clone(&for_worker),
            })
        };
        let buckets = Buckets::new(&[1, 4, 8]).expect("valid");
        let waiting_max = NonZeroUsize::new(waiting_max).expect("not zero");
        let batcher = Batcher::start(buckets, waiting_max, Box::new(factory));
        Self {
            batcher: Arc::new(batcher.expect("starts")),
            orders,
            seen,
            made,
        }
    }

    fn call(&self, item: u32) -> JoinHandle<Result<u32, BatchError>> {
        let batcher = Arc::clone(&self.batcher);
        std::thread::spawn(move || batcher.run(item))
    }

    /// A call that the device has taken and holds until the next order.
    fn held(&self, item: u32) -> JoinHandle<Result<u32, BatchError>> {
        let before: u64 = self.batcher.counts().batches.values().sum();
        let call = self.call(item);
        while self.batcher.counts().batches.values().sum::<u64>() == before {
            yield_now();
        }
        call
    }

    /// Calls that wait, in this order.
    fn waiting(&self, items: std::ops::Range<u32>) -> Vec<JoinHandle<Result<u32, BatchError>>> {
        let queue = |item| {
            let before = self.batcher.waiting();
            let call = self.call(item);
            while self.batcher.waiting() == before {
                yield_now();
            }
            call
        };
        items.map(queue).collect()
    }

    fn order(&self, order: Order) {
        self.orders.send(order).expect("the device is there");
    }

    /// An answer after whatever happened, once the device is ready again.
    fn call_when_ready(&self, item: u32) -> Result<u32, BatchError> {
        loop {
            match self.batcher.run(item) {
                Err(BatchError::NotReady) => yield_now(),
                answer => return answer,
            }
        }
    }
}

fn answer(call: JoinHandle<Result<u32, BatchError>>) -> Result<u32, BatchError> {
    call.join().expect("a call does not panic")
}

#[test]
fn what_gathers_while_the_device_is_busy_runs_together_in_the_smallest_bucket() {
    let bench = Bench::new(16, 1);
    let first = bench.held(100);
    let rest = bench.waiting(0..11);
    for _ in 0..3 {
        bench.order(Order::Double);
    }
    assert_eq!(answer(first), Ok(200));
    for (item, call) in (0..).zip(rest) {
        assert_eq!(answer(call), Ok(item * 2));
    }
    let seen = bench.seen.lock().expect("not poisoned").clone();
    let expected = [
        (vec![100], 1),
        ((0..8).collect(), 8),
        ((8..11).collect(), 4),
    ];
    assert_eq!(seen, expected);
    let batches = BTreeMap::from([(1, 1), (3, 1), (8, 1)]);
    let failures = 0;
    assert_eq!(bench.batcher.counts(), BatchCounts { batches, failures });
}

#[test]
fn a_free_device_takes_a_single_job_at_once() {
    let bench = Bench::new(4, 1);
    for item in 0..3 {
        bench.order(Order::Double);
        assert_eq!(bench.batcher.run(item), Ok(item * 2));
    }
}

#[test]
fn a_failure_answers_everyone_who_waits_and_the_device_is_made_again() {
    for (order, said) in [
        (Order::Fail, "on purpose"),
        (Order::Panic, "panicked"),
        (Order::LoseOne, "0 outputs for 1 items"),
    ] {
        let bench = Bench::new(16, 2);
        let first = bench.held(1);
        let rest = bench.waiting(2..6);
        bench.order(order);
        for call in rest.into_iter().chain([first]) {
            let error = answer(call).expect_err("failed");
            assert!(
                matches!(&error, BatchError::Failed(cause) if cause.contains(said)),
                "{error}"
            );
        }
        bench.order(Order::Double);
        assert_eq!(bench.call_when_ready(21), Ok(42));
        assert_eq!(bench.made.load(Ordering::SeqCst), 2);
        assert_eq!(bench.batcher.counts().failures, 1);
        assert!(bench.batcher.is_ready());
    }
}

#[test]
fn a_device_that_cannot_be_made_again_is_lost_and_nobody_waits() {
    let bench = Bench::new(16, 1);
    let first = bench.held(1);
    let rest = bench.waiting(2..6);
    bench.order(Order::Panic);
    for call in rest.into_iter().chain([first]) {
        assert!(answer(call).is_err());
    }
    let error = bench.call_when_ready(1).expect_err("lost");
    assert_eq!(error, BatchError::Lost("no device".to_owned()));
    assert!(!bench.batcher.is_ready());
}

#[test]
fn a_device_that_cannot_be_made_fails_the_start() {
    let buckets = Buckets::new(&[1]).expect("valid");
    let factory = Box::new(|| Err("no device".to_owned()));
    let batcher = Batcher::<Gated>::start(buckets, NonZeroUsize::MIN, factory);
    assert_eq!(batcher.err().expect("fails").to_string(), "no device");
}

#[test]
fn a_device_whose_making_panics_fails_the_start() {
    let buckets = Buckets::new(&[1]).expect("valid");
    let factory = Box::new(|| panic!("on purpose"));
    let batcher = Batcher::<Gated>::start(buckets, NonZeroUsize::MIN, factory);
    let text = batcher.err().expect("fails").to_string();
    assert!(text.contains("panicked"), "{text}");
}

#[test]
fn no_more_may_wait_than_was_said() {
    let bench = Bench::new(2, 1);
    let first = bench.held(1);
    let rest = bench.waiting(2..4);
    assert_eq!(bench.batcher.run(9), Err(BatchError::Full));
    bench.order(Order::Double);
    bench.order(Order::Double);
    assert_eq!(answer(first), Ok(2));
    assert_eq!(
        rest.into_iter().map(answer).collect::<Vec<_>>(),
        [Ok(4), Ok(6)]
    );
}

#[test]
fn many_callers_get_their_own_answers() {
    let bench = Bench::new(8, 1);
    let Bench {
        batcher, orders, ..
    } = bench;
    // Without orders, the device never waits.
    drop(orders);
    std::thread::scope(|scope| {
        for caller in 0..8 {
            let batcher = &batcher;
            scope.spawn(move || {
                for item in (0..200).map(|n| n * 8 + caller) {
                    assert_eq!(batcher.run(item), Ok(item * 2));
                }
            });
        }
    });
    let counts = batcher.counts();
    let jobs: u64 = counts
        .batches
        .iter()
        .map(|(size, times)| *size as u64 * times)
        .sum();
    assert_eq!(jobs, 1600);
}
