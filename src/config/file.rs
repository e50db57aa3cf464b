//! `padan.toml` as typed. Every key has a default; an unknown key is a mistake.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Deserialize;

use super::{
    AccessTable, EnrolmentTable, KeysTable, RetentionTable, ReviewTable, StoreTable, TrailTable,
    VerificationTable,
};
use crate::decision::PolicySpec;
use crate::model::{Profile, ProviderKind};
use crate::sample::decode::ImageLimits;
use crate::telemetry::DEFAULT_FILTER;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// The file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConfigFile {
    /// Which licences are allowed.
    pub profile: Profile,
    /// The ONNX Runtime library.
    pub runtime_library: Option<PathBuf>,
    /// Models.
    pub models: Models,
    /// Where embeddings are computed.
    pub provider: ProviderTable,
    /// Lanes and queue.
    pub engine: Engine,
    /// Limits on samples.
    pub limits: Limits,
    /// Addresses and times.
    pub server: Server,
    /// Who may call, and how often.
    pub access: AccessTable,
    /// Where the keys come from.
    pub keys: KeysTable,
    /// Where references and evidence are kept.
    pub store: Option<StoreTable>,
    /// Limits of a verification by NIK.
    pub verification: VerificationTable,
    /// How long what is kept.
    pub retention: RetentionTable,
    /// The queue of cases for a human.
    pub review: ReviewTable,
    /// What is kept of an enrolment.
    pub enrolment: EnrolmentTable,
    /// The audit trail.
    pub trail: TrailTable,
    /// Logs.
    pub log: Log,
    /// Policies.
    pub policy: Vec<PolicyEntry>,
}

/// `[models]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Models {
    /// Folder of the manifest.
    pub folder: Option<PathBuf>,
    /// Id of the detector.
    pub detector: String,
    /// Id of the embedder.
    pub embedder: String,
    /// Ids of embedders that are loaded beside it, for stored templates of their contracts.
    pub beside: Vec<String>,
    /// Calibration file; default: `calibration/EMBEDDER.toml` in the folder.
    pub calibration: Option<PathBuf>,
}

/// `[provider]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderTable {
    /// Execution provider of ONNX Runtime.
    pub name: ProviderKind,
    /// The provider's device.
    pub device: Option<String>,
    /// Threads `openvino` computes with on a CPU device; 0: one for each core.
    pub threads: usize,
    /// Batch sizes of an accelerator.
    pub batch_sizes: Vec<usize>,
}

/// `[engine]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Engine {
    /// Threads that work on samples; 0: one for each core, two with an accelerator.
    pub lanes: usize,
    /// Samples that may wait.
    pub queue_length_max: usize,
}

/// `[limits]`
#[expect(clippy::struct_field_names, reason = "these are the names of the keys")]
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most bytes of one encoded sample.
    pub image_bytes_max: usize,
    /// Most pixels of one sample.
    pub image_pixels_max: u64,
    /// Longest side of one sample, pixels.
    pub image_side_px_max: u32,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// gRPC address.
    pub listen: SocketAddr,
    /// Metrics address.
    pub metrics_listen: Option<SocketAddr>,
    /// PEM certificate chain.
    pub tls_certificate: Option<PathBuf>,
    /// PEM private key.
    pub tls_key: Option<PathBuf>,
    /// Longest time for a request, milliseconds.
    pub request_timeout_ms: u64,
    /// Longest time for requests in flight after a stop signal, milliseconds.
    pub drain_timeout_ms: u64,
    /// Requests in flight at once.
    pub requests_max: usize,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// What is written, for example `info` or `padan=debug,warn`.
    pub filter: String,
}

/// `[[policy]]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyEntry {
    /// Its name.
    pub id: String,
    /// Target false match rate of a match.
    pub fmr: f64,
    /// Target false match rate from which a human looks; left out: from the calibration's
    /// threshold for reviews.
    pub review_fmr: Option<f64>,
}

impl Default for ConfigFile {
    fn default() -> Self {
        Self {
            profile: Profile::Production,
            runtime_library: None,
            models: Models::default(),
            provider: ProviderTable::default(),
            engine: Engine::default(),
            limits: Limits::default(),
            server: Server::default(),
            access: AccessTable::default(),
            keys: KeysTable::default(),
            store: None,
            verification: VerificationTable::default(),
            retention: RetentionTable::default(),
            review: ReviewTable::default(),
            enrolment: EnrolmentTable::default(),
            trail: TrailTable::default(),
            log: Log::default(),
            policy: Vec::new(),
        }
    }
}

impl Models {
    /// Another embedder has another calibration, too.
    pub fn choose_embedder(&mut self, id: &str) {
        if self.embedder != id {
            self.calibration = None;
        }
        id.clone_into(&mut self.embedder);
    }
}

impl Default for Models {
    fn default() -> Self {
        Self {
            folder: None,
            detector: "yunet_2023mar".to_owned(),
            embedder: "sface_2021dec_int8".to_owned(),
            beside: Vec::new(),
            calibration: None,
        }
    }
}

impl Default for ProviderTable {
    fn default() -> Self {
        Self {
            name: ProviderKind::Cpu,
            device: None,
            threads: 0,
            batch_sizes: vec![1, 4, 8, 16],
        }
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            lanes: 0,
            queue_length_max: 64,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let ImageLimits {
            image_bytes_max,
            image_pixels_max,
            image_side_px_max,
        } = ImageLimits::default();
        Self {
            image_bytes_max,
            image_pixels_max,
            image_side_px_max,
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            listen: loopback(50051),
            metrics_listen: Some(loopback(9464)),
            tls_certificate: None,
            tls_key: None,
            request_timeout_ms: 30_000,
            drain_timeout_ms: 10_000,
            requests_max: 256,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Pretty,
            filter: DEFAULT_FILTER.to_owned(),
        }
    }
}

impl ConfigFile {
    /// Reads a file; the defaults when there is none.
    ///
    /// # Errors
    /// When it cannot be read or is malformed.
    pub fn read(path: Option<&Path>) -> Result<Self, String> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let mut file: Self =
            toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        if let Some(folder) = path.parent() {
            file.resolve(folder);
        }
        Ok(file)
    }

    /// Paths in the file are relative to its folder: it means the same wherever padan is started.
    fn resolve(&mut self, folder: &Path) {
        let paths = [
            &mut self.runtime_library,
            &mut self.models.folder,
            &mut self.models.calibration,
            &mut self.server.tls_certificate,
            &mut self.server.tls_key,
            &mut self.access.client_ca,
            &mut self.keys.folder,
            &mut self.trail.journal,
        ];
        let database = self.store.as_mut().map(|store| &mut store.file);
        for path in paths.into_iter().chain(database).flatten() {
            // An absolute one stays as it is.
            *path = folder.join(&*path);
        }
    }

    /// The policies; `activation` at an FMR of 1 in 10,000 when the file has none.
    #[must_use]
    pub fn policies(&self) -> Vec<PolicySpec> {
        if self.policy.is_empty() {
            return vec![PolicySpec {
                id: crate::decision::DEFAULT_POLICY.to_owned(),
                fmr: 1e-4,
                review_fmr: Some(1e-3),
            }];
        }
        let entries = self.policy.iter().cloned();
        entries
            .map(
                |PolicyEntry {
                     id,
                     fmr,
                     review_fmr,
                 }| PolicySpec {
                    id,
                    fmr,
                    review_fmr,
                },
            )
            .collect()
    }
}
