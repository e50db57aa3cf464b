//! `padan swap`

use clap::Subcommand;

use super::ClientTlsArgs;

/// `padan swap`
#[derive(Debug, Subcommand)]
pub enum SwapCommand {
    /// The models that the server has loaded
    List(SwapArgs),
    /// Load a model of the server's manifest beside the one that serves
    Load(SwapModelArgs),
    /// Let a loaded model score a share of the live comparisons, too
    Shadow(SwapShadowArgs),
    /// What the latest shadow counted
    Report(SwapArgs),
    /// End the shadow
    Stop(SwapArgs),
    /// Make a loaded model the one that serves, with its policies
    Activate(SwapActivateArgs),
    /// Make the model that served before serve again
    Rollback(SwapRollbackArgs),
    /// Unload a model; templates of its contract are not found any more
    Unload(SwapUnloadArgs),
}

/// What each of them takes.
#[derive(Debug, Clone, clap::Args)]
pub struct SwapArgs {
    /// The server, for example `https://padan.example:50051`; with replicas ask each of them
    #[arg(long, value_name = "URL")]
    pub server: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// How to call the server.
    #[command(flatten)]
    pub tls: ClientTlsArgs,
}

/// `padan swap load`
#[derive(Debug, clap::Args)]
pub struct SwapModelArgs {
    /// Embedder of the server's manifest
    #[arg(value_name = "ID")]
    pub id: String,
    /// How to call the server.
    #[command(flatten)]
    pub common: SwapArgs,
}

/// `padan swap shadow`
#[derive(Debug, clap::Args)]
pub struct SwapShadowArgs {
    /// A loaded model that does not serve
    #[arg(value_name = "ID")]
    pub id: String,
    /// Share of the live comparisons, above 0 and at most 1
    #[arg(long, value_name = "NUMBER", default_value_t = 0.1)]
    pub share: f64,
    /// Which comparisons: the same ones for the same seed
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// How to call the server.
    #[command(flatten)]
    pub common: SwapArgs,
}

/// `padan swap activate`
#[derive(Debug, clap::Args)]
pub struct SwapActivateArgs {
    /// A loaded model
    #[arg(value_name = "ID")]
    pub id: String,
    /// Contract id that the model must have [default: the one that it has now]
    #[arg(long, value_name = "CONTRACT")]
    pub contract: Option<String>,
    /// How to call the server.
    #[command(flatten)]
    pub common: SwapArgs,
}

/// `padan swap rollback`
#[derive(Debug, clap::Args)]
pub struct SwapRollbackArgs {
    /// Contract id of the model that shall stop serving: refused when another one serves, so that
    /// the call can be repeated [default: whichever serves]
    #[arg(long, value_name = "CONTRACT")]
    pub from: Option<String>,
    /// How to call the server.
    #[command(flatten)]
    pub common: SwapArgs,
}

/// `padan swap unload`
#[derive(Debug, clap::Args)]
pub struct SwapUnloadArgs {
    /// A loaded model that does not serve
    #[arg(value_name = "ID")]
    pub id: String,
    /// Also the model that a rollback would return to
    #[arg(long)]
    pub even_if_previous: bool,
    /// How to call the server.
    #[command(flatten)]
    pub common: SwapArgs,
}
