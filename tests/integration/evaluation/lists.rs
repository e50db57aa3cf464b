//! Lists in CSV, and what may be wrong with a list.

use super::{Faces, PAIRS, assert_refused, count, json_of, list};
use crate::support::{TestFolder, padan};

const HEADER: &str = "probe,reference,genuine,probe_person,reference_person";

/// Probes A, B, C and D; references A and B.
const WITH_PEOPLE: &str = "probe,reference,genuine,probe_person,reference_person,light,door\n\
    A/A_0001.jpg,A/A_0002.jpg,1,A,A,good,north\n\
    B/B_0001.jpg,B/B_0002.jpg,1,B,B,poor,south\n\
    C/C_0001.jpg,A/A_0002.jpg,0,C,A,good,south\n\
    D/D_0001.jpg,B/B_0002.jpg,0,D,B,,south\n";

#[test]
fn with_people_every_probe_is_an_impostor_to_every_reference_of_another_person() {
    let faces = Faces::new("evaluate-people");
    let mut command = faces.listed("evaluate", "people.csv", WITH_PEOPLE);
    let answer = json_of(command.args(["--fmr", "0.5"]));
    // Four probes with two references are 8 comparisons; A and B meet themselves in one each.
    let counts = ["images", "genuine", "impostor"].map(|key| count(&answer, key));
    assert_eq!(counts, [6, 2, 6]);
    assert_eq!(answer["resampling"]["of_people"], true);
    assert_eq!(count(&answer["resampling"], "units"), 4);
    assert!(answer["accuracy"].is_null());
}

#[test]
fn results_are_split_by_each_further_column_and_small_slices_carry_a_warning() {
    let faces = Faces::new("evaluate-slices");
    let mut command = faces.listed("evaluate", "slices.csv", WITH_PEOPLE);
    let answer = json_of(command.args(["--fmr", "0.5"]));
    let columns = list(&answer["columns"]);
    let names: Vec<_> = columns.iter().map(|it| &it["column"]).collect();
    assert_eq!(names, ["light", "door"]);
    let of_column = |place: usize| -> Vec<_> {
        let slices = list(&columns[place]["slices"]).iter();
        let text = |slice: &serde_json::Value| slice["value"].as_str().expect("text").to_owned();
        slices
            .map(|it| (text(it), count(it, "genuine"), count(it, "impostor")))
            .collect()
    };
    let slice = |value: &str, genuine, impostor| (value.to_owned(), genuine, impostor);
    assert_eq!(
        of_column(0),
        [slice("", 0, 1), slice("good", 1, 1), slice("poor", 1, 0)]
    );
    assert_eq!(of_column(1), [slice("north", 1, 0), slice("south", 1, 2)]);
    let mut errors = Vec::new();
    for column in columns {
        let mut of_column = [0, 0];
        for slice in list(&column["slices"]) {
            let rates = &slice["at_fmr"]["0.5"];
            for (sum, (rate, kind)) in of_column
                .iter_mut()
                .zip([("fnmr", "genuine"), ("fmr", "impostor")])
            {
                assert_eq!(rates[rate].is_null(), count(slice, kind) == 0, "{slice:#}");
                *sum += rates[rate]["errors"].as_u64().unwrap_or_default();
            }
            let warning = slice["warning"].as_str().expect("all are too small");
            for kind in ["genuine", "impostor"] {
                let named = format!("{} {kind} comparison", count(slice, kind));
                let expected = count(slice, kind) > 0;
                assert_eq!(warning.contains(&named), expected, "{warning}");
            }
        }
        errors.push(of_column);
    }
    assert_eq!(errors[0], errors[1], "both columns split the same list");
}

#[test]
fn without_people_the_listed_comparisons_are_all_there_are() {
    let faces = Faces::new("evaluate-listed");
    // As a spreadsheet saves it: with a mark of the byte order, and line ends of its own.
    let text = "\u{feff}probe,reference,genuine\r\n\
                A/A_0001.jpg, A/A_0002.jpg, TRUE\r\n\
                B/B_0001.jpg,B/B_0002.jpg,yes\r\n\
                A/A_0001.jpg,C/C_0001.jpg,0\r\n\
                A/A_0001.jpg,D/D_0001.jpg,false\r\n\
                B/B_0001.jpg,C/C_0001.jpg,no\r\n\
                B/B_0001.jpg,D/D_0001.jpg,0\r\n";
    // The ending says nothing; the option does.
    let mut command = faces.listed("evaluate", "listed.txt", text);
    command.args(["--format", "csv"]);
    let answer = json_of(command.args(["--fmr", "0.8"]));
    let counts = ["images", "genuine", "impostor"].map(|key| count(&answer, key));
    assert_eq!(counts, [6, 2, 4]);
    // Nobody said who they are: each comparison is a unit of its own.
    assert_eq!(answer["resampling"]["of_people"], false);
    assert_eq!(count(&answer["resampling"], "units"), 6);
}

