//! `padan serve`: config → telemetry → bind → models → serve → drain → exit code.

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, Outcome};
use crate::app::App;
use crate::config::Config;
use crate::grpc::{self, Drained};
use crate::telemetry;

pub fn run(config: &Config) -> Outcome {
    telemetry::start_logging(config.log_format, &config.log_filter);
    forbid_dumps();
    super::runtime()?.block_on(serve(config))
}

/// A dump of this process would hold keys and, for the time of a request, faces.
fn forbid_dumps() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit};
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let limited = rustix::process::setrlimit(Resource::Core, none);
    // Also keeps other processes of the same account from looking into this one.
    let hidden = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    if let Err(error) = limited.and(hidden) {
        tracing::warn!(%error, "the system may write this process's memory to a core dump");
    }
}

/// By default, the first write beyond a limit on the size of files (`ulimit -f`) ends the process.
/// With a handler, whatever it does, that write fails, and whoever made it says so.
fn outlive_file_size_limit() -> Result<(), Failure> {
    let beyond_limit = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
    // The handler stays when nobody listens to it.
    drop(signal(beyond_limit)?);
    Ok(())
}

async fn serve(config: &Config) -> Outcome {
    outlive_file_size_limit()?;
    let listener = bind(config.server.listen).await?;
    let metrics_listener = match config.server.metrics_listen {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    warn_if_exposed(config);
    let mut app = tokio::task::block_in_place(|| App::start(config))?;
    app.open_records(config).await?;
    // Before anybody learns that it is ready: a signal from then on must drain.
    let shutdown = stop_signal()?;
    let address = listener.local_addr()?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        %address,
        tls = config.server.tls.is_some(),
        lanes = config.engine.lanes,
        runtime = app.info.runtime_version,
        "padan is ready"
    );
    // For whoever started it with port 0.
    super::print(&format_args!("padan listens on {address}"));
    if let Some(listener) = metrics_listener {
        let address = listener.local_addr()?;
        super::print(&format_args!("metrics on http://{address}/metrics"));
        let (scrape, forever) = (app.scrape(), std::future::pending());
        tokio::spawn(telemetry::serve_metrics(listener, scrape, forever));
    }
    let drained = grpc::serve(listener, &config.server, app.served(), shutdown).await;
    app.close_records().await;
    let drained = drained.map_err(|error| Failure::Technical(error.to_string()))?;
    match drained {
        Drained::Clean => tracing::info!("stopped; every request in flight was answered"),
        Drained::CutOff => tracing::warn!("stopped at the drain time-out; requests were cut off"),
    }
    // Returning would wait for every lane, and one in a driver that never returns would be waited
    // for without end. Nothing is left to answer or to write.
    std::process::exit(match drained {
        Drained::Clean => 0,
        Drained::CutOff => 3,
    })
}

async fn bind(address: std::net::SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::Technical(format!(
            "cannot listen on {address}: {error}; choose another address with --listen or \
             --metrics-listen"
        ))
    })
}

/// Faces over plain text: fine on this machine, never on a network.
fn warn_if_exposed(config: &Config) {
    if config.server.tls.is_none() && !config.server.listen.ip().is_loopback() {
        tracing::warn!(
            address = %config.server.listen,
            "serving photographs of faces WITHOUT TLS beyond this machine: \
             set server.tls_certificate and server.tls_key"
        );
    }
    if config.is_development_with_records() {
        tracing::warn!(
            address = %config.server.listen,
            "DEVELOPMENT PROFILE: whoever reaches this address may do everything with the \
             records, and the trail names nobody: set access.client_ca"
        );
    }
}

/// Done at the first SIGTERM or Ctrl-C.
fn stop_signal() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: no new requests, answering those in flight");
    })
}
