//! This program: where it lies, what it runs on, and how it is started again set up the same way.

use std::ffi::OsString;
use std::path::PathBuf;

use super::{LogFormat, SharedArgs};
use crate::model::ProviderKind;

/// The file that this process runs.
///
/// # Errors
/// When the system does not say, for example after the file was removed.
pub fn this_program() -> std::io::Result<PathBuf> {
    std::env::current_exe()
}

/// The system and the processor that this program was built for.
#[must_use]
pub fn system() -> String {
    format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)
}

impl SharedArgs {
    /// Arguments that set up another process of this program as this one, but with `embedder`.
    #[must_use]
    pub fn to_arguments(&self, embedder: &str) -> Vec<OsString> {
        let paths = [
            ("--config", &self.config),
            ("--runtime-library", &self.runtime_library),
            ("--models", &self.models),
        ];
        let format = self.log_format.map(|format| match format {
            LogFormat::Pretty => "pretty",
            LogFormat::Json => "json",
        });
        let texts = [
            ("--embedder", Some(embedder)),
            ("--provider", self.provider.map(ProviderKind::name)),
            ("--log", self.log.as_deref()),
            ("--log-format", format),
        ];
        let paths = paths
            .into_iter()
            .filter_map(|(name, path)| path.as_ref().map(|path| (name, path.into())));
        let texts = texts
            .into_iter()
            .filter_map(|(name, text)| text.map(|text| (name, text.into())));
        let named = paths.chain(texts);
        // In one word with its name: a value that begins with a dash is a value, too.
        let joined = named.map(|(name, value): (&str, OsString)| {
            let mut argument = OsString::from(name);
            argument.push("=");
            argument.push(value);
            argument
        });
        joined.collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::config::{Args, Command, ModelsCommand};

    #[test]
    fn another_process_is_set_up_as_this_one() {
        let shared = SharedArgs {
            config: Some("-odd name,.toml".into()),
            runtime_library: Some("library.so".into()),
            models: Some("folder".into()),
            embedder: Some("this one".to_owned()),
            provider: Some(crate::model::ProviderKind::TensorRt),
            log: Some("padan=debug".to_owned()),
            log_format: Some(LogFormat::Json),
        };
        let mut arguments = vec![OsString::from("padan")];
        arguments.extend(shared.to_arguments("other"));
        arguments.extend(["models", "cost", "--", "-sample.jpg"].map(OsString::from));
        let Args {
            command,
            shared: understood,
        } = Args::parse_from(arguments);
        let expected = SharedArgs {
            embedder: Some("other".to_owned()),
            ..shared
        };
        assert_eq!(format!("{understood:?}"), format!("{expected:?}"));
        let Command::Models(ModelsCommand::Cost { samples }) = command else {
            panic!("{command:?}");
        };
        assert_eq!(samples, [PathBuf::from("-sample.jpg")]);
    }
}
