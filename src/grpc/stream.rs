//! The tasks that answer by streams: what a fault of ours cuts off must not pass for the whole.

use tokio::task::JoinHandle;
use tonic::Status;

use super::status;

/// What a task came to: `INTERNAL` when it panicked.
pub(super) async fn outcome<T>(task: &mut JoinHandle<T>) -> Result<T, Status> {
    let ended = task.await;
    // What a panic says may quote what was worked on: the log has its place from the panic itself.
    ended.map_err(|_| status::internal("a task that answers did not come to its end"))
}
