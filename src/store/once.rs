//! Changes that are made once for a request: asked again, what came of it is told again.

use async_trait::async_trait;

use super::chain::Write;
use super::error::StoreError;
use super::group::Change;
use super::requests::RequestKey;
use super::sql::values;
use crate::subject::SubjectHash;

/// A change that is made once for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once<C> {
    /// The request.
    pub request: RequestKey,
    /// Keyed digest of the request's body.
    pub body_digest: [u8; 32],
    /// When, in microseconds since 1970, UTC.
    pub at_us: i64,
    /// What is told again; the numbers that the change found are kept behind it.
    pub reply: Vec<u8>,
    /// The change.
    pub change: C,
}

/// What became of a change that is made once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnceOutcome<T> {
    /// It was made now, or refused now; the request id of a refused one stays free.
    Now(T),
    /// It was made before.
    Before {
        /// What was kept to be told again.
        reply: Vec<u8>,
        /// The numbers that the change found.
        counts: Vec<u64>,
    },
    /// The id was used for another body. Nothing was written.
    OtherBody,
}

/// A change of which the numbers it found are kept.
pub(super) trait Counted: Change {
    /// The numbers; none when it was refused, so that nothing was written.
    fn counts(outcome: &Self::Outcome) -> Option<Vec<u64>>;
}

#[async_trait]
impl<C: Counted> Change for Once<C> {
    type Outcome = OnceOutcome<C::Outcome>;

    fn subject(&self) -> Option<SubjectHash> {
        self.change.subject()
    }

    async fn apply(&self, write: &mut Write) -> Result<Self::Outcome, StoreError> {
        const CLAIM: &str = "INSERT INTO requests
            (caller, request_id, body_digest, reply, created_us)
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT (caller, request_id) DO NOTHING";
        const KEEP: &str = "UPDATE requests SET reply = $3 WHERE caller = $1 AND request_id = $2";
        const UNCLAIM: &str = "DELETE FROM requests WHERE caller = $1 AND request_id = $2";
        let RequestKey { caller, id } = &self.request;
        let values = values![caller, id, &self.body_digest, &self.reply, self.at_us];
        if write.execute(CLAIM, values).await? == 0 {
            return before(self, write).await;
        }
        let outcome = self.change.apply(write).await?;
        if let Some(counts) = C::counts(&outcome) {
            let kept = kept(&self.reply, &counts);
            write.execute(KEEP, values![caller, id, &kept]).await?;
        } else {
            write.execute(UNCLAIM, values![caller, id]).await?;
        }
        Ok(OnceOutcome::Now(outcome))
    }
}

/// What is kept under a request's id.
async fn before<C: Counted>(
    once: &Once<C>,
    write: &mut Write,
) -> Result<OnceOutcome<C::Outcome>, StoreError> {
    const SELECT: &str =
        "SELECT body_digest, reply FROM requests WHERE caller = $1 AND request_id = $2";
    let RequestKey { caller, id } = &once.request;
    let row = write.row(SELECT, values![caller, id]).await?;
    // Deleted between the two statements, because it was old: the next try claims it.
    let row = row.ok_or(StoreError::Conflict)?;
    // Keyed digests of bodies that the caller sent: nothing secret is compared.
    if row.hash(0)? != once.body_digest {
        return Ok(OnceOutcome::OtherBody);
    }
    let (reply, counts) = parts(&row.bytes(1)?).ok_or_else(|| StoreError::column("reply"))?;
    Ok(OnceOutcome::Before { reply, counts })
}

/// The reply, the numbers, and how many they are in one byte.
fn kept(reply: &[u8], counts: &[u64]) -> Vec<u8> {
    let mut kept = reply.to_vec();
    // A change finds a handful of numbers.
    for count in counts.iter().take(usize::from(u8::MAX)) {
        kept.extend(count.to_be_bytes());
    }
    kept.push(u8::try_from(counts.len()).unwrap_or(u8::MAX));
    kept
}

fn parts(kept: &[u8]) -> Option<(Vec<u8>, Vec<u64>)> {
    let (length, rest) = kept.split_last()?;
    let at = rest.len().checked_sub(8 * usize::from(*length))?;
    let (reply, counts) = rest.split_at_checked(at)?;
    let (counts, _) = counts.as_chunks::<8>();
    let counts = counts.iter().map(|bytes| u64::from_be_bytes(*bytes));
    Some((reply.to_vec(), counts.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_apart_again() {
        for counts in [vec![], vec![7], vec![1, u64::MAX, 0]] {
            let text = kept(b"reply", &counts);
            assert_eq!(parts(&text), Some((b"reply".to_vec(), counts)));
        }
        for damaged in [&b""[..], b"\x01", b"1234567\x01"] {
            assert_eq!(parts(damaged), None);
        }
    }
}
