//! What the tests ask of the records.

use padan::embed::ContractId;
use padan::records::{Enrolled, Records, RecordsError};
use padan::subject::SubjectHash;

/// What is enrolled of a subject, opened.
pub async fn enrolled(
    records: &Records,
    subject: SubjectHash,
    contract_id: &ContractId,
) -> Result<Enrolled, RecordsError> {
    let found = records.store().subject(subject, contract_id.as_str());
    records.open_found(subject, found.await?, contract_id).await
}
