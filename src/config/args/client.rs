//! What every client of a server takes.

use std::path::PathBuf;

/// How a client of a server with TLS proves who it is.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ClientTlsArgs {
    /// PEM certificate of the authority that signed the server's [default: the machine's]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// PEM certificate of this client
    #[arg(long, value_name = "FILE", requires = "key")]
    pub certificate: Option<PathBuf>,
    /// PEM private key of this client
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,
}

impl ClientTlsArgs {
    /// The options that were given.
    #[must_use]
    pub fn given(&self) -> Vec<&'static str> {
        let options = [
            ("--ca", &self.ca),
            ("--certificate", &self.certificate),
            ("--key", &self.key),
        ];
        let given = options.into_iter().filter(|(_, value)| value.is_some());
        given.map(|(name, _)| name).collect()
    }
}
