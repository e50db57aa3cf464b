use time::OffsetDateTime;

use super::*;

const NOW: i64 = 1_795_305_600_000_000;

#[expect(clippy::unnecessary_wraps, reason = "as fields of messages are")]
fn at(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds, nanos: 0 })
}

fn fields<T>(checked: Checked<T>) -> Vec<&'static str> {
    let violations = checked.err().expect("is refused");
    violations.iter().map(|violation| violation.field).collect()
}

fn keys() -> KeyRing {
    KeyRing::ephemeral(OffsetDateTime::UNIX_EPOCH).expect("random bytes")
}

fn asked(request: proto::QueryRequest) -> Checked<Query> {
    let now = Timestamp::from_microseconds(NOW).expect("in range");
    query(request, &keys(), now)
}

#[test]
fn a_part_is_by_sequences_or_by_times() {
    let all = part(None).expect("all");
    assert_eq!(all.extent, Extent::From(1));
    let sequences = proto::TrailPart {
        writer: "a".to_owned(),
        first_sequence: 3,
        last_sequence: 9,
        ..Default::default()
    };
    let found = part(Some(sequences.clone())).expect("a part");
    assert_eq!(found.extent, Extent::Sequences(3, 9));
    let times = proto::TrailPart {
        from: at(1),
        until: at(2),
        ..Default::default()
    };
    let found = part(Some(times.clone())).expect("a part");
    assert_eq!(found.extent, Extent::Times(1_000_000, 2_000_000));
    let bad = proto::TrailPart {
        writer: "a b".to_owned(),
        last_sequence: 2,
        from: at(2),
        until: at(i64::MAX),
        ..sequences
    };
    let expected = [
        "part.writer",
        "part.until",
        "part.first_sequence",
        "part.last_sequence",
    ];
    assert_eq!(fields(part(Some(bad))), expected);
    let empty = proto::TrailPart {
        until: at(1),
        ..times
    };
    assert_eq!(fields(part(Some(empty))), ["part.until"]);
    let of_nobody = proto::TrailPart {
        first_sequence: 1,
        ..Default::default()
    };
    assert_eq!(fields(part(Some(of_nobody))), ["part.writer"]);
}

#[test]
fn every_bad_field_of_a_query_is_named_and_no_nik_is_repeated() {
    let bad = proto::QueryRequest {
        from: at(-1),
        until: None,
        who: Some(proto::query_request::Who::Subject(proto::Subject {
            nik: "3171234567890123".to_owned(),
        })),
        office: "a b".to_owned(),
        caller: "x".repeat(257),
        request_id: "a\nb".to_owned(),
        event: 99,
        page_size: 1001,
        page_token: "?".to_owned(),
    };
    let expected = [
        "from",
        "subject.nik",
        "office",
        "caller",
        "request_id",
        "event",
        "page_size",
        "page_token",
    ];
    let checked = asked(bad);
    assert!(!format!("{checked:?}").contains("3171234567890123"));
    assert_eq!(fields(checked), expected);
}

#[test]
fn a_window_never_ends_in_the_future() {
    for until in [None, at(253_402_300_000), at(NOW / 1_000_000 + 5)] {
        let request = proto::QueryRequest {
            until,
            ..Default::default()
        };
        let query = asked(request).expect("a query");
        assert_eq!(query.filter.until_us, NOW + 1);
        assert_eq!(query.limit, ENTRIES_DEFAULT);
    }
}

#[test]
fn a_scope_has_a_whole_window_or_a_key() {
    let window = proto::BreachScopeRequest {
        from: at(1),
        until: at(2),
        ..Default::default()
    };
    let key = proto::BreachScopeRequest {
        master_key_id: "m-1".to_owned(),
        ..Default::default()
    };
    assert!(scope(&window).is_ok_and(|it| matches!(it, ScopeQuestion::Touched(_))));
    assert!(scope(&key).is_ok_and(|it| matches!(it, ScopeQuestion::WrappedBy(_))));
    let half = proto::BreachScopeRequest {
        from: at(1),
        ..key.clone()
    };
    assert_eq!(fields(scope(&half)), ["until"]);
    let nothing = proto::BreachScopeRequest::default();
    assert_eq!(fields(scope(&nothing)), ["from"]);
    let writer = proto::BreachScopeRequest {
        writer: "a".to_owned(),
        ..key
    };
    assert_eq!(fields(scope(&writer)), ["from"]);
    let turned = proto::BreachScopeRequest {
        until: at(1),
        master_key_id: "a b".to_owned(),
        ..window
    };
    assert_eq!(fields(scope(&turned)), ["master_key_id", "until"]);
}

#[test]
fn every_event_can_be_asked_for() {
    let mut named: Vec<Event> = (1..=12)
        .filter_map(|value| event(value, &mut Vec::new()))
        .collect();
    named.sort();
    assert_eq!(named, Event::ALL);
}
