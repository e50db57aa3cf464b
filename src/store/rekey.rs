//! Another key for a subject, as [`super::enrolment`] makes its changes.

use async_trait::async_trait;

use super::chain::Write;
use super::enrolment::Changed;
use super::error::StoreError;
use super::group::Change;
use super::sql::values;
use super::subjects::{Reference, WrappedKey};
use crate::audit::Entry;
use crate::subject::SubjectHash;

/// Another key for a living subject, with all of its references sealed anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplaceKey {
    /// Whose.
    pub subject: SubjectHash,
    /// The subject's version as read. The references are sealed for the next one.
    pub expected_version: u64,
    /// The key as read.
    pub old: WrappedKey,
    /// The key that takes its place.
    pub new: WrappedKey,
    /// All of the subject's references.
    pub references: Vec<Reference>,
    /// When, in microseconds since 1970, UTC.
    pub at_us: i64,
    /// The entry in the audit trail.
    pub entry: Entry,
}

#[async_trait]
impl Change for ReplaceKey {
    type Outcome = Changed;

    fn subject(&self) -> Option<SubjectHash> {
        Some(self.subject)
    }

    async fn apply(&self, write: &mut Write) -> Result<Changed, StoreError> {
        // The time of the key stays: it says which enrolment it is of, for erasures that are
        // repeated on a restored backup.
        const REPLACE: &str = "UPDATE subjects SET wrapped_key = $3, master_key = $4,
            version = version + 1, updated_us = $5
            WHERE subject = $1 AND version = $2 AND wrapped_key = $6";
        // An update, so that what was deleted in the meantime does not come back.
        const RESEAL: &str = "UPDATE face_references SET row_version = $3, nonce = $4,
            ciphertext = $5 WHERE subject = $1 AND contract_id = $2";
        let (subject, version) = (self.subject, self.expected_version + 1);
        if self.references.iter().any(|it| it.row_version != version) {
            return Ok(Changed::Stale);
        }
        let (new, old) = (&self.new, &self.old.bytes);
        let expected = self.expected_version;
        let values = values![
            subject,
            expected,
            &new.bytes,
            &new.master_key,
            self.at_us,
            old
        ];
        if write.execute(REPLACE, values).await? == 0 {
            return Ok(Changed::Stale);
        }
        for reference in &self.references {
            let values = values![
                subject,
                &reference.contract_id,
                version,
                &reference.nonce,
                &reference.ciphertext,
            ];
            write.execute(RESEAL, values).await?;
        }
        Ok(Changed::Done(write.append(&self.entry).await?))
    }
}
