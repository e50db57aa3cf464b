use std::fmt::Write as _;

use super::*;

/// A folder with empty files of these names; what a list says is checked before any is opened.
fn folder(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for name in names {
        let path = folder.path().join("images").join(name);
        std::fs::create_dir_all(path.parent().expect("has one")).expect("made");
        std::fs::write(path, name).expect("written");
    }
    folder
}

fn read_csv(folder: &tempfile::TempDir, text: &str) -> Result<Dataset, DatasetError> {
    let list = folder.path().join("list.csv");
    std::fs::write(&list, text).expect("written");
    Dataset::read_csv(&list, &folder.path().join("images"))
}

#[test]
fn a_list_with_people_crosses_probes_with_references() {
    let folder = folder(&["b1", "a1", "b2", "a2", "c1"]);
    let text = "probe,light,reference,genuine,probe_person,reference_person\n\
        b1,dim,b2,1,bob,bob\na1,bright,a2,1,ann,ann\nc1,bright,a2,0,cid,ann\n";
    let dataset = read_csv(&folder, text).expect("reads");
    let names: Vec<&str> = dataset.samples.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["a1", "a2", "b1", "b2", "c1"]);
    assert_eq!(dataset.people, ["ann", "bob", "cid"]);
    assert_eq!(dataset.person_of, [0, 0, 1, 1, 2]);
    assert_eq!(dataset.crossing, Crossing::ProbesWithReferences);
    assert!(dataset.knows_people);
    assert_eq!(dataset.in_role(SampleRole::Probe), [0, 2, 4]);
    assert_eq!(dataset.in_role(SampleRole::Reference), [1, 3]);
    // a1 and b1 with the other's reference, c1 with both.
    let counts = ComparisonCounts {
        genuine: 2,
        impostor: 4,
    };
    assert_eq!(dataset.counts(), counts);
    assert_eq!(dataset.columns.len(), 1);
    assert_eq!(dataset.columns[0].name, "light");
    assert_eq!(dataset.columns[0].values, ["bright", "dim"]);
    let first = Comparison {
        probe: 2,
        reference: 3,
        probe_person: 1,
        reference_person: 1,
        genuine: true,
        slices: vec![1],
    };
    assert_eq!(dataset.listed[0], first);
    assert_eq!(dataset.listed[2].probe_person, 2);
}

#[test]
fn without_people_each_comparison_is_its_own_unit() {
    let folder = folder(&["x/a", "b", "c"]);
    let dataset = read_csv(&folder, "reference,probe,genuine\nb,x/a,1\nc,b,0\n").expect("reads");
    assert_eq!(dataset.crossing, Crossing::Listed);
    assert!(!dataset.knows_people && dataset.person_of.is_empty());
    assert_eq!(dataset.people, ["", ""]);
    let sides: Vec<_> = dataset
        .listed
        .iter()
        .map(|it| (it.probe, it.reference))
        .collect();
    assert_eq!(sides, [(2, 0), (0, 1)]);
    let units: Vec<_> = dataset.listed.iter().map(|it| it.probe_person).collect();
    assert_eq!(units, [0, 1]);
}

#[test]
fn missing_samples_are_named_with_their_lines() {
    let folder = folder(&["a", "sub/x"]);
    let mut text = "probe,reference,genuine\n".to_owned();
    for number in 0..12 {
        writeln!(text, "a,gone{number},1").expect("a string");
    }
    let error = read_csv(&folder, &text).expect_err("not there");
    let DatasetError::Missing { count, missing, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!((*count, missing.len()), (12, 10));
    let says = error.to_string();
    assert!(
        says.contains("line 2: gone0\n") && says.ends_with('…'),
        "{says}"
    );
    // A folder is no sample.
    let error = read_csv(&folder, "probe,reference,genuine\na,sub,1\n").expect_err("a folder");
    assert!(error.to_string().contains("line 2: sub"), "{error}");
}

#[test]
fn a_list_that_is_not_text_names_the_line() {
    let folder = folder(&["a"]);
    let list = folder.path().join("list.csv");
    std::fs::write(&list, b"probe,reference,genuine\na,b,1\na,\xff,1\n").expect("written");
    let error = Dataset::read_csv(&list, folder.path()).expect_err("not UTF-8");
    assert!(error.to_string().contains("line 3"), "{error}");
    let error = Dataset::read_lfw(&folder.path().join("none"), folder.path()).expect_err("none");
    assert!(matches!(error, DatasetError::Unreadable { .. }), "{error}");
}

#[test]
fn an_lfw_list_compares_each_sample_with_each() {
    let names = [
        "A/A_0001.jpg",
        "A/A_0002.jpg",
        "A B/A B_0001.jpg",
        "A_B/A_B_0001.jpg",
    ];
    let folder = folder(&names);
    let list = folder.path().join("pairs.txt");
    std::fs::write(&list, "1 1\nA 2 1\nA_B 1 A 2\n").expect("written");
    let dataset = Dataset::read_lfw(&list, &folder.path().join("images")).expect("reads");
    assert_eq!(dataset.people, ["A", "A_B"]);
    assert_eq!(dataset.person_of, [0, 0, 1]);
    assert_eq!(dataset.folds, Some(1));
    let first = &dataset.listed[0];
    assert_eq!((first.probe, first.reference, first.genuine), (1, 0, true));
    assert_eq!(dataset.listed[1].probe_person, 1);
    assert_eq!(dataset.listed[1].reference_person, 0);
    let counts = ComparisonCounts {
        genuine: 1,
        impostor: 2,
    };
    assert_eq!(dataset.counts(), counts);
}

#[test]
fn folders_of_people_are_read_and_the_rest_is_told() {
    let names = [
        "A/x.JPG",
        "A/y.webp",
        "A B/x.png",
        "B/notes.txt",
        "B/.hidden.jpg",
        "loose.jpg",
    ];
    let folder = folder(&names);
    let images = folder.path().join("images");
    let dataset = Dataset::read_folders(&images, FOLDER_IMPOSTORS_MAX).expect("reads");
    let names: Vec<&str> = dataset.samples.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["A B/x.png", "A/x.JPG", "A/y.webp"]);
    assert_eq!(dataset.people, ["A", "A B"]);
    assert_eq!(dataset.person_of, [1, 0, 0]);
    assert!(dataset.note.is_some_and(|note| note.starts_with("2 files")));
    for sample in &dataset.samples {
        assert!(sample.path.is_file());
    }
    let empty = Dataset::read_folders(&images.join("B"), 10).expect_err("no people");
    assert!(empty.to_string().contains("no samples"), "{empty}");
}
