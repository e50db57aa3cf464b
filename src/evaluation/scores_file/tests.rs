use super::*;
use crate::evaluation::scores::Exposure;

fn parsed(text: impl AsRef<[u8]>) -> Result<ScoreFile, ScoreFileError> {
    parse_scores(text.as_ref(), "scores.csv")
}

fn people(scores: &[Score]) -> Vec<(u32, u32)> {
    scores
        .iter()
        .map(|score| (score.probe, score.reference))
        .collect()
}

#[test]
fn a_file_without_people_has_units_of_its_own() {
    let file = parsed("similarity,genuine\n0.5,1\n-1,0\n,true\n0.25,false\n,0\n1,1\n");
    let ScoreFile {
        scores,
        knows_people,
    } = file.expect("parses");
    assert!(!knows_people);
    let similarities: Vec<f32> = scores
        .genuine
        .iter()
        .map(|score| score.similarity)
        .collect();
    // What could not be made counts among the genuine ones only.
    assert_eq!(similarities, [f32::NEG_INFINITY, 0.5, 1.0]);
    assert_eq!(scores.genuine_lost(), 1);
    assert_eq!(scores.impostor.similarities, [0.25, -1.0]);
    assert_eq!(scores.impostor.exposure, Exposure::Listed);
    assert_eq!(people(&scores.genuine), [(0, 0), (1, 1), (2, 2)]);
    assert_eq!(people(&scores.impostor.highest), [(3, 3), (4, 4)]);
}

#[test]
fn people_are_numbered_by_their_names_whatever_the_order_of_lines_and_columns() {
    let file = parsed(
        "\u{feff}reference_person,similarity, genuine ,site,probe_person\r\n\
         \"Lee, C\",0.1,0,x,Budi\r\nBudi,0.9,1,x,Budi\r\n\r\nAni, 0.2 ,0,\"x\ny\",\"Lee, C\"\r\n",
    );
    let file = file.expect("parses");
    assert!(file.knows_people);
    // Ani, Budi, Lee.
    assert_eq!(people(&file.scores.genuine), [(1, 1)]);
    assert_eq!(people(&file.scores.impostor.highest), [(2, 0), (1, 2)]);
    let other = parsed(
        "similarity,genuine,probe_person,reference_person\n\
         0.2,0,\"Lee, C\",Ani\n0.9,1,Budi,Budi\n0.1,0,Budi,\"Lee, C\"\n",
    );
    assert_eq!(other.expect("parses"), file);
}

#[test]
fn a_bad_line_is_named_and_not_repeated() {
    let of_people = "similarity,genuine,probe_person,reference_person\n";
    for (text, line, problem) in [
        ("similarity,genuine\n0.1,1\n1.5,1\n", 3, "from -1 to 1"),
        ("similarity,genuine\nnan,1\n", 2, "from -1 to 1"),
        ("similarity,genuine\ninf,1\n", 2, "from -1 to 1"),
        ("similarity,genuine\n\n\n0,5,1\n", 4, "as many fields"),
        (
            "\u{feff}similarity,genuine\r\n0,1\r\n\r\n\r\n5,1\r\n",
            5,
            "from -1",
        ),
        ("similarity,genuine\n\"0\n\",1\n0,2", 4, "1, 0, true"),
        ("similarity,genuine\n0.73219\n", 2, "as many fields"),
        (
            "similarity,genuine\n0.73219,yes\n",
            2,
            "1, 0, true or false",
        ),
        ("similarity,genuine\n0.73219,\n", 2, "1, 0, true or false"),
        ("similarity,genuine\n\"0.1\n", 2, "as many fields"),
        (&format!("{of_people}0.1,0,A,\n"), 2, "names no person"),
        (&format!("{of_people}0.1,0,A,A\n"), 2, "of two people"),
        (&format!("{of_people}0.1,1,A,B\n"), 2, "of one person"),
    ] {
        let error = parsed(text).expect_err(text).to_string();
        assert!(
            error.starts_with(&format!("scores.csv, line {line}: ")),
            "{error}"
        );
        assert!(
            error.contains(problem) && !error.contains("73219"),
            "{error}"
        );
    }
    let error = parsed(b"similarity,genuine\n0.1,1\n\xff,1\n").expect_err("not UTF-8");
    assert_eq!(error.to_string(), "scores.csv, line 3: is not UTF-8 text");
}

#[test]
fn a_header_that_lacks_columns_is_refused() {
    for text in [
        "",
        "0.1,1\n",
        "similarity\n0.1\n",
        "genuine\n1\n",
        "similarity,genuine,genuine\n0.1,1,1\n",
        "similarity,genuine,probe_person\n0.1,1,A\n",
    ] {
        let error = parsed(text).expect_err(text);
        assert!(matches!(error, ScoreFileError::Header { .. }), "{text}");
        assert!(
            error
                .to_string()
                .contains("similarity,genuine,probe_person,reference_person")
        );
    }
}

#[test]
fn a_file_without_end_is_not_read_for_ever() {
    let error = read_whole(io::repeat(b'1'), 100_000).expect_err("ends");
    assert!(
        error.to_string().contains("larger than 100000 bytes"),
        "{error}"
    );
    assert_eq!(read_whole(&b"1234"[..], 4).expect("fits"), b"1234");
    let missing = read_scores(Path::new("no/such/file.csv")).expect_err("is missing");
    assert!(
        missing.to_string().contains("no/such/file.csv"),
        "{missing}"
    );
}
