//! More work than the server can do: refused at once with a time to try again; what was accepted
//! is answered right.

mod door;

use std::num::NonZeroUsize;
use std::time::Duration;

use padan::config::Config;
use padan::grpc::proto::{DeadlineClass, Decision, RequestMeta, VerifyRequest, VerifyResponse};
use tokio::task::JoinHandle;
use tonic::{Code, Request, Status};

use crate::support::{
    TestServer, WAIT_MAX, config, eventually, genuine, jpeg, picture, portrait, retry_delay,
    verify_request,
};

/// The default configuration with this many lanes and places in the queue.
fn sized(lanes: usize, queue_length_max: usize) -> Config {
    let mut config = config();
    config.engine.lanes = NonZeroUsize::new(lanes).expect("not zero");
    config.engine.queue_length_max = NonZeroUsize::new(queue_length_max).expect("not zero");
    config
}

type Answer = Result<VerifyResponse, Status>;

/// Sends a request over a connection of its own.
async fn send(
    server: &TestServer,
    request: impl tonic::IntoRequest<VerifyRequest>,
) -> JoinHandle<Answer> {
    let mut client = server.client().await;
    let request = request.into_request();
    tokio::spawn(async move {
        client
            .verify(request)
            .await
            .map(tonic::Response::into_inner)
    })
}

async fn answers(calls: Vec<JoinHandle<Answer>>) -> Vec<Answer> {
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.expect("no panic"));
    }
    answers
}

fn of_class(class: DeadlineClass, request: VerifyRequest) -> VerifyRequest {
    let meta = RequestMeta {
        deadline_class: class.into(),
        ..RequestMeta::default()
    };
    VerifyRequest {
        meta: Some(meta),
        ..request
    }
}

/// Twenty million pixels a sample: a lane is busy with it for long.
fn slow() -> VerifyRequest {
    let large = |name| {
        let filter = image::imageops::FilterType::Nearest;
        jpeg(&image::imageops::resize(&picture(name), 4000, 4980, filter))
    };
    verify_request(large("person_a_2.jpg"), large("person_a_1.jpg"))
}

fn assert_busy(status: &Status) {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let delay = retry_delay(status).expect("says when to try again");
    assert!(
        (Duration::from_millis(50)..=Duration::from_secs(5)).contains(&delay),
        "{delay:?}"
    );
}

#[tokio::test]
async fn full_queue_is_resource_exhausted_and_what_was_accepted_is_answered_right() {
    let server = TestServer::start(&sized(1, 2)).await;
    let (mut accepted, mut refused) = (0, 0);
    // One burst does it unless the machine serves 32 clients one after the other.
    for _ in 0..20 {
        let mut calls = Vec::new();
        for _ in 0..32 {
            calls.push(send(&server, genuine()).await);
        }
        for answer in answers(calls).await {
            match answer {
                Ok(response) => {
                    assert_eq!(response.decision(), Decision::Match);
                    accepted += 1;
                }
                Err(status) => {
                    assert_busy(&status);
                    refused += 1;
                }
            }
        }
        if accepted > 0 && refused > 0 {
            break;
        }
    }
    assert!(
        accepted > 0 && refused > 0,
        "{accepted} accepted, {refused} refused"
    );
    server.assert_well().await;
}

/// A refusal that arrives while an accepted request is at work; `None` when that one was faster.
async fn refusal_during_work(server: &TestServer) -> Option<Status> {
    let accepted = send(server, slow()).await;
    eventually("one sample on the lane, one in the queue", async || {
        server.metric("padan_queue_length") == Some(1.0) || accepted.is_finished()
    })
    .await;
    let refused = server.verify(genuine()).await.err();
    let was_at_work = !accepted.is_finished();
    let answer = accepted.await.expect("no panic");
    let answer = answer.expect("accepted, so answered");
    assert_eq!(answer.decision(), Decision::Match);
    refused.filter(|_| was_at_work)
}

#[tokio::test]
async fn a_refusal_does_not_wait_for_the_work_in_progress() {
    let server = TestServer::start(&sized(1, 2)).await;
    let mut refusal = None;
    // Once is enough unless the machine pauses this test for as long as the work takes.
    for _ in 0..10 {
        refusal = refusal_during_work(&server).await;
        if refusal.is_some() {
            break;
        }
    }
    assert_busy(&refusal.expect("refused at once"));
    server.assert_well().await;
}

#[tokio::test]
async fn a_live_check_overtakes_bulk_work() {
    let server = TestServer::start(&sized(1, 256)).await;
    let mut bulk = Vec::new();
    for _ in 0..40 {
        bulk.push(send(&server, of_class(DeadlineClass::Bulk, genuine())).await);
    }
    eventually("bulk work waits", async || {
        server
            .metric("padan_queue_length")
            .is_some_and(|length| length >= 30.0)
    })
    .await;
    let live = of_class(DeadlineClass::LiveCheck, genuine());
    let answer = server.verify(live).await.expect("a decision");
    let still_waiting = server.metric("padan_queue_length").expect("a gauge");
    assert_eq!(answer.decision(), Decision::Match);
    assert!(still_waiting > 0.0, "the live check came last");
    for answer in answers(bulk).await {
        assert_eq!(
            answer.expect("bulk is served, too").decision(),
            Decision::Match
        );
    }
}

