//! The bytes of a file of remembered embeddings.
//!
//! ```text
//! header:  "padanemb" │ context, 32 │ numbers of an embedding, 4, little-endian │ checksum, 16
//! record:  digest, 32 │ kind, 1 │ template, 1 + 4 × numbers │ checksum, 16
//! ```
//!
//! A checksum is the first half of the SHA-256 of the context and what is before it, so that a
//! record is of no use in another file. The kind is 1 for a template and 0 for a failure to
//! acquire, whose template is zeros.

use sha2::{Digest as _, Sha256};

use super::ContentDigest;
use crate::embed::{ContractId, Embedding, Template};

const MAGIC: &[u8; 8] = b"padanemb";

const CHECKSUM_BYTES: usize = 16;

/// Length of a header.
pub const HEADER_BYTES: usize = MAGIC.len() + 32 + 4 + CHECKSUM_BYTES;

/// More numbers than any face embedding has: what claims more is damaged.
const DIMENSION_MAX: u32 = 1 << 16;

/// What all bytes of a file hang on.
pub struct Format {
    pub context: ContentDigest,
    pub contract_id: ContractId,
}

impl Format {
    pub fn header(&self, dimension: u32) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.context);
        bytes.extend(dimension.to_le_bytes());
        self.seal(bytes)
    }

    /// The dimension of a file's embeddings, if these bytes are a header of such a file.
    pub fn read_header(&self, bytes: &[u8]) -> Option<u32> {
        let body = self.unseal(bytes)?.strip_prefix(MAGIC)?;
        let dimension = body.strip_prefix(&self.context)?;
        let dimension = u32::from_le_bytes(dimension.try_into().ok()?);
        (1..=DIMENSION_MAX)
            .contains(&dimension)
            .then_some(dimension)
    }

    /// A record; `None` when the template has another dimension.
    pub fn record(
        &self,
        dimension: u32,
        digest: &ContentDigest,
        template: Option<&Template>,
    ) -> Option<Vec<u8>> {
        let mut bytes = digest.to_vec();
        bytes.push(u8::from(template.is_some()));
        match template {
            Some(template) => bytes.extend(template.to_bytes()),
            None => bytes.resize(record_bytes(dimension) - CHECKSUM_BYTES, 0),
        }
        let bytes = self.seal(bytes);
        (bytes.len() == record_bytes(dimension)).then_some(bytes)
    }

    /// What a record says, if it is whole: the digest, and the embedding unless the sample failed
    /// to be acquired.
    pub fn read_record(&self, bytes: &[u8]) -> Option<(ContentDigest, Option<Embedding>)> {
        let (digest, rest) = self.unseal(bytes)?.split_first_chunk::<32>()?;
        let embedding = match rest.split_first()? {
            (0, _) => None,
            (1, template) => {
                let template = Template::from_bytes(self.contract_id.clone(), template).ok()?;
                Some(template.embedding)
            }
            _ => return None,
        };
        Some((*digest, embedding))
    }

    fn seal(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.extend(self.checksum(&bytes));
        bytes
    }

    fn unseal<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let (body, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>()?;
        (self.checksum(body) == *checksum).then_some(body)
    }

    fn checksum(&self, body: &[u8]) -> [u8; CHECKSUM_BYTES] {
        let digest: [u8; 32] = Sha256::new()
            .chain_update(self.context)
            .chain_update(body)
            .finalize()
            .into();
        digest.first_chunk().copied().unwrap_or_default()
    }
}

/// Length of a record of embeddings of so many numbers.
pub fn record_bytes(dimension: u32) -> usize {
    let numbers = usize::try_from(dimension.min(DIMENSION_MAX)).unwrap_or_default();
    32 + 1 + 1 + 4 * numbers + CHECKSUM_BYTES
}
