//! The canonical text: one for one entry, and nothing else is read.

use proptest::option::of;
use proptest::prelude::*;

use super::*;

fn text(text: &str) -> Text {
    Text::new(text).expect("a text")
}

/// An entry with every value.
pub fn example() -> Entry {
    let actor = Actor {
        certificate: Some(text("backend-1")),
        role: text("backend"),
    };
    let time = Timestamp::from_microseconds(1_700_000_000_000_001).expect("in range");
    let writer = WriterId::new("padan-1").expect("a name");
    Entry {
        channel: Some(text("COUNTER")),
        contracts: vec![text("sface_2021dec:0a1b2c3d4e5f6071")],
        decision: Some(text("NO_MATCH")),
        details: BTreeMap::from([(text("attempt"), text("2"))]),
        device: Some(text("laptop-7")),
        office: Some(text("Kantor \"Gambir\"")),
        operator: Some(text("op-12")),
        padan: text("0.1.0"),
        policy: Some(text("activation@3")),
        purpose: Some(text("ACTIVATION")),
        reasons: vec![text("FACE_MISMATCH")],
        reference_version: Some(4),
        request: Some(text("r-1")),
        sequence: 7,
        similarity: Some(Similarity::new(-0.25).into()),
        subject: Some(SubjectHash::from_bytes([0xab; 32])),
        ..Entry::new(Event::Verification, time, actor, writer)
    }
}

