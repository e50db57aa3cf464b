//! What the operator typed, and what comes of it: command line and `padan.toml`, validated whole.
//! The only reader of the environment.

mod access;
mod args;
mod file;
mod keys;
mod paths;
mod program;
mod provider;
mod retention;
mod store;
mod trail;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

pub use access::{AccessConfig, AccessTable, CertifiedClients, ClientTable, LimitsTable};
pub use args::{
    Args, AssessArgs, AuditCommand, AuditExportArgs, AuditVerifyArgs, CalibrateArgs, CertsCommand,
    CertsDevArgs, ClientTlsArgs, Command, CompareArgs, DEFAULT_TARGETS, DatasetArgs, DemoArgs,
    EvaluateArgs, ImportArgs, KeysCommand, KeysFolder, ListFormat, LoadArgs, LoadClass, LoadMode,
    ModelAddArgs, ModelsCommand, ResultArgs, ServeArgs, SharedArgs, SwapActivateArgs, SwapArgs,
    SwapCommand, SwapModelArgs, SwapShadowArgs, SwapUnloadArgs, TrailPartArgs, VerifyArgs,
};
pub use file::{ConfigFile, LogFormat};
pub use keys::{KeysConfig, KeysTable, secret_variable};
pub use program::{system, this_program};
pub use retention::{RetentionTable, ReviewTable};
pub use store::{EnrolmentTable, StoreTable, VerificationTable};
pub use trail::{TrailConfig, TrailTable};

use crate::activation::Limits;
use crate::decision::PolicySpec;
use crate::engine::EngineSettings;
use crate::keys::KeySource;
use crate::model::{Profile, Provider};
use crate::pipeline::PipelineSettings;
use crate::retention::Periods;
use crate::review::ReviewLimits;
use crate::sample::decode::ImageLimits;
use crate::sample::quality::QualityLimits;
use crate::serving::LOADED_MAX;
use crate::store::Settings;

/// A configuration that cannot be used: every mistake, not only the first.
#[derive(Debug, thiserror::Error)]
#[error("the configuration cannot be used:\n{}", .0.iter().map(|m| format!("  - {m}")).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<String>);

/// Everything padan was told, validated.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which licences are allowed.
    pub profile: Profile,
    /// The ONNX Runtime library.
    pub runtime_library: PathBuf,
    /// Folder of the manifest, the model files and the calibrations.
    pub models: PathBuf,
    /// Id of the detector.
    pub detector: String,
    /// Id of the embedder.
    pub embedder: String,
    /// Ids of embedders that a server loads beside it, for stored templates of their contracts.
    pub beside: Vec<String>,
    /// The calibration file.
    pub calibration: PathBuf,
    /// Where embeddings are computed.
    pub provider: Provider,
    /// Lanes and queue.
    pub engine: EngineSettings,
    /// Limits on samples.
    pub pipeline: PipelineSettings,
    /// Policies to decide by.
    pub policies: Vec<PolicySpec>,
    /// Where and how to serve.
    pub server: ServerConfig,
    /// Where references and evidence are kept; none: nowhere, and only pairs are verified.
    pub store: Option<StoreConfig>,
    /// Limits of a verification by NIK.
    pub limits: Limits,
    /// How long what is kept.
    pub retention: Periods,
    /// The queue of cases for a human.
    pub review: ReviewLimits,
    /// Whether portraits are kept, sealed, beside the templates made from them.
    pub keep_portraits: bool,
    /// How logs look.
    pub log_format: LogFormat,
    /// Which logs are written.
    pub log_filter: String,
}

/// Where references and evidence are kept.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The database.
    pub database: Settings,
    /// Where its keys come from.
    pub keys: Vec<KeySource>,
    /// How its audit trail is kept.
    pub trail: TrailConfig,
}

/// Where and how to serve.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// gRPC address.
    pub listen: SocketAddr,
    /// Metrics address; none: no metrics port.
    pub metrics_listen: Option<SocketAddr>,
    /// Certificate chain and key, PEM files; none: plain text.
    pub tls: Option<TlsFiles>,
    /// Longest time for a request whose caller named none, or a longer one.
    pub request_timeout: Duration,
    /// Longest time for requests in flight after a stop signal.
    pub drain_timeout: Duration,
    /// Requests in flight at once, over all connections.
    pub requests_max: usize,
    /// Who may call, and how often.
    pub access: AccessConfig,
}

