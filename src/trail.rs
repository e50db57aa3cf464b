//! The audit trail of a running service: checkpoints, the journal beside the database, and checks
//! of what the database holds.

mod journal;

pub use journal::{
    CHECKPOINTS_FILE, ERASURES_FILE, Journal, JournalError, JournalLine, JournalLines,
    LINE_BYTES_MAX,
};
