//! Queries and breach scopes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use padan::audit::{Event, Timestamp};
use padan::grpc::proto::{self, audit_server::Audit};
use padan::store::Store;
use tokio_stream::StreamExt as _;
use tonic::{Code, Status};

use super::{Scene, asked, asked_by, auditor};
use crate::store::subjects::put;
use crate::store::{Home, NOW, entry, entry_of, name, on_both, request, subject};
use crate::support::bad_fields;

on_both!(
    pages_have_every_entry_once_while_others_write,
    entries_are_found_by_each_condition_and_by_all_together,
    a_page_token_is_of_one_question,
    hostile_page_tokens_break_nothing,
    duty_8_the_subjects_of_a_breach_are_listed_once,
    each_read_leaves_one_entry_that_says_what_was_asked,
    an_auditor_of_an_office_reads_that_office_only,
    two_scans_at_a_time_and_the_third_is_told_to_wait,
);

fn question(page_size: u32) -> proto::QueryRequest {
    proto::QueryRequest {
        page_size,
        ..Default::default()
    }
}

/// Where the entries of a page stand.
fn places(page: &proto::QueryResponse) -> Vec<(String, u64)> {
    let place = |entry: &proto::AuditEntry| (entry.writer.clone(), entry.sequence);
    page.entries.iter().map(place).collect()
}

async fn page(
    scene: &Scene,
    request: &proto::QueryRequest,
) -> Result<proto::QueryResponse, Status> {
    let answer = scene.service().query(asked(request.clone())).await;
    answer.map(tonic::Response::into_inner)
}

/// All pages of a question.
async fn pages(scene: &Scene, mut request: proto::QueryRequest) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    loop {
        let page = page(scene, &request).await.expect("is answered");
        assert!(page.entries.len() <= request.page_size as usize);
        found.extend(places(&page));
        if page.next_page_token.is_empty() {
            return found;
        }
        request.page_token = page.next_page_token;
    }
}

async fn pages_have_every_entry_once_while_others_write(home: &Home) {
    let scene = Scene::new(home, "a").await;
    let other = scene.beside(home, "b").await;
    scene.write(1..=40).await;
    other.write(1..=40).await;
    let is_over = AtomicBool::new(false);
    let writing = async {
        let mut number = 0_i64;
        while !is_over.load(Ordering::Relaxed) {
            let mut entry = entry("meanwhile");
            // Before, among and behind what was there.
            let at_us = NOW - 5 + number % 10;
            entry.time = Timestamp::from_microseconds(at_us).expect("a time");
            other.store.append(entry).await.expect("appends");
            number += 1;
        }
    };
    let paging = async {
        let found = pages(&scene, question(7)).await;
        is_over.store(true, Ordering::Relaxed);
        found
    };
    let (found, ()) = tokio::join!(paging, writing);
    let unique: BTreeSet<_> = found.iter().cloned().collect();
    assert_eq!(unique.len(), found.len(), "an entry came twice");
    for writer in ["a", "b"] {
        for sequence in 1..=40 {
            assert!(
                unique.contains(&(writer.to_owned(), sequence)),
                "{writer} {sequence}"
            );
        }
    }
}

async fn entries_are_found_by_each_condition_and_by_all_together(home: &Home) {
    let scene = Scene::new(home, "a").await;
    // More entries that do not match than are read at a time.
    scene.write(1..=520).await;
    let of = async |id: &str, whom: u8, event| {
        let mut entry = entry_of("decided", subject(whom), &request(id));
        entry.event = event;
        scene.store.append(entry).await.expect("appends")
    };
    of("r1", 1, Event::Verification).await;
    of("r2", 2, Event::Review).await;
    of("r2", 1, Event::Review).await;
    let until = Some(prost_types::Timestamp {
        seconds: NOW / 1_000_000,
        nanos: 1_000,
    });
    let base = proto::QueryRequest {
        until,
        ..question(100)
    };
    let hash = proto::query_request::Who::SubjectHash(subject(1).to_string());
    let cases = [
        (
            proto::QueryRequest {
                who: Some(hash.clone()),
                ..base.clone()
            },
            vec![521, 523],
        ),
        (
            proto::QueryRequest {
                request_id: "r2".to_owned(),
                ..base.clone()
            },
            vec![522, 523],
        ),
        (
            proto::QueryRequest {
                request_id: "r1".to_owned(),
                caller: "backend".to_owned(),
                ..base.clone()
            },
            vec![521],
        ),
        (
            proto::QueryRequest {
                caller: "backend".to_owned(),
                ..base.clone()
            },
            vec![521, 522, 523],
        ),
        (
            proto::QueryRequest {
                office: "3174".to_owned(),
                ..base.clone()
            },
            vec![521, 522, 523],
        ),
        (
            proto::QueryRequest {
                event: proto::AuditEvent::Review.into(),
                ..base.clone()
            },
            vec![522, 523],
        ),
        (
            proto::QueryRequest {
                who: Some(hash),
                office: "3174".to_owned(),
                caller: "backend".to_owned(),
                request_id: "r2".to_owned(),
                event: proto::AuditEvent::Review.into(),
                ..base.clone()
            },
            vec![523],
        ),
        (
            proto::QueryRequest {
                office: "elsewhere".to_owned(),
                ..base.clone()
            },
            vec![],
        ),
    ];
    for (request, expected) in cases {
        let found = pages(&scene, request.clone()).await;
        let sequences: Vec<u64> = found.into_iter().map(|(_, sequence)| sequence).collect();
        assert_eq!(sequences, expected, "{request:?}");
    }
}

