use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

use super::*;

const NAME: &str = "lines.jsonl";

fn journal() -> (tempfile::TempDir, Journal) {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = Journal::open(folder.path().join("deep/journal")).expect("opens");
    (folder, journal)
}

/// The lines, and whether the last one was torn.
fn read(journal: &Journal) -> Result<(Vec<String>, bool), JournalError> {
    let mut lines = journal.lines(NAME)?;
    let mut texts = Vec::new();
    for line in lines.by_ref() {
        let line = line?;
        texts.push(line.text);
        assert_eq!(line.number, texts.len() as u64);
    }
    Ok((texts, lines.is_torn()))
}

fn write(journal: &Journal, bytes: &[u8]) {
    std::fs::write(journal.folder().join(NAME), bytes).expect("writes");
}

#[test]
fn what_was_appended_comes_back_for_its_owner_alone() {
    let (_folder, journal) = journal();
    assert_eq!(read(&journal).expect("reads"), (Vec::new(), false));
    for line in ["one", "two", "three é"] {
        journal.append(NAME, line).expect("appends");
    }
    let expected = ["one", "two", "three é"].map(str::to_owned).to_vec();
    assert_eq!(read(&journal).expect("reads"), (expected, false));
    let mode = |path: &Path| {
        let metadata = std::fs::metadata(path).expect("is there");
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode(&journal.folder().join(NAME)), 0o600);
    assert_eq!(mode(journal.folder()), 0o700);
}

#[test]
fn a_torn_last_line_is_told_and_gone_with_the_next_append() {
    let (_folder, journal) = journal();
    for (torn, whole) in [(&b"one\ntw"[..], vec!["one"]), (b"on", vec![])] {
        write(&journal, torn);
        let whole: Vec<_> = whole.into_iter().map(str::to_owned).collect();
        assert_eq!(read(&journal).expect("reads"), (whole.clone(), true));
        journal.append(NAME, "next").expect("appends");
        let expected = [whole, vec!["next".to_owned()]].concat();
        assert_eq!(read(&journal).expect("reads"), (expected, false));
    }
}

#[test]
fn other_damage_is_an_error_that_names_its_line() {
    let (_folder, journal) = journal();
    let long = [b"one\n", vec![b'x'; LINE_BYTES_MAX + 1].as_slice(), b"\n"].concat();
    let endless = [b"one\n", vec![b'x'; LINE_BYTES_MAX + 1].as_slice()].concat();
    for damaged in [
        &b"one\n\nthree\n"[..],
        b"one\n\xff\nthree\n",
        b"one\n\0\0\0\nthree\n",
        &long,
        &endless,
    ] {
        write(&journal, damaged);
        let error = read(&journal).expect_err("is damaged");
        let is_named = matches!(error, JournalError::Damaged { line: 2, .. });
        assert!(is_named, "{error}");
    }
    // The end is too long for a torn line: nothing is taken away from it.
    assert!(journal.append(NAME, "next").is_err());
    let bytes = std::fs::read(journal.folder().join(NAME)).expect("reads");
    assert_eq!(bytes, endless);
}

#[test]
fn the_longest_line_is_a_line_and_what_is_none_is_refused() {
    let (_folder, journal) = journal();
    let longest = "x".repeat(LINE_BYTES_MAX);
    for line in [&longest, "short", &longest] {
        journal.append(NAME, line).expect("appends");
    }
    assert_eq!(read(&journal).expect("reads").0.len(), 3);
    let longer = "x".repeat(LINE_BYTES_MAX + 1);
    for line in ["", "a\nb", "a\0b", &longer] {
        let refused = journal.append(NAME, line);
        assert!(matches!(refused, Err(JournalError::Line)), "{}", line.len());
    }
    assert_eq!(read(&journal).expect("reads").0.len(), 3);
}

#[test]
fn appends_at_once_are_all_there_and_whole() {
    let (_folder, journal) = journal();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let journal = &journal;
            scope.spawn(move || {
                for number in 0..10 {
                    let line = format!("{thread} {number}");
                    journal.append(NAME, &line).expect("appends");
                }
            });
        }
    });
    let (mut lines, is_torn) = read(&journal).expect("reads");
    lines.sort();
    lines.dedup();
    assert_eq!((lines.len(), is_torn), (40, false));
}

#[test]
fn a_journal_where_none_can_be_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("writes");
    let error = Journal::open(file.join("journal")).expect_err("no folder");
    assert!(error.to_string().contains("[trail] journal"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_file_cut_anywhere_keeps_its_whole_lines(
        lines in proptest::collection::vec("[a-z]{1,8}", 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let (_folder, journal) = journal();
        let text = [lines.join("\n"), "\n".to_owned()].concat();
        let cut = &text[..cut.index(text.len() + 1)];
        write(&journal, cut.as_bytes());
        let (read, is_torn) = read(&journal).expect("reads");
        prop_assert_eq!(read.len(), cut.matches('\n').count());
        prop_assert_eq!(&read[..], &lines[..read.len()]);
        prop_assert_eq!(is_torn, !cut.is_empty() && !cut.ends_with('\n'));
    }
}