/// PEM files for TLS.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// Certificate chain.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

impl Config {
    /// Names another embedder, with the calibration that lies under its name.
    pub fn choose_embedder(&mut self, id: &str) {
        id.clone_into(&mut self.embedder);
        self.calibration = self.models.join("calibration").join(format!("{id}.toml"));
    }

    /// Reads the configuration file if there is one, lays the command line over it, and validates.
    ///
    /// # Errors
    /// Every mistake that was found.
    pub fn load(shared: &SharedArgs) -> Result<Self, ConfigError> {
        let file = ConfigFile::read(shared.config.as_deref()).map_err(|m| ConfigError(vec![m]))?;
        Self::validate(shared, file)
    }

    /// The same for `padan serve`, whose addresses on the command line win: what is wrong with
    /// them is found here, too.
    ///
    /// # Errors
    /// Every mistake that was found.
    pub fn load_to_serve(shared: &SharedArgs, args: &ServeArgs) -> Result<Self, ConfigError> {
        let mut file =
            ConfigFile::read(shared.config.as_deref()).map_err(|m| ConfigError(vec![m]))?;
        file.server.listen = args.listen.unwrap_or(file.server.listen);
        file.server.metrics_listen = args.metrics_listen.or(file.server.metrics_listen);
        Self::validate(shared, file)
    }

    fn validate(shared: &SharedArgs, mut file: ConfigFile) -> Result<Self, ConfigError> {
        if let Some(embedder) = &shared.embedder {
            file.models.choose_embedder(embedder);
        }
        file.provider.name = shared.provider.unwrap_or(file.provider.name);
        let mut mistakes = Vec::new();
        let runtime_library = found(paths::runtime_library(shared, &file), &mut mistakes);
        let models = found(paths::models(shared, &file), &mut mistakes);
        let calibration = models
            .join("calibration")
            .join(format!("{}.toml", file.models.embedder));
        let config = Self {
            profile: file.profile,
            runtime_library,
            calibration: file.models.calibration.clone().unwrap_or(calibration),
            models,
            detector: file.models.detector.clone(),
            embedder: file.models.embedder.clone(),
            beside: beside(&file, &mut mistakes),
            provider: provider::provider(&file.provider, &mut mistakes),
            engine: engine(&file, &mut mistakes),
            pipeline: PipelineSettings {
                image: image_limits(&file, &mut mistakes),
                quality: QualityLimits::default(),
            },
            policies: file.policies(),
            server: server(&file, &mut mistakes),
            store: store(shared, &file, &mut mistakes),
            keep_portraits: file.enrolment.keep_portraits,
            limits: store::limits(&file.verification, &mut mistakes),
            retention: retention::periods(&file.retention, &file.verification, &mut mistakes),
            review: retention::review(
                &file.review,
                &file.retention,
                &file.verification,
                &mut mistakes,
            ),
            log_format: shared.log_format.unwrap_or(file.log.format),
            log_filter: shared
                .log
                .clone()
                .unwrap_or_else(|| file.log.filter.clone()),
        };
        mistakes.extend(access::exposed_records(
            &config.server,
            config.store.is_some(),
        ));
        if mistakes.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError(mistakes))
        }
    }
}

/// Keeps ONNX Runtime from sending usage data to its maker.
///
/// From 1.29 on, its official builds for Linux do so unless `ORT_DISABLE_TELEMETRY` is set before
/// the library is loaded: asking it through its interface comes too late (microsoft/onnxruntime,
/// pull request 27379). They also keep an identifier of the machine in the home folder. Call this
/// first in `main`.
#[expect(unsafe_code, reason = "the environment is the library's only switch")]
pub fn silence_runtime_telemetry() {
    // SAFETY: called first in `main`, while no other thread exists that could read the environment.
    unsafe { std::env::set_var("ORT_DISABLE_TELEMETRY", "1") };
}

