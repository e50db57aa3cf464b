//! Many clients at once: the answers of one, and memory that does not grow.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use padan::grpc::proto;

use crate::support::{ServerProcess, TestFolder, padan, portrait, verify_request};

const CLIENTS: usize = 32;

/// Verifications of a normal run; `make soak` sets 20,000.
const VERIFICATIONS: usize = 320;

/// Growth of the resident set from a warm quarter of the run to its end that is not a leak:
/// allocator pools fill at different times.
const GROWTH_BYTES_MAX: usize = 48 << 20;

const PAIRS: [(&str, &str); 5] = [
    ("person_a_2.jpg", "person_a_1.jpg"),
    ("person_b_2.jpg", "person_b_1.jpg"),
    ("impostor_1.jpg", "person_a_1.jpg"),
    ("impostor_2.jpg", "person_b_1.jpg"),
    ("person_a_1.jpg", "person_a_1.jpg"),
];

fn request(number: usize) -> proto::VerifyRequest {
    let (probe, reference) = PAIRS[number % PAIRS.len()];
    verify_request(portrait(probe), portrait(reference))
}

/// What must not depend on who else is served.
fn answer(response: &proto::VerifyResponse) -> (i32, Option<u32>) {
    (response.decision, response.similarity.map(f32::to_bits))
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_two_clients_get_the_answers_of_one_and_memory_stays_flat() {
    let server = Arc::new(start_server());
    let mut expected = Vec::new();
    let mut client = server.client().await;
    for number in 0..PAIRS.len() {
        let response = client.verify(request(number)).await.expect("is answered");
        expected.push(answer(response.get_ref()));
    }
    let (expected, next) = (Arc::new(expected), Arc::new(AtomicUsize::new(0)));
    let total = verifications();
    let warm = Arc::new(AtomicUsize::new(0));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let mut client = server.client().await;
        let (expected, next, warm) = (Arc::clone(&expected), Arc::clone(&next), Arc::clone(&warm));
        let server = Arc::clone(&server);
        clients.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= total {
                    return;
                }
                if number == total / 4 {
                    warm.store(server.resident_bytes(), Ordering::Relaxed);
                }
                let response = client.verify(request(number)).await.expect("is answered");
                assert_eq!(answer(response.get_ref()), expected[number % PAIRS.len()]);
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.expect("every answer is the expected one");
    }
    let (warm, end) = (warm.load(Ordering::Relaxed), server.resident_bytes());
    println!("{total} verifications; resident after a quarter {warm} bytes, at the end {end}");
    assert!(end < warm + GROWTH_BYTES_MAX, "from {warm} to {end} bytes");
}

/// A process of its own with a queue for all clients: other tests must not be in its memory.
fn start_server() -> ServerProcess {
    let folder = TestFolder::new("load");
    let path = folder.path().join("padan.toml");
    let queue = 4 * CLIENTS;
    let text = format!("[engine]\nlanes = 2\nqueue_length_max = {queue}\n");
    std::fs::write(&path, text).expect("writes");
    let mut command = padan();
    command.arg("--config").arg(&path);
    ServerProcess::start(command)
}

#[expect(clippy::disallowed_methods, reason = "a test's own knob")]
fn verifications() -> usize {
    let set = std::env::var("PADAN_SOAK_VERIFICATIONS").ok();
    set.map_or(VERIFICATIONS, |number| number.parse().expect("a number"))
}
