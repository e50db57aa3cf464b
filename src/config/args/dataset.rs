//! What an evaluation is done on, for the commands that do one.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::ValueEnum;

/// Most false match rates of one evaluation.
const TARGETS_MAX: usize = 16;

/// False match rates that are reported when none are named: those that the data support.
pub const DEFAULT_TARGETS: [f64; 3] = [1e-3, 1e-4, 1e-5];

/// How a list of comparisons is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// LFW's pair list.
    Lfw,
    /// Columns `probe,reference,genuine`, optional ones, and any others as slices.
    Csv,
    /// No list: one folder for each person.
    Folders,
}

/// What an evaluation is done on.
#[derive(Debug, Clone, clap::Args)]
pub struct DatasetArgs {
    /// List of comparisons; none with --format folders
    #[arg(long, value_name = "FILE")]
    pub pairs: Option<PathBuf>,
    /// Folder of the images
    #[arg(long, value_name = "DIR")]
    pub images: Option<PathBuf>,
    /// How the list is written [default: csv for a name that ends in .csv, lfw for any other,
    /// folders without a list]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<ListFormat>,
    /// Target false match rates, for example 1e-3,1e-4; exit code 2 when the impostor comparisons
    /// are too few for one [default: those of 1e-3, 1e-4 and 1e-5 that they support]
    #[arg(long, value_name = "RATE,RATE,…", value_delimiter = ',', value_parser = rate)]
    pub fmr: Vec<f64>,
    /// Apply the quality limits: what fails them is a failure to acquire
    #[arg(long)]
    pub gated: bool,
    /// Keep embeddings in this folder, so that an interrupted evaluation goes on, and the next one
    /// on the same samples is quick (they are biometric data: treat it as such)
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Resamples of people for the intervals
    #[arg(long, value_name = "N", default_value = "1000", value_parser = resamples)]
    pub resamples: NonZeroU32,
    /// The same seed draws the same resamples
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

impl DatasetArgs {
    /// How the list is written, and that there is one if there must be.
    ///
    /// # Errors
    /// When the list is missing, or there is one beside folders.
    pub fn list_format(&self) -> Result<ListFormat, String> {
        let is_csv = |path: &PathBuf| {
            let extension = path.extension();
            extension.is_some_and(|extension| extension.eq_ignore_ascii_case("csv"))
        };
        match (&self.pairs, self.format) {
            (Some(_), Some(ListFormat::Folders)) => {
                Err("--format folders takes no list: leave --pairs out".to_owned())
            }
            (None, Some(ListFormat::Lfw | ListFormat::Csv)) => {
                Err("--format lfw and csv take a list: name it with --pairs".to_owned())
            }
            (None, None | Some(ListFormat::Folders)) => Ok(ListFormat::Folders),
            (Some(_), Some(format)) => Ok(format),
            (Some(path), None) if is_csv(path) => Ok(ListFormat::Csv),
            (Some(_), None) => Ok(ListFormat::Lfw),
        }
    }

    /// The rates that were named, each once, in their order; empty: the defaults, as far as the
    /// data support them.
    ///
    /// # Errors
    /// When one stands twice, or there are too many.
    pub fn named_targets(&self) -> Result<Vec<f64>, String> {
        if self.fmr.len() > TARGETS_MAX {
            return Err(format!("--fmr takes at most {TARGETS_MAX} rates"));
        }
        for (index, target) in self.fmr.iter().enumerate() {
            if self
                .fmr
                .iter()
                .take(index)
                .any(|other| other.to_bits() == target.to_bits())
            {
                return Err(format!("--fmr names {target:e} twice"));
            }
        }
        Ok(self.fmr.clone())
    }
}

pub(super) fn rate(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate < 1.0 => Ok(rate),
        _ => Err("takes a rate between 0 and 1, for example 1e-4".to_owned()),
    }
}

fn resamples(text: &str) -> Result<NonZeroU32, String> {
    let number = text.parse().ok().and_then(NonZeroU32::new);
    let number = number.filter(|number| (100..=100_000).contains(&number.get()));
    number.ok_or_else(|| "takes 100 to 100000".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Typed {
        #[command(flatten)]
        dataset: DatasetArgs,
    }

    fn typed(arguments: &[&str]) -> Result<DatasetArgs, String> {
        let all = ["padan", "--images", "faces"].iter().chain(arguments);
        let typed = Typed::try_parse_from(all).map_err(|error| error.to_string());
        typed.map(|typed| typed.dataset)
    }

    #[test]
    fn rates_are_read_in_their_order_and_must_be_rates() {
        let found = typed(&["--fmr", "1e-3,0.0001, 1e-5"])
            .expect("rates")
            .named_targets();
        assert_eq!(found, Ok(vec![1e-3, 1e-4, 1e-5]));
        assert_eq!(typed(&[]).expect("none").named_targets(), Ok(Vec::new()));
        for wrong in [
            "0",
            "1",
            "-1e-3",
            "NaN",
            "inf",
            "",
            "1e-3,,1e-4",
            "often",
            "1e-400",
        ] {
            let fmr = format!("--fmr={wrong}");
            let error = typed(&[&fmr]).expect_err(wrong);
            assert!(error.contains("between 0 and 1"), "{error}");
        }
        let twice = typed(&["--fmr", "1e-4,0.0001"])
            .expect("rates")
            .named_targets();
        assert!(twice.expect_err("twice").contains("twice"));
        let many: Vec<String> = (1..=17).map(|n| format!("0.{n:03}")).collect();
        let many = typed(&["--fmr", &many.join(",")])
            .expect("rates")
            .named_targets();
        assert!(many.expect_err("too many").contains("16"));
    }

    #[test]
    fn a_list_is_of_the_format_that_its_name_or_the_caller_says() {
        let format = |arguments: &[&str]| typed(arguments).expect("arguments").list_format();
        assert_eq!(format(&["--pairs", "pairs.txt"]), Ok(ListFormat::Lfw));
        assert_eq!(format(&["--pairs", "pairs.CSV"]), Ok(ListFormat::Csv));
        assert_eq!(format(&[]), Ok(ListFormat::Folders));
        let named = format(&["--pairs", "pairs.csv", "--format", "lfw"]);
        assert_eq!(named, Ok(ListFormat::Lfw));
        assert!(format(&["--pairs", "pairs.txt", "--format", "folders"]).is_err());
        assert!(format(&["--format", "csv"]).is_err());
    }

    #[test]
    fn resamples_are_neither_too_few_nor_unbounded() {
        for wrong in ["0", "99", "100001", "-1", "many"] {
            assert!(
                typed(&[&format!("--resamples={wrong}")]).is_err(),
                "{wrong}"
            );
        }
        assert_eq!(typed(&[]).expect("arguments").resamples.get(), 1000);
    }
}
