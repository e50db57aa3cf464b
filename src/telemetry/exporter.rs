//! `/metrics` over HTTP, on a port of its own.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;

/// Serves `/metrics` until `shutdown` is done. `scrape` makes the text.
///
/// # Errors
/// When the listener fails.
pub async fn serve_metrics(
    listener: TcpListener,
    scrape: Arc<dyn Fn() -> String + Send + Sync>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let metrics = get(move || {
        let text = scrape();
        async move { ([(CONTENT_TYPE, FORMAT)], text) }
    });
    let router = Router::new().route("/metrics", metrics);
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown)
        .await
}
