//! What the benches share.

pub mod bare;
pub mod drive;
pub mod models;
pub mod pictures;
pub mod process;
pub mod report;
pub mod server;
pub mod stage;
pub mod statistics;
