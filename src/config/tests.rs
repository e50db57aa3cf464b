use super::*;
use crate::model::ProviderKind;

fn load(text: &str) -> Result<Config, ConfigError> {
    load_with(text, |_| ())
}

fn load_with(text: &str, change: impl FnOnce(&mut SharedArgs)) -> Result<Config, ConfigError> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static FILES: AtomicU32 = AtomicU32::new(0);
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("padan-config-{}-{number}", std::process::id()));
    std::fs::write(&path, text).expect("writes");
    let mut shared = SharedArgs {
        config: Some(path.clone()),
        runtime_library: Some("library".into()),
        models: Some("models".into()),
        ..SharedArgs::default()
    };
    change(&mut shared);
    let result = Config::load(&shared);
    std::fs::remove_file(&path).expect("cleans up");
    result
}

#[test]
fn an_empty_file_gives_the_defaults() {
    let config = load("").expect("valid");
    assert_eq!(config.profile, Profile::Production);
    assert!(config.server.listen.ip().is_loopback());
    assert_eq!(config.policies[0].id, "activation");
    assert_eq!(
        config.calibration,
        PathBuf::from("models/calibration/sface_2021dec_int8.toml")
    );
    assert!(config.engine.lanes.get() >= 1);
}

#[test]
fn embedders_beside_stand_once_and_without_the_one_that_serves() {
    let beside = |ids: &str| {
        let text = format!("[models]\nembedder = 'a'\nbeside = [{ids}]");
        load(&text).map(|config| config.beside)
    };
    assert!(beside("").expect("none is enough").is_empty());
    assert_eq!(beside("'b', 'a', 'b', 'c'").expect("two"), ["b", "c"]);
    let ConfigError(mistakes) = beside("'b', 'c', 'd'").expect_err("three");
    assert!(mistakes[0].contains("models.beside"), "{mistakes:?}");
}

#[test]
fn every_mistake_is_told_at_once() {
    let text = "
        [engine]
        queue_length_max = 1
        [limits]
        image_bytes_max = 0
        [server]
        tls_key = 'key.pem'
        request_timeout_ms = 0
    ";
    let ConfigError(mistakes) = load(text).expect_err("four mistakes");
    assert_eq!(mistakes.len(), 4, "{mistakes:?}");
}

#[test]
fn the_command_line_chooses_the_embedder_with_its_calibration() {
    let text = "[models]\nembedder = \"other\"\ncalibration = \"other.toml\"";
    for (id, calibration) in [
        ("other", "other.toml"),
        ("third", "models/calibration/third.toml"),
    ] {
        let config = load_with(text, |shared| shared.embedder = Some(id.to_owned()));
        let config = config.expect("valid");
        assert_eq!(config.embedder, id);
        assert!(
            config.calibration.ends_with(calibration),
            "{}",
            config.calibration.display()
        );
    }
}

#[test]
fn the_provider_is_validated_and_the_command_line_wins() {
    let config = load("").expect("valid");
    assert_eq!(config.provider.kind, ProviderKind::Cpu);
    let cores = config.engine.lanes.get();
    let text = "
        [provider]
        name = 'openvino'
        device = 'GPU.0'
        batch_sizes = [2, 32]
    ";
    let config = load(text).expect("valid");
    assert_eq!(config.provider.device_name(), "GPU.0");
    assert_eq!(config.provider.buckets.largest(), 32);
    // Lanes wait while the accelerator computes.
    assert_eq!(config.engine.lanes.get(), 2 * cores);
    let cpu = ProviderKind::Cpu;
    let config = load_with(text, |shared| shared.provider = Some(cpu)).expect("valid");
    assert_eq!((config.provider.kind, config.provider.device), (cpu, None));
    assert_eq!(config.engine.lanes.get(), cores);
}

#[test]
fn senseless_providers_are_mistakes() {
    for (text, said) in [
        ("name = 'gpu'", "openvino"),
        ("batch_sizes = []", "provider.batch_sizes"),
        ("batch_sizes = [4, 1]", "ascending"),
        ("threads = 5000", "provider.threads"),
        ("name = 'cuda'\ndevice = 'GPU'", "number of a card"),
        ("name = 'tensorrt'\ndevice = '-1'", "number of a card"),
        (
            "name = 'openvino'\ndevice = 'CPU; rm'",
            "device of OpenVINO",
        ),
        ("name = 'openvino'\ndevice = ''", "device of OpenVINO"),
    ] {
        let error = load(&format!("[provider]\n{text}")).expect_err(text);
        assert!(error.to_string().contains(said), "{text}: {error}");
    }
}

