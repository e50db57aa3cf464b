//! `padan compare`

use std::ffi::OsString;
use std::path::PathBuf;

use super::{DatasetArgs, ResultArgs, SharedArgs};

/// Most models of one comparison.
const MODELS_MAX: usize = 8;

/// `padan compare`
#[derive(Debug, clap::Args)]
pub struct CompareArgs {
    // Here, `--models` names embedders, and not their folder as everywhere else. clap leaves the
    // shared option out of a command that has one of the same id; in return, both must hold the
    // same type, and what is typed here is seen there, too: `SharedArgs::for_comparison` undoes
    // that.
    /// Embedders of the manifest: the baseline, then the candidates
    #[arg(long, value_name = "A,B")]
    pub models: PathBuf,
    /// Folder of manifest.toml, models and calibrations
    #[arg(long, value_name = "DIR", env = "PADAN_MODELS")]
    pub models_folder: Option<PathBuf>,
    /// What to measure accuracy on.
    #[command(flatten)]
    pub dataset: DatasetArgs,
    /// What is measured besides, and where results go.
    #[command(flatten)]
    pub results: ResultArgs,
    /// Limits that the candidates must keep; docs/gate.toml is an example
    #[arg(long, value_name = "FILE.toml")]
    pub gate: Option<PathBuf>,
    /// Measure accuracy only: neither time nor memory
    #[arg(long)]
    pub no_cost: bool,
    /// Samples of the data set that are timed
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=10_000))]
    pub cost_samples: u32,
    /// Rounds over these samples for latency; turns for throughput; processes started
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub cost_rounds: u32,
    /// Seconds of a turn for throughput
    #[arg(long, value_name = "S", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub cost_turn: u32,
}

impl CompareArgs {
    /// The ids: the baseline, then one candidate or more, each once.
    ///
    /// # Errors
    /// When there are too few or too many, or one stands twice.
    pub fn ids(&self) -> Result<Vec<String>, String> {
        let text = self.models.to_string_lossy();
        let ids: Vec<String> = text.split(',').map(|id| id.trim().to_owned()).collect();
        if !(2..=MODELS_MAX).contains(&ids.len()) || ids.iter().any(String::is_empty) {
            return Err(format!(
                "--models takes 2 to {MODELS_MAX} embedders of the manifest, for example \
                 sface_2021dec,sface_2021dec_int8; `padan models list` shows them"
            ));
        }
        for (index, id) in ids.iter().enumerate() {
            if ids.iter().take(index).any(|other| other == id) {
                return Err(format!("--models names {id} twice: a model equals itself"));
            }
        }
        Ok(ids)
    }
}

/// Refuses a `--models` before the command, which would name a folder and which clap lets the one
/// behind the command replace. Neither may stand twice, so that two are one of each; a value is
/// never taken for one, since values that begin with a dash stand in one word with their option.
pub(super) fn check_models_typed_once(typed: &[OsString]) -> Result<(), String> {
    let is_models = |argument: &&OsString| {
        let argument = argument.to_string_lossy();
        argument == "--models" || argument.starts_with("--models=")
    };
    if typed.iter().filter(is_models).count() < 2 {
        return Ok(());
    }
    Err(
        "--models names embedders with `padan compare`; name their folder with --models-folder"
            .to_owned(),
    )
}

impl SharedArgs {
    /// What every command takes, as `padan compare` means it: its `--models` are no folder.
    #[must_use]
    pub fn for_comparison(&self, args: &CompareArgs) -> Self {
        Self {
            models: args.models_folder.clone(),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Typed {
        #[command(subcommand)]
        command: Only,
        #[command(flatten)]
        shared: SharedArgs,
    }

    #[derive(Debug, clap::Subcommand)]
    enum Only {
        Compare(CompareArgs),
    }

    fn typed(arguments: &[&str]) -> (CompareArgs, SharedArgs) {
        let all = ["padan", "compare", "--images", "faces"];
        let typed = Typed::try_parse_from(all.iter().chain(arguments)).expect("arguments");
        let Only::Compare(args) = typed.command;
        let shared = typed.shared.for_comparison(&args);
        (args, shared)
    }

    #[test]
    fn models_are_embedders_here_and_their_folder_has_a_name_of_its_own() {
        Typed::command().debug_assert();
        let (args, shared) = typed(&["--models", "a, b,c", "--models-folder", "elsewhere"]);
        assert_eq!(args.ids(), Ok(["a", "b", "c"].map(str::to_owned).to_vec()));
        assert_eq!(shared.models, Some(PathBuf::from("elsewhere")));
        let (args, shared) = typed(&["--models", "a,b", "--embedder", "c"]);
        assert_ne!(shared.models, Some(args.models));
        assert_eq!(shared.embedder.as_deref(), Some("c"));
    }

    #[test]
    fn a_folder_that_would_be_lost_is_refused() {
        let read = |words: &str| crate::config::Args::read(words.split(' ').map(OsString::from));
        let compare = "compare --models a,b --images faces";
        for lost in ["--models elsewhere", "--models=elsewhere"] {
            let error = read(&format!("padan {lost} {compare}")).expect_err(lost);
            let error = error.to_string();
            assert!(error.contains("--models-folder"), "{error}");
        }
        let folder = "--models-folder elsewhere";
        assert!(read(&format!("padan {compare} {folder} --log=--models")).is_ok());
        let check = "--models elsewhere models check --models there";
        assert!(read(&format!("padan {check}")).is_ok());
    }

    #[test]
    fn two_models_are_the_least_and_none_stands_twice() {
        let many = (0..9).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        for (models, says) in [
            ("a", "2 to 8"),
            ("a,", "2 to 8"),
            (",", "2 to 8"),
            ("a,,b", "2 to 8"),
            ("a,b,a", "a twice"),
            (many.as_str(), "2 to 8"),
        ] {
            let error = typed(&["--models", models]).0.ids().expect_err(models);
            assert!(error.contains(says), "{models}: {error}");
        }
    }
}
