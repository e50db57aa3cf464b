use std::sync::{Mutex, mpsc};

use super::*;

/// Does what the task says; `Hold` waits for the test to let go.
struct Fake;

enum Task {
    Echo(u32),
    Hold(mpsc::Receiver<()>),
    Panic,
    Note(Class, Arc<Mutex<Vec<Class>>>),
    CheckTwice(mpsc::Sender<()>, mpsc::Receiver<()>),
}

impl Worker for Fake {
    type Task = Task;
    type Output = u32;

    fn work(&mut self, task: Task, checkpoint: &Checkpoint<'_>) -> Result<u32, Stopped> {
        match task {
            Task::Echo(number) => Ok(number),
            Task::Hold(gate) => {
                gate.recv().ok();
                Ok(0)
            }
            Task::Panic => panic!("on purpose"),
            Task::Note(class, served) => {
                served.lock().expect("not poisoned").push(class);
                Ok(0)
            }
            Task::CheckTwice(started, gate) => {
                started.send(()).ok();
                gate.recv().ok();
                checkpoint.check().map(|()| 0)
            }
        }
    }
}

fn engine(lanes: usize, queue: usize) -> Engine<Fake> {
    let settings = EngineSettings {
        lanes: NonZeroUsize::new(lanes).expect("not zero"),
        queue_length_max: NonZeroUsize::new(queue).expect("not zero"),
    };
    Engine::start(settings, Box::new(|| Ok(Fake))).expect("starts")
}

/// An engine whose only lane is busy until the sender is dropped.
fn busy(queue: usize) -> (Engine<Fake>, mpsc::Sender<()>, Reply<u32>) {
    let engine = engine(1, queue);
    let (gate, held) = mpsc::channel();
    let [reply] = engine
        .submit(Class::Activation, None, [Task::Hold(held)])
        .expect("accepted");
    while engine.queue_length() > 0 {
        std::thread::yield_now();
    }
    (engine, gate, reply)
}

fn value(reply: Reply<u32>) -> Result<u32, JobError> {
    reply.wait_blocking().map(|completed| completed.output)
}

#[test]
fn every_job_gets_its_own_answer() {
    let engine = engine(3, 1000);
    let replies: Vec<_> = (0..500)
        .map(|n| {
            engine
                .submit(Class::Bulk, None, [Task::Echo(n)])
                .expect("accepted")
        })
        .collect();
    for (n, [reply]) in (0..).zip(replies) {
        assert_eq!(value(reply), Ok(n));
    }
}

#[test]
fn a_full_queue_refuses_at_once_and_says_when_to_retry() {
    let (engine, gate, _held) = busy(2);
    let pair = || engine.submit(Class::Activation, None, [Task::Echo(1), Task::Echo(2)]);
    let accepted = pair().expect("fits");
    let refused = pair().expect_err("full");
    assert!(matches!(refused, SubmitError::Full { retry_after } if retry_after > Duration::ZERO));
    assert_eq!(engine.queue_length(), 2);
    drop(gate);
    assert_eq!(accepted.map(value), [Ok(1), Ok(2)]);
}

#[test]
fn a_queue_says_for_how_many_jobs_it_has_no_room_and_unwanted_ones_take_none() {
    let (engine, gate, _held) = busy(2);
    assert_eq!(engine.no_room(2), None);
    assert!(engine.no_room(3).is_some());
    let submit = |task| engine.submit(Class::Activation, None, [task]);
    let [first] = submit(Task::Echo(1)).expect("there is room");
    assert_eq!(engine.no_room(1), None);
    assert!(engine.no_room(2).is_some_and(|wait| !wait.is_zero()));
    let [second] = submit(Task::Panic).expect("there is room");
    assert!(engine.no_room(1).is_some_and(|wait| !wait.is_zero()));
    drop(second);
    assert_eq!(engine.no_room(1), None);
    drop(gate);
    assert_eq!(value(first), Ok(1));
    assert_eq!(engine.crashes(), 0);
}

#[test]
fn jobs_that_nobody_waits_for_give_up_their_places_in_a_full_queue() {
    let (engine, gate, _held) = busy(2);
    drop(
        engine
            .submit(Class::Activation, None, [Task::Panic])
            .expect("accepted"),
    );
    let [late] = engine
        .submit(Class::Bulk, Some(Instant::now()), [Task::Panic])
        .expect("accepted");
    let pair = engine
        .submit(Class::LiveCheck, None, [Task::Echo(1), Task::Echo(2)])
        .expect("there is room");
    assert_eq!(value(late), Err(JobError::Expired));
    drop(gate);
    assert_eq!(pair.map(value), [Ok(1), Ok(2)]);
    assert_eq!(engine.crashes(), 0);
}

#[test]
fn two_jobs_of_one_request_are_taken_together_or_not_at_all() {
    let (engine, _gate, _held) = busy(3);
    let _first = engine.submit(Class::Activation, None, [Task::Echo(1), Task::Echo(2)]);
    assert!(
        engine
            .submit(Class::Activation, None, [Task::Echo(3), Task::Echo(4)])
            .is_err()
    );
    assert_eq!(engine.queue_length(), 2);
}

#[test]
fn an_expired_job_is_answered_without_work() {
    let (engine, gate, _held) = busy(4);
    let [reply] = engine
        .submit(Class::Activation, Some(Instant::now()), [Task::Panic])
        .expect("accepted");
    drop(gate);
    assert_eq!(value(reply), Err(JobError::Expired));
    assert_eq!(engine.crashes(), 0);
}

