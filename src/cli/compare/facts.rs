//! What the manifest and the files say of a model, and where it is measured.

use crate::app::AppError;
use crate::cli::Failure;
use crate::config::{Config, system};
use crate::embed::Template;
use crate::evaluation::comparison::ModelFacts;
use crate::model::{Manifest, ManifestError, ModelEntry};

/// The configuration with another embedder.
pub fn of_model(config: &Config, id: &str) -> Config {
    Config {
        embedder: id.to_owned(),
        ..config.clone()
    }
}

/// The facts about the embedder that the configuration names.
pub fn read(config: &Config) -> Result<ModelFacts, Failure> {
    let manifest = Manifest::read(&config.models).map_err(AppError::from)?;
    let embedder = manifest.embedder(&config.embedder, config.profile);
    // Which models are measured was typed, and so was the profile.
    let embedder = embedder.map_err(|error| Failure::Usage(error.to_string()))?;
    let mut file_bytes = 0;
    for entry in embedder.models() {
        let path = manifest.folder().join(&entry.file);
        let file = std::fs::metadata(&path);
        let file =
            file.map_err(|cause| AppError::from(ManifestError::Unreadable { path, cause }))?;
        file_bytes += file.len();
    }
    let joined = |of: fn(&ModelEntry) -> &str| {
        let texts: Vec<&str> = embedder.models().into_iter().map(of).collect();
        texts.join(" + ")
    };
    let dimension = embedder.dimension();
    Ok(ModelFacts {
        model: embedder.id().to_owned(),
        contract_id: embedder.contract_id().to_string(),
        licence: embedder.licence(),
        commercial_use: embedder.models().iter().all(|entry| entry.commercial_use),
        file_bytes,
        dimension,
        template_bytes: Template::bytes_of_dimension(dimension),
        source: joined(|entry| &entry.source),
        sha256: joined(|entry| &entry.sha256),
    })
}

/// Where it is measured.
pub fn environment(config: &Config) -> Vec<(String, String)> {
    let provider = &config.provider;
    let named = [
        ("padan", env!("CARGO_PKG_VERSION").to_owned()),
        ("system", system()),
        ("lanes", config.engine.lanes.to_string()),
        ("detector", config.detector.clone()),
        (
            "provider",
            format!("{}, device {}", provider.kind, provider.device_name()),
        ),
    ];
    named.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// The processor, in its maker's words.
pub fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut lines = text.lines();
    let named = lines.find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    named.map_or_else(system, |(_, name)| name.trim().to_owned())
}
