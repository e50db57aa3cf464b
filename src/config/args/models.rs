//! `padan models`

use std::path::PathBuf;

use clap::Subcommand;

use crate::model::{ColourOrder, PerChannel};

/// `padan models`
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// What the manifest has
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Load each model: digest, licence, names and shapes, embeddings, determinism, golden faces;
    /// exit code 1: one failed
    Check {
        /// Models of the manifest [default: all whose files are here]
        #[arg(value_name = "ID")]
        ids: Vec<String>,
    },
    /// Time the embedder at each batch size, and compare the golden faces with the manifest
    Measure {
        /// Rounds over all batch sizes; medians are shown
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        rounds: u32,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Draft the manifest entry of an ONNX network, and say what has to be confirmed
    Add(ModelAddArgs),
    /// Rewrite an ONNX network into the form that padan serves fastest, and prove that it computes
    /// the same
    Prepare {
        /// The network as it was exported
        file: PathBuf,
        /// Where to write the result
        out: PathBuf,
    },
    /// Says when it is ready, and how much memory it holds then and after these samples: what
    /// `padan compare` asks of a process of its own
    #[command(hide = true)]
    Cost {
        /// The samples
        samples: Vec<PathBuf>,
    },
}

/// `padan models add`
#[derive(Debug, clap::Args)]
pub struct ModelAddArgs {
    /// The network
    pub file: PathBuf,
    /// Its name in the manifest [default: the file's name]
    #[arg(long)]
    pub id: Option<String>,
    /// SPDX identifier of the weights' licence
    #[arg(long, value_name = "SPDX")]
    pub licence: Option<String>,
    /// That licence allows commercial use: the production profile may run it
    #[arg(long, requires = "licence")]
    pub commercial_use: bool,
    /// Where the weights come from
    #[arg(long, value_name = "TEXT")]
    pub source: Option<String>,
    /// How faces are cut for it: arcface-SIDE by landmarks, box-SIDE by the detector's box
    /// [default: arcface of the input's side]
    #[arg(long, value_name = "NAME")]
    pub alignment: Option<String>,
    /// Order of the colours it was trained on [default: rgb]
    #[arg(long, value_name = "ORDER")]
    pub colour: Option<ColourOrder>,
    /// Subtracted from each value; three with commas: one for each colour [default: 127.5]
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    pub mean: Option<PerChannel>,
    /// Multiplied after that [default: 1/128]
    #[arg(long, value_name = "Y", allow_hyphen_values = true)]
    pub scale: Option<PerChannel>,
    /// Output that is the embedding, where there are several
    #[arg(long, value_name = "NAME")]
    pub output: Option<String>,
    /// Copy the file into the folder of models, and append the entry to its manifest
    #[arg(long)]
    pub write: bool,
}