#[test]
fn a_job_whose_caller_hung_up_is_skipped() {
    let (engine, gate, _held) = busy(4);
    let abandoned = engine
        .submit(Class::Activation, None, [Task::Panic])
        .expect("accepted");
    drop(abandoned);
    drop(gate);
    let [after] = engine
        .submit(Class::Activation, None, [Task::Echo(7)])
        .expect("accepted");
    assert_eq!(value(after), Ok(7));
    assert_eq!(engine.crashes(), 0);
}

#[test]
fn work_ends_at_the_next_checkpoint_after_the_caller_hung_up() {
    let engine = engine(1, 4);
    let (started, has_started) = mpsc::channel();
    let (gate, held) = mpsc::channel();
    let replies = engine
        .submit(Class::LiveCheck, None, [Task::CheckTwice(started, held)])
        .expect("accepted");
    has_started.recv().expect("the lane works");
    drop(replies);
    drop(gate);
    let [after] = engine
        .submit(Class::LiveCheck, None, [Task::Echo(7)])
        .expect("accepted");
    assert_eq!(value(after), Ok(7));
}

#[test]
fn a_panic_costs_one_job_and_the_lane_is_replaced() {
    let engine = engine(1, 10);
    for round in 1..=3 {
        let [reply] = engine
            .submit(Class::Activation, None, [Task::Panic])
            .expect("accepted");
        assert_eq!(value(reply), Err(JobError::Crashed));
        let [reply] = engine
            .submit(Class::Activation, None, [Task::Echo(5)])
            .expect("accepted");
        assert_eq!(value(reply), Ok(5));
        assert_eq!(engine.crashes(), round);
        assert_eq!(engine.lanes_alive(), 1);
    }
}

#[test]
fn when_the_last_lane_is_lost_nobody_waits_for_ever() {
    let made = std::sync::atomic::AtomicUsize::new(0);
    let factory = move || match made.fetch_add(1, Ordering::Relaxed) {
        0 => Ok(Fake),
        _ => Err("gone".to_owned()),
    };
    let settings = EngineSettings {
        lanes: NonZeroUsize::MIN,
        queue_length_max: NonZeroUsize::new(8).expect("not zero"),
    };
    let engine = Engine::start(settings, Box::new(factory)).expect("starts");
    let (gate, held) = mpsc::channel();
    let tasks = [Task::Hold(held), Task::Panic, Task::Echo(1)];
    let [held, panicked, waiting] = engine
        .submit(Class::Activation, None, tasks)
        .expect("accepted");
    drop(gate);
    assert_eq!(value(held), Ok(0));
    assert_eq!(value(panicked), Err(JobError::Crashed));
    assert_eq!(value(waiting), Err(JobError::Crashed));
    let refused = engine
        .submit(Class::Activation, None, [Task::Echo(2)])
        .map(|_| ());
    assert_eq!(refused, Err(SubmitError::Closed));
    assert_eq!(engine.lanes_alive(), 0);
}

#[test]
fn a_worker_that_cannot_be_made_fails_the_start() {
    let settings = EngineSettings {
        lanes: NonZeroUsize::MIN,
        queue_length_max: NonZeroUsize::MIN,
    };
    let result = Engine::<Fake>::start(settings, Box::new(|| Err("no model".to_owned())));
    assert_eq!(result.err().expect("fails").to_string(), "no model");
}

#[test]
fn dropping_the_engine_finishes_what_was_accepted() {
    let (engine, gate, held) = busy(8);
    let replies = engine
        .submit(Class::Bulk, None, [Task::Echo(1), Task::Echo(2)])
        .expect("accepted");
    let closer = std::thread::spawn(move || drop(engine));
    drop(gate);
    closer.join().expect("joins");
    assert_eq!(value(held), Ok(0));
    assert_eq!(replies.map(value), [Ok(1), Ok(2)]);
}

#[test]
fn classes_are_served_in_order() {
    let (engine, gate, _held) = busy(8);
    let served = Arc::new(Mutex::new(Vec::new()));
    let replies: Vec<_> = [
        Class::Bulk,
        Class::Activation,
        Class::LiveCheck,
        Class::Activation,
    ]
    .into_iter()
    .map(|class| {
        let task = Task::Note(class, Arc::clone(&served));
        engine.submit(class, None, [task]).expect("accepted")
    })
    .collect();
    drop(gate);
    for [reply] in replies {
        assert_eq!(value(reply), Ok(0));
    }
    let order = [
        Class::LiveCheck,
        Class::Activation,
        Class::Activation,
        Class::Bulk,
    ];
    assert_eq!(*served.lock().expect("not poisoned"), order);
}

#[test]
fn without_the_device_that_all_lanes_need_no_lane_counts_and_no_work_is_accepted() {
    let has_device = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let flag = Arc::clone(&has_device);
    let engine = engine(2, 4).needing(move || flag.load(Ordering::Relaxed));
    let echo = || engine.submit(Class::Activation, None, [Task::Echo(3)]);
    assert_eq!(engine.lanes_alive(), 2);
    assert_eq!(echo().expect("accepted").map(value), [Ok(3)]);
    has_device.store(false, Ordering::Relaxed);
    assert_eq!(engine.lanes_alive(), 0);
    assert_eq!(echo().map(|_| ()), Err(SubmitError::Closed));
}
