//! What a header vouches for, and which headers are not believed.

use super::*;
use crate::audit::export;

#[test]
fn who_made_the_file_chose_its_key_unless_the_key_is_pinned() {
    let forged = Export::of(&[0, 1, 0], 2, &key(2)).text();
    let report = verify(forged.as_bytes());
    assert_eq!(faults(&report), [Fault::HeaderKey, Fault::UnknownKey]);
    let unpinned = verify_export(forged.as_bytes(), None, &mut |_| {}).expect("an export");
    assert!(unpinned.is_intact() && !unpinned.key_is_pinned);
}

#[test]
fn a_header_vouches_for_older_keys_only_when_it_is_signed() {
    let mut export = Export::of(&[0, 0], 2, &key(2));
    let ranges = export.header.writers.clone();
    let (new, old) = (key(1).public(), key(2).public());
    let time = export.header.created;
    let header = ExportHeader::new(time, ranges, new, &[old]).expect("is consistent");
    export.head = header.to_line(&key(1)).expect("the same key");
    assert!(verify(export.text().as_bytes()).is_intact());
    export.head = export.head.replacen("1970", "1971", 1);
    let report = verify(export.text().as_bytes());
    assert_eq!(faults(&report), [Fault::HeaderSignature, Fault::UnknownKey]);
    assert!(header.to_line(&key(2)).is_err());
}

#[test]
fn a_part_of_a_chain_is_proven_by_its_header() {
    let mut export = Export::of(&[0; 6], 10, &key(1));
    let lines = export.lines.split_off(2);
    let Some((_, last_left_out)) = export.lines.pop() else {
        panic!("two lines");
    };
    let digits = &last_left_out[last_left_out.len() - 67..last_left_out.len() - 3];
    let mut range = export.header.writers[0].clone();
    (range.first, range.previous) = (3, digits.parse().expect("a hash"));
    let other = export.header.writers[1].clone();
    let time = export.header.created;
    let header =
        ExportHeader::new(time, vec![other, range], export.header.key, &[]).expect("is consistent");
    export.head = header.to_line(&key(1)).expect("the same key");
    export.lines = lines;
    let report = verify(export.text().as_bytes());
    assert!(report.is_intact(), "{report:?}");
    assert_eq!(
        (report.chains[0].entries, report.chains[0].intact_to),
        (4, 6)
    );
}

#[test]
fn headers_that_contradict_themselves_are_neither_written_nor_believed() {
    let export = Export::of(&[0, 1], 1, &key(1));
    let changes: [&dyn Fn(&mut ExportHeader); 7] = [
        &|header| header.keys.clear(),
        &|header| header.writers.swap(0, 1),
        &|header| header.writers[1].writer = header.writers[0].writer.clone(),
        &|header| header.writers[0].first = 0,
        &|header| header.writers[0].first = 3,
        &|header| header.writers[0].last = u64::MAX,
        &|header| header.writers[0].previous = header.writers[0].hash,
    ];
    for (case, change) in changes.iter().enumerate() {
        let mut header = export.header.clone();
        change(&mut header);
        assert!(header.to_line(&key(1)).is_err(), "case {case}");
        // Signed all the same, by a padan that is broken.
        let text = serde_json::to_string(&header).expect("JSON");
        let signature = export::Signature::of(&export::message(&text), &key(1));
        let line = export::framed(export::HEADER, &text, &String::from(signature));
        let report = verify(line.as_bytes());
        assert!(
            faults(&report).contains(&Fault::HeaderContradiction),
            "case {case}"
        );
    }
}
