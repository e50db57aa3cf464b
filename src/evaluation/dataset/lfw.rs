//! Lists in the format of Labeled Faces in the Wild (Huang et al., 2007).

use std::collections::BTreeSet;
use std::path::Path;

use super::names::{self, Names};
use super::{Comparison, Crossing, Dataset, DatasetError};

/// Most folds.
const FOLDS_MAX: usize = 1000;

pub fn read(list: &Path, images: &Path) -> Result<Dataset, DatasetError> {
    let text = names::read_text(list)?;
    let (folds, mut listed, samples) =
        parse(&text).map_err(|(line, problem)| DatasetError::line(list, line, problem))?;
    let (samples, places) = samples.into_samples(list, images)?;
    names::renumber(&mut listed, &places);
    let person = |name: &str| name.split('/').next().unwrap_or(name).to_owned();
    let people: BTreeSet<String> = samples.iter().map(|it| person(&it.name)).collect();
    let people: Vec<String> = people.into_iter().collect();
    let number = |name: String| people.binary_search(&name).unwrap_or_default();
    let person_of: Vec<u32> = samples
        .iter()
        .map(|sample| u32::try_from(number(person(&sample.name))).unwrap_or(u32::MAX))
        .collect();
    for comparison in &mut listed {
        comparison.probe_person = names::at(&person_of, comparison.probe);
        comparison.reference_person = names::at(&person_of, comparison.reference);
    }
    let dataset = Dataset {
        samples,
        people,
        knows_people: true,
        person_of,
        listed,
        folds,
        columns: Vec::new(),
        crossing: Crossing::EachWithEach,
        note: None,
    };
    names::bounded(dataset, list)
}

/// A line that is wrong, and why.
type Problem = (u64, String);

/// The folds, the comparisons without their people, and the samples.
fn parse(text: &str) -> Result<(Option<usize>, Vec<Comparison>, Names), Problem> {
    let mut lines = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty());
    let (first, header) = lines.next().unwrap_or((1, ""));
    let (folds, pairs) = parse_header(header).map_err(|problem| (first, problem))?;
    let mut samples = Names::default();
    let mut listed = Vec::new();
    let mut last = first;
    for (line, text) in lines {
        listed.push(parse_pair(line, text, &mut samples).map_err(|problem| (line, problem))?);
        last = line;
    }
    if listed.len() != pairs {
        let found = listed.len();
        let problem = format!(
            "the header promises {pairs} pairs, and the list ends here with {found}: was it cut?"
        );
        return Err((last, problem));
    }
    Ok((folds, listed, samples))
}

/// The folds, if there are any, and how many pairs follow.
fn parse_header(header: &str) -> Result<(Option<usize>, usize), String> {
    let numbers: Option<Vec<usize>> = header
        .split_whitespace()
        .map(|number| number.parse().ok())
        .collect();
    let pairs = |folds: usize, each: usize| folds.checked_mul(each)?.checked_mul(2);
    let found = match numbers.as_deref() {
        Some([each]) => pairs(1, *each).map(|pairs| (None, pairs)),
        Some([folds, each]) if (1..=FOLDS_MAX).contains(folds) => {
            pairs(*folds, *each).map(|pairs| (Some(*folds), pairs))
        }
        _ => None,
    };
    let found = found.filter(|(_, pairs)| *pairs > 0);
    found.ok_or_else(|| {
        format!(
            "the header must be the number of folds, 1 to {FOLDS_MAX}, and the number of genuine \
             pairs in each, which is that of its impostor pairs, too"
        )
    })
}

fn parse_pair(line: u64, text: &str, samples: &mut Names) -> Result<Comparison, String> {
    let mut sample = |name: &str, number: &str| {
        let number: u32 = number
            .parse()
            .map_err(|_| format!("{number:?} is not the number of a sample"))?;
        // The name becomes a folder.
        if name.contains('/') {
            return Err("a person's name has a / in it".to_owned());
        }
        names::sample(samples, &format!("{name}/{name}_{number:04}.jpg"), line)
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let (probe, reference, genuine) = match *words.as_slice() {
        [name, one, other] => (sample(name, one)?, sample(name, other)?, true),
        [one, _, other, _] if one == other => {
            return Err("two samples of one person: write \"name i j\"".to_owned());
        }
        [one, first, other, second] => (sample(one, first)?, sample(other, second)?, false),
        _ => return Err("a line must be \"name i j\" or \"name i name j\"".to_owned()),
    };
    if probe == reference {
        return Err("a sample is compared with itself".to_owned());
    }
    Ok(Comparison {
        probe,
        reference,
        probe_person: 0,
        reference_person: 0,
        genuine,
        slices: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_line_ends_and_blank_lines_are_understood() {
        let text = "1\t1\r\n\r\nA_B\t1\t12\r\n  \r\nA_B\t1\tC\t2\r\n\r\n";
        let (folds, listed, names) = parse(text).expect("parses");
        assert_eq!(folds, Some(1));
        assert_eq!((listed[0].genuine, listed[1].genuine), (true, false));
        let (names, _) = names.sorted();
        let expected = ["A_B/A_B_0001.jpg", "A_B/A_B_0012.jpg", "C/C_0002.jpg"];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_header_of_one_number_has_no_folds() {
        let (folds, listed, _) = parse("1\nA 1 2\nA 1 B 1\n").expect("parses");
        assert_eq!((folds, listed.len()), (None, 2));
    }

    #[test]
    fn bad_lines_are_named() {
        for (text, line) in [
            ("", 1),
            ("\n\nx 3", 3),
            ("0 3", 1),
            ("1001 3", 1),
            ("1 0", 1),
            ("1 1 1", 1),
            ("1 99999999999999999999", 1),
            ("1000 9223372036854775807", 1),
            ("1 1\nA 1", 2),
            ("1 1\nA 1 2\nA 1 x", 3),
            ("1 1\nA 1 2\n\nA 1 -1", 4),
            ("1 1\n../A 1 2", 2),
            ("1 1\n.. 1 2", 2),
            ("1 1\nA\\B 1 2", 2),
            ("1 1\nA 1 2 3 4", 2),
            ("1 1\nA 1 1", 2),
            ("1 1\nA 1 A 2", 2),
            ("1 1\nA 1 2\n", 2),
            ("1 1\nA 1 2\nA 1 B 1\nB 1 2", 4),
        ] {
            let found = parse(text).map(|_| ()).expect_err(text);
            assert_eq!(found.0, line, "{text:?}: {}", found.1);
        }
    }
}
