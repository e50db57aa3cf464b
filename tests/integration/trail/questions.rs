//! Queries.

use std::collections::BTreeSet;

use padan::audit::{Event, Timestamp};
use padan::grpc::proto::{self, audit_server::Audit};
use padan::store::Store;
use tonic::{Code, Status};

use super::{Scene, asked};
use crate::store::{Home, NOW, entry, entry_of, on_both, request, subject};
use crate::support::bad_fields;

on_both!(
    pages_have_every_entry_once_while_others_write,
    entries_are_found_by_each_condition_and_by_all_together,
    a_page_token_is_of_one_question,
    hostile_page_tokens_break_nothing,
);

pub fn question(page_size: u32) -> proto::QueryRequest {
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
    // As many as there are pages to read, and no more: entries that come behind the end faster
    // than pages are read have no last page.
    let writing = async {
        for number in 0..40 {
            let mut entry = entry("meanwhile");
            // Before, among and behind what was there.
            let at_us = NOW - 5 + number % 10;
            entry.time = Timestamp::from_microseconds(at_us).expect("a time");
            other.store.append(entry).await.expect("appends");
        }
    };
    let paging = pages(&scene, question(7));
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
    let review = proto::AuditEvent::Review.into();
    let is = |office: &str, caller: &str, id: &str, event: i32| proto::QueryRequest {
        until: Some(prost_types::Timestamp {
            seconds: NOW / 1_000_000,
            nanos: 1_000,
        }),
        office: office.to_owned(),
        caller: caller.to_owned(),
        request_id: id.to_owned(),
        event,
        ..question(100)
    };
    let about = |request| proto::QueryRequest {
        who: Some(proto::query_request::Who::SubjectHash(
            subject(1).to_string(),
        )),
        ..request
    };
    let cases = [
        (about(is("", "", "", 0)), vec![521, 523]),
        (is("", "", "r2", 0), vec![522, 523]),
        (is("", "backend", "r1", 0), vec![521]),
        (is("", "backend", "", 0), vec![521, 522, 523]),
        (is("3174", "", "", 0), vec![521, 522, 523]),
        (is("", "", "", review), vec![522, 523]),
        (about(is("3174", "backend", "r2", review)), vec![523]),
        (is("elsewhere", "", "", 0), vec![]),
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
