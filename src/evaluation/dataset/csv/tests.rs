use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn problem(text: &str) -> Problem {
    Rows::read(text).map(|_| ()).expect_err(text)
}

#[test]
fn bad_lines_are_named() {
    let plain = "probe,reference,genuine\na.jpg,b.jpg,1\n";
    let people = "probe,reference,genuine,probe_person,reference_person\na,b,1,x,x\n";
    for (head, rest, line, says) in [
        ("", "a,b\n", 1, "probe"),
        ("", "probe;reference;genuine\n", 1, "commas"),
        ("", "\n\nprobe,reference\n", 3, "genuine"),
        ("", "probe,reference,genuine,probe\n", 1, "twice"),
        ("", "probe,reference,genuine,probe_person\n", 1, "neither"),
        ("", "probe,reference,genuine,\n", 1, "no name"),
        (plain, "c.jpg,d.jpg,2\n", 3, "write 1"),
        (plain, "c.jpg,d.jpg\n", 3, "2 fields"),
        (plain, "c.jpg,d.jpg,1,x\n", 3, "4 fields"),
        (plain, "\n\nc.jpg,d.jpg,maybe\n", 5, "write 1"),
        (plain, "c.jpg,c.jpg,1\n", 3, "itself"),
        (plain, ",c.jpg,1\n", 3, "no name"),
        (plain, "../c.jpg,d.jpg,1\n", 3, "plain path"),
        (plain, "/c.jpg,d.jpg,1\n", 3, "plain path"),
        (plain, "x/../c.jpg,d.jpg,1\n", 3, "plain path"),
        (plain, "./c.jpg,d.jpg,1\n", 3, "plain path"),
        (plain, "x//c.jpg,d.jpg,1\n", 3, "plain path"),
        (plain, "x\\c.jpg,d.jpg,1\n", 3, "plain path"),
        (plain, "\"c\nd.jpg\",e.jpg,1\n", 3, "control"),
        (plain, "c.jpg,d.jpg,0\na.jpg,b.jpg,0\n", 4, "line 2"),
        (people, "c,d,1,x,y\n", 3, "two people"),
        (people, "c,d,0,x,x\n", 3, "one person"),
        (people, "c,d,0,,x\n", 3, "no name"),
        (people, "c,d,0,x,y\nd,e,0,z,w\n", 4, "line 3"),
    ] {
        let text = format!("{head}{rest}");
        let (found, problem) = problem(&text);
        assert_eq!(found, Some(line), "{text:?}: {problem}");
        assert!(problem.contains(says), "{text:?}: {problem}");
        let windows = text.replace('\n', "\r\n");
        let found = Rows::read(&windows).map(|_| ()).expect_err("bad, too").0;
        assert_eq!(found, Some(line), "{windows:?}");
    }
    assert_eq!(problem("probe,reference,genuine\n").0, None);
}

#[test]
fn too_many_values_or_columns_are_refused() {
    let mut text = "probe,reference,genuine,when\n".to_owned();
    for number in 0..=VALUES_MAX {
        writeln!(text, "a{number},b{number},1,{number}").expect("a string");
    }
    let (line, says) = problem(&text);
    assert_eq!(line, Some(2 + VALUES_MAX as u64));
    assert!(says.contains("\"when\""), "{says}");
    let columns: Vec<String> = (0..=SLICE_COLUMNS_MAX).map(|n| format!(",c{n}")).collect();
    let columns = columns.concat();
    assert_eq!(
        problem(&format!("probe,reference,genuine{columns}\n")).0,
        Some(1)
    );
    let long = "x".repeat(TEXT_BYTES_MAX + 1);
    let text = format!("probe,reference,genuine,note\na,b,1,{long}\n");
    assert_eq!(problem(&text).0, Some(2));
}

#[test]
fn spreadsheets_may_have_written_it() {
    let text = "probe, reference, genuine\r\na b.jpg,\"c,d.jpg\", TRUE \r\n\r\ne,f,no\r\n";
    let rows = Rows::read(text).expect("parses");
    let genuine: Vec<bool> = rows.listed.iter().map(|it| it.genuine).collect();
    assert_eq!(genuine, [true, false]);
    let (names, _) = rows.samples.sorted();
    assert_eq!(names, ["a b.jpg", "c,d.jpg", "e", "f"]);
}

proptest! {
    /// Whatever the text: an answer, and no panic.
    #[test]
    fn any_text_is_a_list_or_an_error(
        text in "(probe,reference,genuine(,probe_person,reference_person)?(,s)?\n)?[abxy01,\"\r\n /.]{0,80}",
    ) {
        if let Ok(rows) = Rows::read(&text) {
            prop_assert!(!rows.listed.is_empty());
        }
    }
}
