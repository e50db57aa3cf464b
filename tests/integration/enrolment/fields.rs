//! Requests that say what they may not.

use padan::grpc::proto::{self, ReferenceSource, ReferenceStatus, put_request};
use padan::records::PORTRAIT;
use tonic::Code;

use super::{Desk, meta, put_of, put_ready};
use crate::enrolled::WOMAN;
use crate::store::{Home, on_both};
use crate::support::bad_fields;

on_both![every_bad_field_is_named_and_nothing_is_stored];

async fn every_bad_field_is_named_and_nothing_is_stored(home: &Home) {
    let desk = Desk::open(home).await;
    let bad = proto::PutRequest {
        meta: meta("a b"),
        subject: None,
        reference: Some(put_request::Reference::Template(proto::ReadyTemplate {
            contract_id: "m:1".to_owned(),
            template: vec![1, 0, 0, 0, 0],
        })),
        captured_on: "2014-02-30".to_owned(),
        source: 9,
        biodata: Some(proto::Biodata {
            birth_date: "1.1.1990".to_owned(),
            sex: 7,
        }),
    };
    let status = desk.put(bad).await.expect_err("is refused");
    assert_eq!(status.code(), Code::InvalidArgument);
    let expected = [
        "meta.request_id",
        "subject",
        "template.template",
        "captured_on",
        "source",
        "biodata.sex",
        "biodata.birth_date",
    ];
    assert_eq!(bad_fields(&status), expected);
    let mut huge = put_ready(WOMAN, "m:1", 3.0);
    let mut reserved = put_ready(WOMAN, PORTRAIT, 3.0);
    let mut future = put_ready(WOMAN, "m:1", 3.0);
    if let Some(put_request::Reference::Template(ready)) = &mut huge.reference {
        ready.template = vec![1; 20_000];
    }
    reserved.source = ReferenceSource::CardChip.into();
    "2999-01-01".clone_into(&mut future.captured_on);
    for (request, field) in [
        (huge, "template.template"),
        (reserved, "template.contract_id"),
        (future, "captured_on"),
        (put_of(WOMAN, ""), "portrait.image"),
    ] {
        let status = desk.put(request).await.expect_err("is refused");
        assert_eq!(bad_fields(&status), [field]);
    }
    assert_eq!(desk.status(WOMAN).await.status(), ReferenceStatus::None);
    assert_eq!(desk.entries().await, []);
}
