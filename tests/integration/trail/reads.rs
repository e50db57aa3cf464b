//! Breach scopes; what reads leave in the trail, and to whom they are refused.

use padan::audit::{Event, Text};
use padan::grpc::proto::{self, audit_server::Audit};
use padan::store::Store;
use tokio_stream::StreamExt as _;
use tonic::{Code, Status};

use super::questions::question;
use super::{Scene, asked, asked_by, auditor};
use crate::store::subjects::put;
use crate::store::{Home, NOW, entry_of, on_both, request, subject};

on_both!(
    duty_8_the_subjects_of_a_breach_are_listed_once,
    each_read_leaves_one_entry_that_says_what_was_asked,
    an_auditor_of_an_office_reads_that_office_only,
    two_scans_at_a_time_and_the_third_is_told_to_wait,
);

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
        event: proto::AuditEvent::ReferenceChanged.into(),
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
        assert_eq!(certificate.map(Text::as_str), Some("auditor-1"));
        assert!(entry.similarity.is_none());
    }
    assert_eq!(entries[3].subject, Some(whom));
    assert_eq!(entries[3].office.as_ref().map(Text::as_str), Some("3174"));
    let event = entries[3].details.get(&Text::fitted("event"));
    assert_eq!(event.map(Text::as_str), Some("REFERENCE_CHANGED"));
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
            .export(asked_by(own(), proto::ExportRequest::default()))
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
}