#[tokio::test]
async fn bulk_work_leaves_half_of_the_queue_to_others() {
    let server = TestServer::start(&sized(1, 16)).await;
    let slow = send(&server, slow()).await;
    eventually("the lane is busy", async || {
        server.metric("padan_queue_length") == Some(1.0) || slow.is_finished()
    })
    .await;
    let mut bulk = Vec::new();
    for _ in 0..12 {
        bulk.push(send(&server, of_class(DeadlineClass::Bulk, genuine())).await);
    }
    let activation = server
        .verify(genuine())
        .await
        .expect("bulk does not lock it out");
    assert_eq!(activation.decision(), Decision::Match);
    assert!(
        slow.await.expect("no panic").is_ok(),
        "the slow one is answered"
    );
    for answer in answers(bulk).await {
        match answer {
            Ok(response) => assert_eq!(response.decision(), Decision::Match),
            Err(status) => assert_busy(&status),
        }
    }
}

/// Whether a request is accepted into a queue that an abandoned one fills, before a lane has come
/// to that one.
async fn takes_the_places_of_an_abandoned_request(server: &TestServer) -> bool {
    let at_work = send(server, slow()).await;
    let waiting = async |count: f64| {
        eventually("samples wait, or the lane was faster", async || {
            server.metric("padan_queue_length") == Some(count) || at_work.is_finished()
        })
        .await;
    };
    waiting(1.0).await;
    let abandoned = send(server, genuine()).await;
    waiting(3.0).await;
    abandoned.abort();
    // Refused until the server notices.
    let begun = std::time::Instant::now();
    let next = loop {
        assert!(begun.elapsed() < WAIT_MAX, "its places stay taken");
        match server.verify(genuine()).await {
            Ok(answer) => break answer,
            Err(status) => assert_busy(&status),
        }
    };
    assert_eq!(next.decision(), Decision::Match);
    let at_work = at_work
        .await
        .expect("no panic")
        .expect("accepted, so answered");
    // Whoever came before the second slow sample was begun waited for all of it.
    let second = at_work
        .times
        .and_then(|times| times.reference)
        .expect("times");
    let waited = next
        .times
        .and_then(|times| times.probe)
        .expect("times")
        .queue_us;
    waited >= second.decode_us + second.detect_us + second.embed_us
}

#[tokio::test]
async fn an_abandoned_request_does_not_keep_its_places_in_a_full_queue() {
    let server = TestServer::start(&sized(1, 3)).await;
    let mut accepted = false;
    // Once is enough unless the machine pauses this test for as long as the work takes.
    for _ in 0..5 {
        accepted = accepted || takes_the_places_of_an_abandoned_request(&server).await;
    }
    assert!(
        accepted,
        "refused although nobody waited for what was in the queue"
    );
    server.assert_well().await;
}

const PAIRS: [(&str, &str); 6] = [
    ("person_a_2.jpg", "person_a_1.jpg"),
    ("person_b_2.jpg", "person_b_1.jpg"),
    ("person_a_2.jpg", "person_b_1.jpg"),
    ("impostor_1.jpg", "person_a_1.jpg"),
    ("impostor_2.jpg", "impostor_1.jpg"),
    ("person_b_1.jpg", "impostor_2.jpg"),
];

/// What must not depend on who else is served.
fn essence(answer: &VerifyResponse) -> (i32, Option<u32>) {
    (answer.decision, answer.similarity.map(f32::to_bits))
}

#[tokio::test]
async fn thirty_two_clients_get_the_answers_of_a_single_one() {
    let server = TestServer::start(&sized(2, 256)).await;
    let pair = |n: usize| {
        let (probe, reference) = PAIRS[n % PAIRS.len()];
        verify_request(portrait(probe), portrait(reference))
    };
    let mut alone = Vec::new();
    for n in 0..PAIRS.len() {
        alone.push(essence(&server.verify(pair(n)).await.expect("a decision")));
    }
    let mut clients = Vec::new();
    for number in 0..32 {
        let mut client = server.client().await;
        clients.push(tokio::spawn(async move {
            let mut seen = Vec::new();
            for n in number..number + PAIRS.len() {
                let answer = client
                    .verify(pair(n))
                    .await
                    .expect("the queue is long enough");
                seen.push((n % PAIRS.len(), essence(&answer.into_inner())));
            }
            seen
        }));
    }
    for client in clients {
        for (n, essence) in client.await.expect("no panic") {
            assert_eq!(essence, alone[n], "{:?}", PAIRS[n]);
        }
    }
}

#[tokio::test]
async fn fifty_abandoned_requests_leave_the_queue_and_the_next_one_is_served() {
    let server = TestServer::start(&sized(1, 256)).await;
    let mut callers = Vec::new();
    for number in 0..50 {
        let mut request = Request::new(genuine());
        if number % 2 == 0 {
            request.set_timeout(Duration::from_millis(1 + number / 2));
        }
        callers.push(send(&server, request).await);
    }
    eventually("some of it waits, or all is done", async || {
        server
            .metric("padan_queue_length")
            .is_some_and(|length| length > 0.0)
            || callers.iter().all(JoinHandle::is_finished)
    })
    .await;
    for caller in &callers {
        caller.abort();
    }
    let answer = server.verify(genuine()).await.expect("a decision");
    assert_eq!(answer.decision(), Decision::Match);
    eventually("nothing waits any more", async || {
        server.metric("padan_queue_length") == Some(0.0)
    })
    .await;
    assert_eq!(server.metric("padan_lanes_alive"), Some(1.0));
    server.assert_well().await;
}
