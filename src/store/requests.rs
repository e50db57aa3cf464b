//! Ids of requests: the same request asked again gets the same answer, and changes nothing.

use super::chain::Write;
use super::error::StoreError;
use super::sql::{Pool, Row, Statement, values};
use crate::audit::Text;

/// A caller's id of a request: two callers may use the same id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// Who called, by the name in its certificate.
    pub caller: String,
    /// The id that the caller gave.
    pub id: String,
}

impl RequestKey {
    /// The request that `caller` calls `id`.
    #[must_use]
    pub fn new(caller: &Text, id: &Text) -> Self {
        Self {
            caller: caller.as_str().to_owned(),
            id: id.as_str().to_owned(),
        }
    }
}

/// A request's id, to be taken in the transaction of what the request changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The request.
    pub request: RequestKey,
    /// Keyed digest of the request's body.
    pub body_digest: [u8; 32],
    /// What is told when the same request is asked again.
    pub reply: Vec<u8>,
    /// When, in microseconds since 1970, UTC.
    pub at_us: i64,
}

/// A request that was answered before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The reply to the same body.
    Reply(Vec<u8>),
    /// The id was used for another body.
    OtherBody,
}

impl Stored {
    /// The answer to [`asking`], for a body of this digest.
    pub(super) fn read(row: &Row, asked: &[u8; 32]) -> Result<Self, StoreError> {
        // A digest of a body the caller sent: nothing secret is compared.
        Ok(if row.bytes(0)? == asked {
            Self::Reply(row.bytes(1)?)
        } else {
            Self::OtherBody
        })
    }
}

/// Asks for what is stored under a request's id: no row when it is free.
pub(super) fn asking(request: &RequestKey) -> Statement {
    const SELECT: &str =
        "SELECT body_digest, reply FROM requests WHERE caller = $1 AND request_id = $2";
    Statement::new(SELECT, values![&request.caller, &request.id])
}

impl Claim {
    /// Takes the request's id, or returns what is stored under it. Of two replicas with the same id
    /// the second waits here for the first one's commit.
    pub(super) async fn take(&self, write: &mut Write) -> Result<Option<Stored>, StoreError> {
        const CLAIM: &str = "INSERT INTO requests
            (caller, request_id, body_digest, reply, created_us)
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT (caller, request_id) DO NOTHING";
        let RequestKey { caller, id } = &self.request;
        let values = values![caller, id, &self.body_digest, &self.reply, self.at_us];
        if write.execute(CLAIM, values).await? == 1 {
            return Ok(None);
        }
        let Statement { sql, values } = asking(&self.request);
        let row = write.row(sql, values).await?;
        // Deleted between the two statements, because it was old: the next try claims it.
        let row = row.ok_or(StoreError::Conflict)?;
        Stored::read(&row, &self.body_digest).map(Some)
    }

    /// Gives the id back: the request was not answered.
    pub(super) async fn give_back(&self, write: &mut Write) -> Result<(), StoreError> {
        const UNCLAIM: &str = "DELETE FROM requests WHERE caller = $1 AND request_id = $2";
        let RequestKey { caller, id } = &self.request;
        write.execute(UNCLAIM, values![caller, id]).await.map(drop)
    }

    /// Another reply than the one it was taken with.
    pub(super) async fn answer(
        &self,
        reply: &Vec<u8>,
        write: &mut Write,
    ) -> Result<(), StoreError> {
        const REPLY: &str = "UPDATE requests SET reply = $3
            WHERE caller = $1 AND request_id = $2";
        let RequestKey { caller, id } = &self.request;
        let values = values![caller, id, reply];
        write.execute(REPLY, values).await.map(drop)
    }
}

/// The reply to a request, when it was answered before.
pub(super) async fn stored(
    pool: &Pool,
    request: &RequestKey,
    body_digest: &[u8; 32],
) -> Result<Option<Stored>, StoreError> {
    let Statement { sql, values } = asking(request);
    let row = pool.row(sql, values).await?;
    row.map(|row| Stored::read(&row, body_digest)).transpose()
}