#[test]
fn what_is_wrong_with_a_csv_list_is_told_by_file_and_line() {
    let faces = Faces::new("evaluate-wrong");
    let good = "A/A_0001.jpg,A/A_0002.jpg,1,A,A";
    for (lines, says) in [
        ("probe,reference,label", ["line 1", "genuine"]),
        (
            "probe,reference,genuine,probe_person",
            ["line 1", "one side"],
        ),
        ("probe,probe,reference,genuine", ["line 1", "twice"]),
        (
            &format!("{HEADER}\n{good}\nB/B_0001.jpg,B/B_0002.jpg,maybe,B,B"),
            ["line 3", "maybe"],
        ),
        (
            &format!("{HEADER}\n{good}\n../x.jpg,B/B_0002.jpg,0,A,B"),
            ["line 3", "../x.jpg"],
        ),
        (
            &format!("{HEADER}\n/etc/passwd,B/B_0002.jpg,0,A,B"),
            ["line 2", "/etc/passwd"],
        ),
        (
            &format!("{HEADER}\n\n{good}\nB/B_0009.jpg,A/A_0001.jpg,0,B,A"),
            ["line 4: B/B_0009.jpg", "faces"],
        ),
        (
            &format!("{HEADER}\n{good}\nA/A_0001.jpg,B/B_0001.jpg,1,A"),
            ["line 3", "4 fields"],
        ),
        (
            &format!("{HEADER}\nA/A_0001.jpg,B/B_0001.jpg,1,A,B"),
            ["line 2", "two people"],
        ),
        (&format!("{HEADER}\n{good}\n{good}"), ["line 3", "line 2"]),
        (
            &format!("{HEADER}\nA/A_0001.jpg,A/A_0001.jpg,1,A,A"),
            ["line 2", "itself"],
        ),
        (
            &format!("{HEADER}\nA/A_0001.jpg,B/B_0001.jpg,0,A,"),
            ["line 2", "no name"],
        ),
        (HEADER, ["no comparisons", "header"]),
    ] {
        let mut command = faces.listed("evaluate", "wrong.csv", lines);
        command.args(["--fmr", "0.5"]);
        assert_refused(&mut command, &["wrong.csv", says[0], says[1]]);
    }
}

#[test]
fn what_is_wrong_with_an_lfw_list_is_told_by_file_and_line() {
    let faces = Faces::new("evaluate-wrong-lfw");
    for (lines, says) in [
        ("", ["line 1", "header"]),
        ("two folds\n", ["line 1", "header"]),
        ("1\t1\nA\t1\t2\n", ["line 2", "promises 2"]),
        ("1\t1\nA\t1\tx\n", ["line 2", "\"x\""]),
        ("1\t1\nA\t1\t2\n../A\t1\tB\t1\n", ["line 3", "/"]),
        (
            "1\t1\nA\t1\t2\nA\t1\tD\t7\n",
            ["line 3: D/D_0007.jpg", "faces"],
        ),
    ] {
        let mut command = faces.listed("evaluate", "wrong.txt", lines);
        command.args(["--fmr", "0.5"]);
        assert_refused(&mut command, &["wrong.txt", says[0], says[1]]);
    }
}

#[test]
fn what_is_no_list_at_all_is_refused() {
    // No text in any encoding, and none of it a line.
    let garbage: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let faces = Faces::new("evaluate-garbage");
    for name in ["garbage.txt", "garbage.csv"] {
        let mut command = faces.listed("evaluate", name, &garbage);
        assert_refused(command.args(["--fmr", "0.5"]), &[name, "UTF-8"]);
    }
    for name in ["empty.txt", "empty.csv"] {
        let mut command = faces.listed("evaluate", name, "");
        assert_refused(command.args(["--fmr", "0.5"]), &[name, "line 1", "header"]);
    }
    let mut command = faces.command("evaluate");
    command
        .args(["--fmr", "0.5", "--pairs"])
        .arg(faces.images());
    assert_refused(&mut command, &["cannot read", "faces"]);
    let scores = |path| {
        let mut command = padan();
        command.args(["evaluate", "--fmr", "0.5", "--scores"]);
        command.arg(path);
        command
    };
    assert_refused(&mut scores(faces.images()), &["cannot read", "faces"]);
    let file = faces.path("garbage.csv");
    assert_refused(&mut scores(file), &["garbage.csv", "line 1", "similarity"]);
    let file = faces.write("scores.csv", "similarity,genuine\n0.5,1\n\n2,0\n");
    assert_refused(&mut scores(file), &["scores.csv", "line 4", "from -1 to 1"]);
    let file = faces.write("empty.csv", "");
    assert_refused(&mut scores(file), &["empty.csv", "line 1"]);
}

#[test]
fn what_is_no_folder_of_samples_is_refused() {
    let folder = TestFolder::unique("evaluate-no-folder");
    let file = folder.path().join("pairs.txt");
    std::fs::write(&file, PAIRS).expect("writes");
    let evaluate = |images| {
        let mut command = padan();
        command.args(["evaluate", "--fmr", "0.5", "--images"]);
        command.arg(images);
        command
    };
    assert_refused(&mut evaluate(file), &["cannot read", "pairs.txt"]);
    let nowhere = folder.path().join("nowhere");
    assert_refused(&mut evaluate(nowhere), &["cannot read", "nowhere"]);
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).expect("a folder");
    assert_refused(&mut evaluate(empty), &["empty", "no samples"]);
}
