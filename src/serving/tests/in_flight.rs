//! What a change of models leaves to requests in flight, and to the models that they are on.

use super::*;
use crate::verify::VerifyError;

#[tokio::test]
async fn an_unloaded_model_ends_after_its_last_request_and_on_no_thread_of_the_runtime() {
    let (old, word) = model("old");
    let models = Arc::new(Registry::new(old));
    let loader = FakeLoader {
        is_open: AtomicBool::new(true),
    };
    let swap = Swap::new(Arc::clone(&models), Arc::new(loader), None);
    let caller = caller();
    swap.load(&caller, "new").await.expect("loads");
    let in_use = |refused| matches!(refused, Some(SwapError::InUse { .. }));
    assert!(
        in_use(swap.unload(&caller, "old", true).await.err()),
        "active"
    );
    swap.activate(&caller, "new", "new:1")
        .await
        .expect("loaded");
    assert!(
        in_use(swap.unload(&caller, "old", false).await.err()),
        "previous"
    );
    let request = models.lineup();
    let held = Arc::clone(request.previous().expect("the old one"));
    swap.unload(&caller, "old", true).await.expect("may go");
    assert_eq!(ids(&models.lineup()), ["new"]);
    assert!(matches!(
        swap.roll_back(&caller, None).await.err(),
        Some(SwapError::NoPrevious)
    ));
    let made = held.verify(task(), URGENCY).await;
    assert_eq!(
        made.expect("it works on").policy.contract_id.as_str(),
        "old:1"
    );
    assert!(word.try_recv().is_err(), "a request holds it");
    drop((request, held));
    // The runtime has this thread only: were it the one that waits, nothing would.
    word.recv_timeout(WAIT_MAX).expect("its lane has ended");
}

#[tokio::test]
async fn a_panic_on_a_model_that_was_unloaded_meanwhile_is_counted() {
    let (models, swap, _) = service();
    let panics = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&panics);
    let (crashing, _) = model_that(
        "crashing",
        Arc::new(move || {
            let number = counted.fetch_add(1, Ordering::Relaxed);
            assert_eq!(number, u64::MAX, "this panic is what is tested");
        }),
    );
    models.add(crashing).expect("there is room");
    let held = models.lineup().find("crashing").cloned();
    let held = held.expect("is loaded");
    let crashed = async || {
        let refused = held.verify(task(), URGENCY).await.err();
        assert!(matches!(refused, Some(VerifyError::Internal(_))));
    };
    crashed().await;
    let before = models.crashes();
    let unloaded = swap.unload(&caller(), "crashing", false).await;
    unloaded.expect("may go");
    assert!(models.crashes() >= before, "a counter never falls");
    crashed().await;
    drop(held);
    let begun = Instant::now();
    // The lanes may see a sample more that nobody waits for.
    while models.crashes() != panics.load(Ordering::Relaxed) {
        assert!(begun.elapsed() < WAIT_MAX);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Until this, lanes wait.
#[derive(Default)]
struct Gate(std::sync::Mutex<bool>, std::sync::Condvar);

impl Gate {
    fn open(&self) {
        *self.0.lock().expect("not poisoned") = true;
        self.1.notify_all();
    }

    fn wait(&self) {
        let is_open = self.0.lock().expect("not poisoned");
        let waited = self
            .1
            .wait_timeout_while(is_open, WAIT_MAX, |is_open| !*is_open);
        drop(waited.expect("not poisoned"));
    }
}

#[tokio::test]
async fn a_candidate_is_offered_nothing_while_live_samples_wait_for_the_model_before() {
    let gate = Arc::new(Gate::default());
    let at_gate = Arc::clone(&gate);
    let (old, _) = model_that("old", Arc::new(move || at_gate.wait()));
    let models = Arc::new(Registry::new(old));
    for id in ["new", "third"] {
        models.add(model(id).0).expect("there is room");
    }
    let loader = FakeLoader {
        is_open: AtomicBool::new(true),
    };
    let swap = Swap::new(Arc::clone(&models), Arc::new(loader), None);
    let (verifier, caller) = (Verifier::new(Arc::clone(&models)), caller());
    let active = swap.activate(&caller, "new", "new:1").await;
    active.expect("is loaded");
    let pace = Pace::new(1.0, 0).expect("a share");
    let begun = swap.start_shadow(&caller, "third", pace).await;
    begun.expect("begins");
    let before = Arc::clone(models.lineup().previous().expect("the old one"));
    // One sample is at the gate, or on the way there, and the other waits for the only lane.
    let slow = tokio::spawn(async move { before.verify(task(), URGENCY).await.map(drop) });
    let waiting = Instant::now();
    while models.queue_length() == 0 {
        assert!(waiting.elapsed() < WAIT_MAX);
        tokio::task::yield_now().await;
    }
    verifier.verify(task(), URGENCY).await.expect("a decision");
    let counts = swap.shadow_report().expect("there is one").counts;
    assert_eq!((counts.taken, counts.dropped), (1, 1));
    gate.open();
    slow.await.expect("no panic").expect("a decision");
}
