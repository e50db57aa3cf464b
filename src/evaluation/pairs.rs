//! Pair lists in the format of Labeled Faces in the Wild.

use std::collections::BTreeSet;

/// Two samples and whether they show one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledPair {
    /// Path of the first sample, relative to the folder of the images.
    pub first: String,
    /// Path of the second.
    pub second: String,
    /// Whether they show one person.
    pub genuine: bool,
}

/// A list of pairs in folds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairList {
    /// Number of folds; the pairs are split evenly, in order.
    pub folds: usize,
    /// The pairs.
    pub pairs: Vec<LabelledPair>,
}

/// A list that is malformed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the pair list: {problem}")]
pub struct PairListError {
    /// Number of the line, from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: &'static str,
}

impl PairList {
    /// Parses LFW's format: a header `folds N`, then `name i j` for genuine pairs and
    /// `name i name j` for impostor pairs, separated by white space.
    ///
    /// # Errors
    /// Names the first bad line.
    pub fn parse_lfw(text: &str) -> Result<Self, PairListError> {
        let mut lines = (1..)
            .zip(text.lines())
            .filter(|(_, line)| !line.trim().is_empty());
        let (number, header) = lines.next().unwrap_or((1, ""));
        let folds = header
            .split_whitespace()
            .next()
            .and_then(|folds| folds.parse().ok());
        let folds = folds
            .filter(|folds| (1..=1000).contains(folds))
            .ok_or(PairListError {
                line: number,
                problem: "the header must begin with the number of folds, 1 to 1000",
            })?;
        let pairs = lines
            .map(|(line, text)| parse_pair(line, text))
            .collect::<Result<_, _>>()?;
        Ok(Self { folds, pairs })
    }

    /// All samples that the list names, each once, in order of their names.
    #[must_use]
    pub fn samples(&self) -> BTreeSet<String> {
        let both = self
            .pairs
            .iter()
            .flat_map(|pair| [&pair.first, &pair.second]);
        both.cloned().collect()
    }
}

fn parse_pair(line: usize, text: &str) -> Result<LabelledPair, PairListError> {
    let error = |problem| PairListError { line, problem };
    let sample = |name: &str, index: &str| {
        let index: u32 = index
            .parse()
            .map_err(|_| error("an index is not a number"))?;
        // A name must not lead out of the folder of the images.
        if name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(error("a name has a path in it"));
        }
        Ok(format!("{name}/{name}_{index:04}.jpg"))
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    match *words.as_slice() {
        [name, first, second] => Ok(LabelledPair {
            first: sample(name, first)?,
            second: sample(name, second)?,
            genuine: true,
        }),
        [one, first, other, second] => Ok(LabelledPair {
            first: sample(one, first)?,
            second: sample(other, second)?,
            genuine: false,
        }),
        _ => Err(error("takes \"name i j\" or \"name i name j\"")),
    }
}

/// The person in a sample's name: its folder.
#[must_use]
pub fn person(sample: &str) -> &str {
    sample.split('/').next().unwrap_or(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_lines_are_understood() {
        let list = PairList::parse_lfw("2\t1\nA_B\t1\t12\n\nA_B\t1\tC\t2\n").expect("parses");
        assert_eq!(list.folds, 2);
        assert_eq!(list.pairs[0].second, "A_B/A_B_0012.jpg");
        assert!(list.pairs[0].genuine && !list.pairs[1].genuine);
        let samples: Vec<_> = list.samples().into_iter().collect();
        assert_eq!(
            samples,
            ["A_B/A_B_0001.jpg", "A_B/A_B_0012.jpg", "C/C_0002.jpg"]
        );
        assert_eq!(person("A_B/A_B_0001.jpg"), "A_B");
    }

    #[test]
    fn bad_lines_are_named() {
        for (text, line) in [
            ("", 1),
            ("x 3", 1),
            ("0 3", 1),
            ("2 1\nA 1", 2),
            ("2 1\nA 1 2\nA 1 x", 3),
            ("2 1\n../A 1 2", 2),
            ("2 1\nA 1 2 3 4", 2),
        ] {
            assert_eq!(
                PairList::parse_lfw(text).expect_err(text).line,
                line,
                "{text:?}"
            );
        }
    }
}
