//! What reading and writing cost in a store as it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use padan::audit::{Actor, Entry, Event, Text, Timestamp, WriterId};
use padan::store::{
    Attempt, Changed, CommitOutcome, DecisionRecord, Effects, PutReference, Reference, RequestKey,
    SqlStore, Store as _, WrappedKey,
};
use padan::subject::SubjectHash;

use super::fill::CONTRACT;

/// How long each measure runs.
const SPAN: Duration = Duration::from_secs(5);

/// What was measured.
pub struct Measures {
    /// Subjects found with their reference, a second, by 8 callers.
    pub found_per_s: f64,
    /// Time to find one by one caller, microseconds: median and 99 %.
    pub found_us: [f64; 2],
    /// Time to see that a subject is not there.
    pub absent_us: [f64; 2],
    /// New subjects stored with a reference and an entry, a second, by 64 callers.
    pub enrolled_per_s: f64,
    /// Decisions made durable with request, attempt and entry, a second, by 64 callers.
    pub decided_per_s: f64,
    /// Time to make one durable by one caller.
    pub decided_us: [f64; 2],
}

pub async fn measure(store: &SqlStore, subjects: &[SubjectHash]) -> Measures {
    let at = |n: usize| subjects[n.wrapping_mul(7919) % subjects.len()];
    let find = async |subject| {
        store
            .subject(subject, CONTRACT)
            .await
            .expect("readable")
            .is_some()
    };
    // Once over all, so that what is measured is not the first touch of a page.
    for n in 0..subjects.len() {
        assert!(find(at(n)).await, "a subject of the sample is there");
    }
    let (_, found_us) = drive(1, async |n| assert!(find(at(n)).await)).await;
    let (_, absent_us) = drive(1, async |_| assert!(!find(new_subject()).await)).await;
    let (found_per_s, _) = drive(8, async |n| assert!(find(at(n)).await)).await;
    let (enrolled_per_s, _) = drive(64, async |_| {
        let changed = store.put_reference(enrolment(new_subject())).await;
        assert!(matches!(changed, Ok(Changed::Done(_))));
    })
    .await;
    let decide = async |_| {
        let outcome = store.commit(decision(new_subject())).await;
        assert!(matches!(outcome, Ok(CommitOutcome::Committed(_))));
    };
    let (_, decided_us) = drive(1, decide).await;
    let (decided_per_s, _) = drive(64, decide).await;
    Measures {
        found_per_s,
        found_us,
        absent_us,
        enrolled_per_s,
        decided_per_s,
        decided_us,
    }
}

/// Calls `work` by `callers` at a time for [`SPAN`]: calls a second, and the times in microseconds
/// of the median and of 99 %.
async fn drive(callers: usize, work: impl AsyncFn(usize)) -> (f64, [f64; 2]) {
    let next = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let one = || async {
        let mut times = Vec::new();
        while started.elapsed() < SPAN {
            let begun = Instant::now();
            work(next.fetch_add(1, Ordering::Relaxed)).await;
            times.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        times
    };
    let mut times = join_all((0..callers).map(|_| one()).collect()).await;
    let seconds = started.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    (times.len() as f64 / seconds, [at(50), at(99)])
}

/// All of them at once, on this task: the store has its own.
async fn join_all(futures: Vec<impl Future<Output = Vec<f64>>>) -> Vec<f64> {
    let mut all = Vec::new();
    let mut pending: Vec<_> = futures.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|context| {
        pending.retain_mut(|future| match future.as_mut().poll(context) {
            std::task::Poll::Ready(times) => {
                all.extend(times);
                false
            }
            std::task::Poll::Pending => true,
        });
        if pending.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    all
}

fn new_subject() -> SubjectHash {
    let mut bytes = [0; 32];
    padan::keys::fill_random(&mut bytes).expect("random bytes");
    SubjectHash::from_bytes(bytes)
}

/// As long as a real one.
fn entry(subject: SubjectHash, event: Event) -> Entry {
    let actor = Actor {
        certificate: Some(Text::fitted("backend")),
        role: Text::fitted("backend"),
    };
    let writer = WriterId::new("bench").expect("a name");
    let mut entry = Entry::new(event, Timestamp::now(), actor, writer);
    entry.subject = Some(subject);
    entry.office = Some(Text::fitted("3171"));
    entry.operator = Some(Text::fitted("officer-7"));
    entry.device = Some(Text::fitted("counter-2"));
    entry.decision = Some(Text::fitted("MATCH"));
    entry.policy = Some(Text::fitted("activation@0123456789abcdef"));
    entry.contracts = vec![Text::fitted(CONTRACT)];
    for name in ["session", "consent", "consent_notice", "consent_given"] {
        let value = Text::fitted("pemberitahuan-2026-03-of-this-length");
        entry.details.insert(Text::fitted(name), value);
    }
    entry
}

fn enrolment(subject: SubjectHash) -> PutReference {
    PutReference {
        subject,
        expected_version: 0,
        new_key: Some(WrappedKey {
            bytes: vec![7; 60],
            master_key: "0123456789abcdef".to_owned(),
        }),
        reference: Reference {
            contract_id: CONTRACT.to_owned(),
            row_version: 1,
            nonce: vec![7; 12],
            ciphertext: vec![7; 529],
            captured_on: Some("2014-05-20".to_owned()),
            source: "REGISTRY".to_owned(),
            quality: "GOOD".to_owned(),
            created_us: 1,
        },
        portrait: None,
        claim: None,
        entry: entry(subject, Event::ReferenceChanged),
    }
}

fn decision(subject: SubjectHash) -> DecisionRecord {
    let id = subject.to_string();
    DecisionRecord {
        request: RequestKey {
            caller: "backend".to_owned(),
            id: id.clone(),
        },
        body_digest: [7; 32],
        at_us: Timestamp::now().microseconds(),
        attempt: Some(Attempt {
            session: id,
            session_max: 3,
            subject,
            day: 20_000,
            day_max: 5,
        }),
        consent: None,
        opened: None,
        effects: Effects {
            entry: entry(subject, Event::Verification),
            reply: vec![7; 700],
            review: None,
        },
    }
}