async fn a_page_token_is_of_one_question(home: &Home) {
    let scene = Scene::new(home, "a").await;
    scene.write(1..=5).await;
    let first = page(&scene, &question(2)).await.expect("is answered");
    let next = proto::QueryRequest {
        page_token: first.next_page_token.clone(),
        ..question(3)
    };
    let second = page(&scene, &next).await.expect("is answered");
    assert_eq!(places(&second)[0], ("a".to_owned(), 3));
    let other = proto::QueryRequest {
        office: "3174".to_owned(),
        ..next
    };
    let refused = page(&scene, &other).await.expect_err("is another question");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(bad_fields(&refused), ["page_token"]);
}

async fn hostile_page_tokens_break_nothing(home: &Home) {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
    let scene = Scene::new(home, "a").await;
    scene.write(1..=5).await;
    let first = page(&scene, &question(2)).await.expect("is answered");
    let token = BASE64URL.decode(first.next_page_token).expect("our own");
    let mut hostile: Vec<String> = vec!["x".repeat(1 << 20), "a".repeat(199), "=".to_owned()];
    for at in 0..token.len() {
        hostile.push(BASE64URL.encode(&token[..at]));
        for value in [0, 0x7f, 0x80, 0xff] {
            let mut changed = token.clone();
            changed[at] = value;
            hostile.push(BASE64URL.encode(changed));
        }
    }
    for page_token in hostile.into_iter().filter(|it| !it.is_empty()) {
        let request = proto::QueryRequest {
            page_token: page_token.clone(),
            ..question(2)
        };
        match page(&scene, &request).await {
            Ok(page) => assert!(page.entries.len() <= 2),
            Err(status) => {
                assert_eq!(
                    status.code(),
                    Code::InvalidArgument,
                    "{page_token}: {status}"
                );
                assert_eq!(bad_fields(&status), ["page_token"]);
            }
        }
    }
}

async fn scope(
    scene: &Scene,
    request: proto::BreachScopeRequest,
) -> Result<(Vec<String>, u64), Status> {
    let answer = scene.service().breach_scope(asked(request)).await?;
    let mut pages = answer.into_inner();
    let (mut found, mut total) = (Vec::new(), None);
    while let Some(page) = pages.next().await {
        let page = page?;
        assert_eq!(total, None, "the total comes last");
        found.extend(page.subject_hashes);
        total = page.total;
    }
    Ok((found, total.expect("a total")))
}

async fn duty_8_the_subjects_of_a_breach_are_listed_once(home: &Home) {
    let scene = Scene::new(home, "a").await;
    let other = scene.beside(home, "b").await;
    for (store, whom) in [(&scene, 2), (&other, 1), (&scene, 3), (&scene, 2)] {
        let entry = entry_of("decided", subject(whom), &request("r"));
        store.store.append(entry).await.expect("appends");
    }
    // Wrapped by the master key "m1", and without an entry that names them.
    put(&scene.store, subject(2), 0, "contract").await;
    put(&scene.store, subject(9), 0, "contract").await;
    let at = |us: i64| {
        Some(prost_types::Timestamp {
            seconds: us / 1_000_000,
            nanos: i32::try_from(us % 1_000_000 * 1_000).expect("below a second"),
        })
    };
    let window = proto::BreachScopeRequest {
        from: at(NOW),
        until: at(NOW + 1),
        ..Default::default()
    };
    let hashes = |whom: &[u8]| {
        whom.iter()
            .map(|it| subject(*it).to_string())
            .collect::<Vec<_>>()
    };
    let of_key = proto::BreachScopeRequest {
        master_key_id: "m1".to_owned(),
        ..Default::default()
    };
    let by = |writer: &str| proto::BreachScopeRequest {
        writer: writer.to_owned(),
        ..window.clone()
    };
    let both = proto::BreachScopeRequest {
        master_key_id: "m1".to_owned(),
        ..window.clone()
    };
    let before = proto::BreachScopeRequest {
        from: at(NOW - 2),
        until: at(NOW),
        ..Default::default()
    };
    for (request, expected) in [
        (window.clone(), &[1, 2, 3][..]),
        (by("a"), &[2, 3]),
        (by("b"), &[1]),
        (of_key, &[2, 9]),
        (both, &[2]),
        (before, &[]),
    ] {
        let found = scope(&scene, request.clone()).await.expect("is answered");
        assert_eq!(
            found,
            (hashes(expected), expected.len() as u64),
            "{request:?}"
        );
    }
}

