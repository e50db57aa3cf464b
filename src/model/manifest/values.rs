//! Values of an entry that can be written in more than one way.

use std::str::FromStr;

use serde::Deserialize;

/// One number for each colour plane, in the order in which the network takes the colours. Written
/// as one number for all three, or as a list of three.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(from = "Written")]
pub struct PerChannel([f32; 3]);

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "mean and scale take a number, or a list of three in the order of the colours"
)]
enum Written {
    Same(f32),
    Each([f32; 3]),
}

impl From<Written> for PerChannel {
    fn from(written: Written) -> Self {
        match written {
            Written::Same(number) => Self::same(number),
            Written::Each(numbers) => Self(numbers),
        }
    }
}

impl PerChannel {
    /// The same number for all three.
    #[must_use]
    pub const fn same(number: f32) -> Self {
        Self([number; 3])
    }

    /// First, second and third plane of the network's input.
    #[must_use]
    pub const fn numbers(self) -> [f32; 3] {
        self.0
    }

    /// As it enters a contract id: one number as ever since there are contracts, three in a row
    /// where they differ.
    pub(super) fn contract_text(self) -> String {
        let texts = self.0.map(|number| format!("{number:e}"));
        if self.is_same() {
            let [first, ..] = texts;
            first
        } else {
            texts.join(",")
        }
    }

    fn is_same(self) -> bool {
        let [first, second, third] = self.0;
        first.to_bits() == second.to_bits() && second.to_bits() == third.to_bits()
    }
}

impl FromStr for PerChannel {
    type Err = String;

    /// As typed on a command line: `127.5`, or `123.7,116.8,103.9`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "takes a number, or three with commas in the order of the colours";
        let numbers: Result<Vec<f32>, _> = text.split(',').map(|n| n.trim().parse()).collect();
        match numbers.as_deref() {
            Ok(&[number]) => Ok(Self::same(number)),
            Ok(&[first, second, third]) => Ok(Self([first, second, third])),
            _ => Err(wrong().to_owned()),
        }
    }
}

impl std::fmt::Display for PerChannel {
    /// As it stands in a manifest.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [first, second, third] = self.0;
        if self.is_same() {
            write!(out, "{first:?}")
        } else {
            write!(out, "[{first:?}, {second:?}, {third:?}]")
        }
    }
}

/// How two embeddings of a network compare.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Metric {
    /// By the cosine of their angle.
    #[default]
    Cosine,
    /// By the distance d of their unit vectors, as `FaceNet` was trained. With d² = 2 − 2·cosine it
    /// puts all pairs in the same order as the cosine, which is what padan computes.
    EuclideanOnUnit,
}

impl TryFrom<String> for Metric {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match name.as_str() {
            "cosine" => Ok(Self::Cosine),
            "euclidean-on-unit" => Ok(Self::EuclideanOnUnit),
            _ => Err(format!(
                "metric {name:?} cannot be kept: padan brings embeddings to unit length and \
                 compares their cosine, so metric takes \"cosine\" or, for a network trained on \
                 the distance of unit vectors, \"euclidean-on-unit\", which orders pairs alike"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_is_written_as_ever_and_three_in_a_row() {
        let text = |typed: &str| {
            let values: PerChannel = typed.parse().expect("typed rightly");
            (values.contract_text(), values.to_string())
        };
        assert_eq!(text("127.5"), ("1.275e2".into(), "127.5".into()));
        assert_eq!(text("0"), ("0e0".into(), "0.0".into()));
        assert_eq!(text("2, 2,2"), ("2e0".into(), "2.0".into()));
        let three = ("1e0,2.5e0,-3e0".into(), "[1.0, 2.5, -3.0]".into());
        assert_eq!(text("1,2.5,-3"), three);
        for wrong in ["", "1,2", "1,2,3,4", "x", "1,,3"] {
            assert!(wrong.parse::<PerChannel>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        #[derive(Deserialize)]
        struct File {
            value: PerChannel,
        }
        for typed in ["0.0078125", "0", "1e-7", "0.1,0.2,0.3", "-1e20,0,5"] {
            let values: PerChannel = typed.parse().expect("typed rightly");
            let file: File = toml::from_str(&format!("value = {values}")).expect("TOML");
            assert_eq!(file.value, values, "{typed}");
        }
        let file: File = toml::from_str("value = 3").expect("an integer is a number");
        assert_eq!(file.value, PerChannel::same(3.0));
        let Err(error) = toml::from_str::<File>("value = [1.0, 2.0]") else {
            panic!("two numbers are not three");
        };
        assert!(error.to_string().contains("a list of three"), "{error}");
    }
}