#[test]
fn unknown_keys_and_wrong_types_are_mistakes() {
    for text in [
        "lane = 2",
        "[engine]\nlanes = \"two\"",
        "[server]\nlisten = \"here\"",
        "profile = \"lax\"",
    ] {
        assert!(load(text).is_err(), "{text}");
    }
}

#[test]
fn the_command_line_is_well_formed() {
    use clap::CommandFactory;
    Args::command().debug_assert();
}

#[test]
fn the_documented_defaults_are_the_defaults() {
    let page = include_str!("../../docs/operating.md");
    let block = page
        .split("```toml")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let documented: ConfigFile = toml::from_str(block.expect("a block")).expect("parses");
    let defaults = ConfigFile::default();
    assert_eq!(documented.policies(), defaults.policies());
    let policy = Vec::new();
    assert_eq!(
        ConfigFile {
            policy,
            ..documented
        },
        defaults
    );
}

const STORE: &str = "[store]\nfile = 'padan.db'\n";

fn serve_args(listen: Option<&str>) -> ServeArgs {
    ServeArgs {
        listen: listen.map(|address| address.parse().expect("an address")),
        metrics_listen: None,
    }
}

#[test]
fn records_are_not_open_to_a_network() {
    let open = "[server]\nlisten = '0.0.0.0:1'\n";
    let certified = "
        [server]
        listen = '0.0.0.0:1'
        tls_certificate = 'server.pem'
        tls_key = 'server.key'
        [access]
        client_ca = 'ca.pem'
        [[access.client]]
        certificate = 'backend'
        roles = ['backend']
    ";
    for text in [
        open.to_owned(),
        STORE.to_owned(),
        format!("{STORE}{certified}"),
        format!("{STORE}[server]\nlisten = '[::1]:1'"),
    ] {
        load(&text).expect("nobody else reaches the records");
    }
    let error = load(&format!("{STORE}{open}")).expect_err("open to all");
    let error = error.to_string();
    for part in ["0.0.0.0:1", "access.client_ca", "127.0.0.1"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn an_address_on_the_command_line_is_checked_like_one_in_the_file() {
    let load = |text: &str, listen| {
        let mut config = None;
        // The file is gone when this returns.
        drop(load_with(text, |shared| {
            config = Some(Config::load_to_serve(shared, &serve_args(listen)));
        }));
        config.expect("was loaded")
    };
    let config = load(STORE, None).expect("on this machine");
    assert!(config.server.listen.ip().is_loopback());
    assert!(config.is_development_with_records());
    let error = load(STORE, Some("192.0.2.1:50051")).expect_err("beyond this machine");
    assert!(error.to_string().contains("192.0.2.1:50051"), "{error}");
    let open = format!("{STORE}[server]\nlisten = '0.0.0.0:1'");
    let config = load(&open, Some("127.0.0.1:2")).expect("the command line wins");
    assert_eq!(config.server.listen.port(), 2);
    let config = load("", Some("0.0.0.0:3")).expect("there are no records");
    assert!(!config.is_development_with_records());
}

#[test]
fn paths_in_the_file_are_relative_to_it_and_absolute_ones_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("padan.toml");
    let text = "runtime_library = 'r.so'\n[models]\nfolder = 'm'\ncalibration = '/c.toml'\n\
        [server]\ntls_certificate = 'c.pem'\ntls_key = '../k.pem'\n[access]\nclient_ca = 'ca.pem'\n\
        [store]\nfile = 'padan.db'\n[keys]\nfolder = 'k'\n[trail]\njournal = 'j'\n";
    std::fs::write(&path, text).expect("writable");
    let file = ConfigFile::read(Some(&path)).expect("valid");
    let beside = |name: &str| Some(folder.path().join(name));
    assert_eq!(file.runtime_library, beside("r.so"));
    assert_eq!(file.models.folder, beside("m"));
    assert_eq!(file.models.calibration, Some("/c.toml".into()));
    assert_eq!(file.server.tls_certificate, beside("c.pem"));
    assert_eq!(file.server.tls_key, beside("../k.pem"));
    assert_eq!(file.access.client_ca, beside("ca.pem"));
    assert_eq!(file.store.expect("is there").file, beside("padan.db"));
    assert_eq!(file.keys.folder, beside("k"));
    assert_eq!(file.trail.journal, beside("j"));
}