async fn each_read_leaves_one_entry_that_says_what_was_asked(home: &Home) {
    let scene = Scene::new(home, "a").await;
    let service = scene.service();
    let whom = subject(5);
    let query = proto::QueryRequest {
        who: Some(proto::query_request::Who::SubjectHash(whom.to_string())),
        office: "3174".to_owned(),
        ..question(1)
    };
    service.query(asked(query)).await.expect("is answered");
    let part = Some(proto::TrailPart {
        writer: "a".to_owned(),
        ..Default::default()
    });
    let request = proto::VerifyChainRequest { part: part.clone() };
    service
        .verify_chain(asked(request))
        .await
        .expect("is answered");
    let export = service.export(asked(proto::ExportRequest { part })).await;
    drop(export.expect("is answered"));
    let request = proto::BreachScopeRequest {
        master_key_id: "m-1".to_owned(),
        ..Default::default()
    };
    // Two scans may still run; the third waits for one of them.
    drop(
        scene
            .service()
            .breach_scope(asked(request))
            .await
            .expect("is answered"),
    );
    let entries = scene.last_entries(9).await;
    let said: Vec<String> = entries
        .iter()
        .rev()
        .map(|it| {
            let details: Vec<_> = it.details.iter().collect();
            let last = details.iter().find(|(name, _)| name.as_str() == "method");
            last.expect("a method").1.to_string()
        })
        .collect();
    assert_eq!(said, ["Query", "VerifyChain", "Export", "BreachScope"]);
    for entry in &entries {
        assert_eq!(entry.event, Event::TrailRead);
        let certificate = entry.actor.certificate.as_ref();
        assert_eq!(certificate.map(|it| it.as_str()), Some("auditor-1"));
        assert!(entry.similarity.is_none());
    }
    assert_eq!(entries[3].subject, Some(whom));
    assert_eq!(
        entries[3].office.as_ref().map(|it| it.as_str()),
        Some("3174")
    );
    assert!(format!("{:?}", entries[0].details).contains("m-1"));
}

async fn an_auditor_of_an_office_reads_that_office_only(home: &Home) {
    let scene = Scene::new(home, "a").await;
    let service = scene.service();
    let own = || auditor(Some("3174"));
    let query = |office: &str| proto::QueryRequest {
        office: office.to_owned(),
        ..question(1)
    };
    let allowed = service.query(asked_by(own(), query("3174"))).await;
    allowed.expect("its own office");
    let checked = service.verify_chain(asked_by(own(), proto::VerifyChainRequest::default()));
    checked.await.expect("is for every auditor");
    let scope = proto::BreachScopeRequest {
        master_key_id: "m-1".to_owned(),
        ..Default::default()
    };
    let refused = [
        service.query(asked_by(own(), query(""))).await.map(drop),
        service
            .query(asked_by(own(), query("3201")))
            .await
            .map(drop),
        service
            .export(asked_by(own(), Default::default()))
            .await
            .map(drop),
        service.breach_scope(asked_by(own(), scope)).await.map(drop),
    ];
    for refused in refused {
        assert_eq!(
            refused.expect_err("is refused").code(),
            Code::PermissionDenied
        );
    }
    let events: Vec<Event> = scene
        .last_entries(9)
        .await
        .iter()
        .rev()
        .map(|it| it.event)
        .collect();
    let expected = [
        Event::TrailRead,
        Event::TrailRead,
        Event::CallRefused,
        Event::CallRefused,
        Event::CallRefused,
        Event::CallRefused,
    ];
    assert_eq!(events, expected);
}

async fn two_scans_at_a_time_and_the_third_is_told_to_wait(home: &Home) {
    let scene = Scene::new(home, "a").await;
    let service = scene.service();
    // Longer than what waits for a slow client: these exports cannot end by themselves.
    scene.write(1..=1200).await;
    let export = async || service.export(asked(proto::ExportRequest::default())).await;
    let (first, _second) = (export().await.expect("room"), export().await.expect("room"));
    let refused = export().await.expect_err("no room");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(crate::support::retry_delay(&refused).is_some());
    drop(first);
    crate::support::eventually("a client that goes makes room", async || {
        export().await.is_ok()
    })
    .await;
    let other = scene.store.chain(&name("a"), 1, 1).await;
    assert!(other.is_ok());
}