fn found(path: Result<PathBuf, String>, mistakes: &mut Vec<String>) -> PathBuf {
    path.unwrap_or_else(|mistake| {
        mistakes.push(mistake);
        PathBuf::new()
    })
}

/// Each one once, and without the one that serves: it may be named on the command line.
fn beside(file: &ConfigFile, mistakes: &mut Vec<String>) -> Vec<String> {
    let mut beside: Vec<String> = Vec::new();
    for id in &file.models.beside {
        if *id != file.models.embedder && !beside.contains(id) {
            beside.push(id.clone());
        }
    }
    if beside.len() >= LOADED_MAX {
        let most = LOADED_MAX - 1;
        mistakes.push(format!("models.beside takes {most} embedders at most"));
    }
    beside
}

fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

fn engine(file: &ConfigFile, mistakes: &mut Vec<String>) -> EngineSettings {
    // A lane that waits for an accelerator leaves its core to another.
    let default = if file.provider.name.is_accelerator() {
        cores().saturating_add(cores().get())
    } else {
        cores()
    };
    let lanes = NonZeroUsize::new(file.engine.lanes).unwrap_or(default);
    if lanes.get() > 1024 {
        mistakes.push("engine.lanes must be at most 1024 (0: by the number of cores)".to_owned());
    }
    let queue_length_max = NonZeroUsize::new(file.engine.queue_length_max);
    if queue_length_max.is_none_or(|length| length.get() < 2) {
        mistakes
            .push("engine.queue_length_max must be at least 2: a pair is two samples".to_owned());
    }
    EngineSettings {
        lanes,
        queue_length_max: queue_length_max.unwrap_or(NonZeroUsize::MIN),
    }
}

fn image_limits(file: &ConfigFile, mistakes: &mut Vec<String>) -> ImageLimits {
    let limits = &file.limits;
    let sane = limits.image_bytes_max > 0
        && limits.image_bytes_max <= 64 * 1024 * 1024
        && limits.image_pixels_max > 0
        && limits.image_pixels_max <= 200_000_000
        && (1..=32_768).contains(&limits.image_side_px_max);
    if !sane {
        mistakes.push(
            "limits: image_bytes_max takes 1 to 67108864, image_pixels_max 1 to 200000000, \
             image_side_px_max 1 to 32768"
                .to_owned(),
        );
    }
    ImageLimits {
        image_bytes_max: limits.image_bytes_max,
        image_pixels_max: limits.image_pixels_max,
        image_side_px_max: limits.image_side_px_max,
    }
}

fn store(
    shared: &SharedArgs,
    file: &ConfigFile,
    mistakes: &mut Vec<String>,
) -> Option<StoreConfig> {
    let database = store::settings(file.store.as_ref(), mistakes)?;
    let keys = keys::sources(&file.keys, shared.config.as_deref(), mistakes);
    let trail = trail::trail(&file.trail, shared.config.as_deref(), mistakes);
    Some(StoreConfig {
        database,
        keys,
        trail,
    })
}

fn server(file: &ConfigFile, mistakes: &mut Vec<String>) -> ServerConfig {
    let server = &file.server;
    let tls = match (&server.tls_certificate, &server.tls_key) {
        (Some(certificate), Some(key)) => Some(TlsFiles {
            certificate: certificate.clone(),
            key: key.clone(),
        }),
        (None, None) => None,
        _ => {
            mistakes.push("server.tls_certificate and server.tls_key go together".to_owned());
            None
        }
    };
    if server.request_timeout_ms == 0 || !(1..=100_000).contains(&server.requests_max) {
        let mistake = "server.request_timeout_ms takes 1 or more, server.requests_max 1 to 100000";
        mistakes.push(mistake.to_owned());
    }
    let access = access::access(&file.access, tls.is_some(), mistakes);
    ServerConfig {
        access,
        listen: server.listen,
        metrics_listen: server.metrics_listen,
        tls,
        request_timeout: Duration::from_millis(server.request_timeout_ms),
        drain_timeout: Duration::from_millis(server.drain_timeout_ms),
        requests_max: server.requests_max,
    }
}

#[cfg(test)]
mod tests;