/// Written by hand: the trail's format changes only with this text.
fn example_text() -> String {
    let subject = "ab".repeat(32);
    [
        r#"{"actor":{"certificate":"backend-1","role":"backend"},"channel":"COUNTER","#,
        r#""contracts":["sface_2021dec:0a1b2c3d4e5f6071"],"decision":"NO_MATCH","#,
        r#""details":{"attempt":"2"},"device":"laptop-7","event":"VERIFICATION","#,
        r#""office":"Kantor \"Gambir\"","operator":"op-12","padan":"0.1.0","#,
        r#""policy":"activation@3","purpose":"ACTIVATION","reasons":["FACE_MISMATCH"],"#,
        r#""reference_version":4,"request":"r-1","sequence":7,"similarity":"-0.250000","#,
        &format!(r#""subject":"{subject}","time":"2023-11-14T22:13:20.000001Z","#),
        r#""writer":"padan-1"}"#,
    ]
    .concat()
}

#[test]
fn the_canonical_text_is_the_documented_one() {
    assert_eq!(example().to_text(), Ok(example_text()));
    assert_eq!(Entry::parse(&example_text()), Ok(example()));
}

#[test]
fn keys_are_sorted() {
    let text = example_text();
    let keys: Vec<&str> = text
        .split(['{', ',', '['])
        .filter_map(|part| part.strip_prefix('"')?.split_once("\":"))
        .map(|(key, _)| key)
        // Of the actor and of the details.
        .filter(|key| !["certificate", "role", "attempt"].contains(key))
        .collect();
    assert_eq!(keys.len(), 20);
    assert!(keys.is_sorted(), "{keys:?}");
}

#[test]
fn other_spellings_of_an_entry_are_refused() {
    let text = example_text();
    let not_canonical = [
        text.replacen(',', ", ", 1),
        text.replace("Kantor", "\\u004bantor"),
        text.replace("\"reference_version\":4", "\"reference_version\":null"),
        text.replace(r#""attempt":"2""#, r#""attempt":"1","attempt":"2""#),
        text.replace(
            r#""contracts":["sface_2021dec:0a1b2c3d4e5f6071"]"#,
            r#""contracts":[]"#,
        ),
        text.replace(r#""channel":"COUNTER","#, "")
            .replace(r#""writer""#, r#""channel":"COUNTER","writer""#),
        format!("{text} "),
    ];
    for other in not_canonical {
        assert_ne!(other, text);
        assert_eq!(
            Entry::parse(&other),
            Err(EntryError::NotCanonical),
            "{other}"
        );
    }
}

#[test]
fn hostile_texts_are_errors_that_repeat_nothing() {
    let text = example_text();
    let malformed = [
        String::new(),
        "null".to_owned(),
        "[".repeat(30_000),
        text.replace(r#""writer""#, r#""weight":1,"writer""#),
        text.replace(r#""role":"backend""#, r#""role":"backend","rule":"x""#),
        text.replace(r#","writer":"padan-1""#, ""),
        text.replace(r#""sequence":7"#, r#""sequence":7,"sequence":7"#),
        text.replace(r#""sequence":7"#, r#""sequence":-7"#),
        text.replace(r#""sequence":7"#, r#""sequence":7.0"#),
        text.replace("-0.250000", "-0.25"),
        text.replace("-0.250000", "-1.000001"),
        text.replace("-0.250000", "-0.000000"),
        text.replace("-0.250000", "+0.250000"),
        text.replace("VERIFICATION", "verification"),
        text.replace("abab", "ABAB"),
        text.replace("op-12", "op\\n12"),
        text.replace("padan-1", "padan 1"),
        format!("{text}{text}"),
    ];
    for other in malformed {
        let error = Entry::parse(&other).expect_err("refused");
        assert!(
            matches!(error, EntryError::Malformed(_)),
            "{other}: {error}"
        );
        assert!(!error.to_string().contains("25"), "{error}");
    }
    let nowhere = text.replace(r#""sequence":7"#, r#""sequence":0"#);
    assert_eq!(Entry::parse(&nowhere), Err(EntryError::Sequence));
    let beyond = text.replace(r#""sequence":7"#, r#""sequence":9223372036854775808"#);
    assert_eq!(Entry::parse(&beyond), Err(EntryError::Sequence));
    let long = " ".repeat(ENTRY_BYTES_MAX + 1);
    assert_eq!(Entry::parse(&long), Err(EntryError::TooLong));
}

#[test]
fn an_entry_without_a_place_has_no_text() {
    let mut entry = example();
    entry.sequence = 0;
    assert_eq!(entry.to_text(), Err(EntryError::Sequence));
}

#[test]
fn debug_shows_no_similarity() {
    let shown = format!("{:?}", example());
    assert!(!shown.contains("25"), "{shown}");
}

#[test]
fn every_event_has_a_name_of_its_own() {
    let names: std::collections::BTreeSet<String> = Event::ALL
        .iter()
        .map(|event| serde_json::to_string(event).expect("a name"))
        .collect();
    assert_eq!(names.len(), Event::ALL.len());
}

fn any_text() -> impl Strategy<Value = Text> {
    "[^\\pC]{1,20}".prop_filter_map("no text", |text| Text::new(text).ok())
}

prop_compose! {
    /// Entries of any shape.
    pub fn any_entry()(
        role in any_text(),
        certificate in of(any_text()),
        event in proptest::sample::select(Event::ALL.to_vec()),
        microseconds in 0..253_402_300_799_999_999_i64,
        words in proptest::collection::vec(of(any_text()), 8),
        lists in proptest::collection::vec(proptest::collection::vec(any_text(), 0..4), 2),
        details in proptest::collection::btree_map(any_text(), any_text(), 0..4),
        reference_version in of(any::<u64>()),
        sequence in 1..=SEQUENCE_MAX,
        similarity in of(-1_f32..=1.0),
        subject in of(any::<[u8; 32]>()),
    ) -> Entry {
        let time = Timestamp::from_microseconds(microseconds).expect("in range");
        let writer = WriterId::new("padan-1").expect("a name");
        let mut words = words.into_iter();
        let mut word = || words.next().flatten();
        Entry {
            channel: word(),
            contracts: lists[0].clone(),
            decision: word(),
            details,
            device: word(),
            office: word(),
            operator: word(),
            policy: word(),
            purpose: word(),
            reasons: lists[1].clone(),
            reference_version,
            request: word(),
            sequence,
            similarity: similarity.map(|value| Similarity::new(value).into()),
            subject: subject.map(SubjectHash::from_bytes),
            ..Entry::new(event, time, Actor { certificate, role }, writer)
        }
    }
}

proptest! {
    #[test]
    fn an_entry_is_read_as_it_was_written(entry in any_entry()) {
        let text = entry.to_text().expect("fits");
        prop_assert_eq!(Entry::parse(&text), Ok(entry));
    }

    #[test]
    fn what_is_read_is_spelled_right(entry in any_entry(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = entry.to_text().expect("fits").into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
        if let Ok(read) = Entry::parse(&text) {
            prop_assert_eq!(read.to_text(), Ok(text));
        }
    }

    #[test]
    fn hostile_texts_do_not_panic(text in "(?s).{0,200}") {
        prop_assert!(Entry::parse(&text).is_err());
    }

    #[test]
    fn a_similarity_is_rounded_to_millionths(value in -1_f32..=1.0) {
        let decimal = DecimalSimilarity::from(Similarity::new(value));
        let text = String::from(decimal);
        let read: f64 = text.parse().expect("a number");
        prop_assert!((read - f64::from(value)).abs() <= 0.5e-6 + 1e-12);
        prop_assert_eq!(DecimalSimilarity::try_from(text), Ok(decimal));
    }
}
