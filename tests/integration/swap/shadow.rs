//! A candidate in shadow: it counts, nobody waits for it, and callers are told nothing of it.

use padan::grpc::proto::{self, Decision, ShadowReport};
use padan::records::PORTRAIT;
use tonic::Status;

use super::dual_read::{Registry, whats};
use super::{NEW, OLD, load, models, patient, refusal};
use crate::enrolled::{MAN, WOMAN, activation_request, config_of, enrol, subject_of, template_of};
use crate::enrolment::put_of;
use crate::store::{Home, on_both};
use crate::support::{TestFolder, TestServer, eventually, genuine, portrait, verify_request};

on_both!(a_candidate_is_given_the_kept_portrait_and_no_other_reference);

async fn start(server: &TestServer, id: &str, share: f64) -> Result<ShadowReport, Status> {
    let mut client = models(server).await;
    let asked = proto::StartShadowRequest {
        id: id.to_owned(),
        share,
        seed: 7,
    };
    Ok(client.start_shadow(asked).await?.into_inner())
}

async fn report(server: &TestServer) -> Result<ShadowReport, Status> {
    let mut client = models(server).await;
    let answer = client.get_shadow_report(proto::GetShadowReportRequest {});
    Ok(answer.await?.into_inner())
}

async fn stop(server: &TestServer) -> Result<ShadowReport, Status> {
    let mut client = models(server).await;
    let answer = client.stop_shadow(proto::StopShadowRequest {});
    Ok(answer.await?.into_inner())
}

/// The report when all that was taken has come to an end.
async fn settled(server: &TestServer) -> ShadowReport {
    let is_settled = async || {
        let report = report(server).await.expect("there was a shadow");
        let ended = report.scored + report.dropped + report.not_comparable + report.failed;
        ended == report.taken
    };
    eventually("the candidate is done", is_settled).await;
    report(server).await.expect("there was a shadow")
}

/// Where the similarities lie: how many are in the upper half of the histogram, from 0.35 on.
fn high(histogram: &[u64]) -> u64 {
    assert_eq!(histogram.len(), 40);
    histogram[27..].iter().sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_counts_what_it_would_have_decided() {
    let server = super::start().await;
    assert_eq!(refusal(report(&server).await), "NO_SHADOW");
    assert_eq!(refusal(stop(&server).await), "NO_SHADOW");
    assert_eq!(refusal(start(&server, NEW, 1.0).await), "MODEL_NOT_LOADED");
    assert_eq!(refusal(start(&server, OLD, 1.0).await), "MODEL_ACTIVE");
    load(&server, NEW).await.expect("loads");
    start(&server, NEW, 1.0).await.expect("begins");
    assert_eq!(refusal(start(&server, NEW, 1.0).await), "SHADOW_RUNS");
    let impostor = || verify_request(portrait("person_a_2.jpg"), portrait("impostor_1.jpg"));
    for _ in 0..3 {
        let answer = server.verify(genuine()).await.expect("a decision");
        assert_eq!(answer.decision(), Decision::Match);
        // One after the other: nothing has to be dropped.
        settled(&server).await;
        let answer = server.verify(impostor()).await.expect("a decision");
        assert_eq!(answer.decision(), Decision::NoMatch);
        settled(&server).await;
    }
    let found = settled(&server).await;
    assert!(found.running);
    assert_eq!((found.taken, found.scored, found.compared), (6, 6, 6));
    assert_eq!(
        (found.dropped, found.not_comparable, found.failed),
        (0, 0, 0)
    );
    assert_eq!(
        found.disagreements, 0,
        "both models tell these people apart"
    );
    for histogram in [&found.active_histogram, &found.candidate_histogram] {
        assert_eq!(histogram.iter().sum::<u64>(), 6);
        assert_eq!(high(histogram), 3, "the genuine pairs");
    }
    let ended = stop(&server).await.expect("it ran");
    assert!(!ended.running);
    server.verify(genuine()).await.expect("a decision");
    assert_eq!(report(&server).await.expect("the latest").taken, 6);
    server.assert_well().await;
}

async fn a_candidate_is_given_the_kept_portrait_and_no_other_reference(home: &Home) {
    let keys = TestFolder::unique("swap-shadow");
    let mut config = patient(config_of(home, &keys));
    config.keep_portraits = true;
    let server = TestServer::start(&config).await;
    let activation = server.activation.clone().expect("references are kept");
    let records = activation.records();
    let put = put_of(WOMAN, portrait("person_a_1.jpg"));
    Registry::of(&server).await.put(put).await;
    let kept = records
        .store()
        .subject(subject_of(records, WOMAN), PORTRAIT)
        .await;
    let (_, kept) = kept.expect("readable").expect("is enrolled");
    assert!(kept.is_some(), "this test is about a kept portrait");
    let template = template_of(activation.verifier(), "person_b_1.jpg").await;
    enrol(records, MAN, &template).await;
    load(&server, NEW).await.expect("loads");
    start(&server, NEW, 1.0).await.expect("begins");
    for (id, nik, probe) in [
        ("woman", WOMAN, "person_a_2.jpg"),
        ("man", MAN, "person_b_2.jpg"),
    ] {
        let answer = server.verify(activation_request(id, nik, probe)).await;
        assert_eq!(answer.expect("a decision").decision(), Decision::Match);
        settled(&server).await;
    }
    let found = stop(&server).await.expect("it ran");
    assert_eq!(
        (found.taken, found.compared, found.not_comparable),
        (2, 1, 1)
    );
    assert_eq!(
        (high(&found.candidate_histogram), found.disagreements),
        (1, 0)
    );
    let whats = whats(records).await;
    let whats: Vec<_> = whats.iter().map(String::as_str).collect();
    assert_eq!(
        whats,
        [
            "started",
            "model_loaded",
            "shadow_started",
            "shadow_stopped"
        ]
    );
}
