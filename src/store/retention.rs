//! What is kept only for a time.

use async_trait::async_trait;

use super::chain::Write;
use super::error::StoreError;
use super::group::{Change, Group};
use super::sql::values;
use crate::subject::SubjectHash;

/// Rows of one transaction at most: a decision never waits long behind a clean-up.
const ROWS_MAX: u64 = 500;

/// What is older than these times goes. All in microseconds since 1970, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Request ids with their replies, by the time of the request.
    pub requests_before_us: i64,
    /// Uses of tokens, by the tokens' expiry.
    pub tokens_before_us: i64,
    /// Cases for review, open or decided, by the time they came.
    pub reviews_before_us: i64,
    /// Counters of sessions, by their last attempt.
    pub sessions_before_us: i64,
    /// Counters of subjects, by the day: days since 1970.
    pub days_before: i64,
}

/// Rows deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Request ids.
    pub requests: u64,
    /// Uses of tokens.
    pub tokens: u64,
    /// Cases for review.
    pub reviews: u64,
    /// Counters of sessions and of subjects.
    pub attempts: u64,
}

/// One step of a clean-up.
struct Step {
    sql: &'static str,
    before: i64,
}

#[async_trait]
impl Change for Step {
    type Outcome = u64;

    fn subject(&self) -> Option<SubjectHash> {
        None
    }

    async fn apply(&self, write: &mut Write) -> Result<u64, StoreError> {
        write
            .execute(self.sql, values![self.before, ROWS_MAX])
            .await
    }
}

/// A statement that deletes some of the old rows of a table.
macro_rules! delete {
    ($table:literal, $key:literal, $time:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE ",
            $key,
            " IN (SELECT ",
            $key,
            " FROM ",
            $table,
            " WHERE ",
            $time,
            " < $1 LIMIT $2)"
        )
    };
    ($table:literal, $key:literal, $other:literal, $time:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE (",
            $key,
            ", ",
            $other,
            ") IN (SELECT ",
            $key,
            ", ",
            $other,
            " FROM ",
            $table,
            " WHERE ",
            $time,
            " < $1 LIMIT $2)"
        )
    };
}

/// Deletes all that is too old, in many small transactions.
pub(super) async fn expire(group: &Group, retention: Retention) -> Result<Expired, StoreError> {
    let requests = delete!("requests", "caller", "request_id", "created_us");
    let tokens = delete!("token_uses", "nonce", "expiry_us");
    let reviews = delete!("reviews", "id", "created_us");
    let sessions = delete!("session_attempts", "session", "updated_us");
    let days = delete!("subject_attempts", "subject", "day", "day");
    Ok(Expired {
        requests: clear(group, requests, retention.requests_before_us).await?,
        tokens: clear(group, tokens, retention.tokens_before_us).await?,
        reviews: clear(group, reviews, retention.reviews_before_us).await?,
        attempts: clear(group, sessions, retention.sessions_before_us).await?
            + clear(group, days, retention.days_before).await?,
    })
}

async fn clear(group: &Group, sql: &'static str, before: i64) -> Result<u64, StoreError> {
    let mut deleted = 0;
    loop {
        let step = group.submit(Step { sql, before }).await?;
        deleted += step;
        if step < ROWS_MAX {
            return Ok(deleted);
        }
    }
}
