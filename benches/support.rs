//! What the benches share.

pub mod bare;
pub mod drive;
pub mod models;
pub mod pictures;
pub mod report;
pub mod server;
pub mod stage;
pub mod statistics;

#[path = "../tests/integration/support/process.rs"]
#[expect(dead_code, reason = "the integration tests use the rest")]
pub mod process;

/// What a started server is configured with.
fn config() -> padan::config::Config {
    models::Models::load().config
}
