//! Changes that are made once for a request: asked again, what came of it is told again.

use async_trait::async_trait;

use super::chain::Write;
use super::error::StoreError;
use super::group::Change;
use super::requests::{Claim, Stored};
use crate::subject::SubjectHash;

/// A change that is made once for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once<C> {
    /// The request. Its reply is told again; the numbers that the change found are kept behind it.
    pub claim: Claim,
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
        match self.claim.take(write).await? {
            None => {}
            Some(Stored::OtherBody) => return Ok(OnceOutcome::OtherBody),
            Some(Stored::Reply(kept)) => {
                let (reply, counts) = parts(&kept).ok_or_else(|| StoreError::column("reply"))?;
                return Ok(OnceOutcome::Before { reply, counts });
            }
        }
        let outcome = self.change.apply(write).await?;
        match C::counts(&outcome) {
            Some(counts) => {
                let kept = kept(&self.claim.reply, &counts);
                self.claim.answer(&kept, write).await?;
            }
            None => self.claim.give_back(write).await?,
        }
        Ok(OnceOutcome::Now(outcome))
    }
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
