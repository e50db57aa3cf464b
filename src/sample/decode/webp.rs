//! The chunks of a WebP file (RFC 9649, section 2), walked without decoding.

use super::{DecodeError, ImageFormat};

/// Signature, size, `WEBP`.
const HEADER_BYTES: usize = 12;

/// A chunk's name and size.
const CHUNK_HEADER_BYTES: usize = 8;

/// Checks that the file and each of its chunks is as long as it says.
///
/// The decoder allocates what the header of a metadata chunk claims, up to 4 GiB, before it reads
/// the first byte of it.
///
/// # Errors
/// [`DecodeError::Truncated`].
pub fn check_structure(bytes: &[u8]) -> Result<(), DecodeError> {
    let truncated = DecodeError::Truncated {
        format: ImageFormat::WebP,
    };
    let whole = size_at(bytes, 4).and_then(|size| bytes.get(HEADER_BYTES..size.checked_add(8)?));
    let mut rest = whole.ok_or(truncated.clone())?;
    while !rest.is_empty() {
        let size = size_at(rest, 4).ok_or(truncated.clone())?;
        let body = rest.get(CHUNK_HEADER_BYTES..).unwrap_or_default();
        let after = body.get(size..).ok_or(truncated.clone())?;
        // A byte of padding follows an odd size; some encoders leave the last one out.
        rest = after.get(size % 2..).unwrap_or_default();
    }
    Ok(())
}

/// The size at this place, little-endian.
fn size_at(bytes: &[u8], at: usize) -> Option<usize> {
    let size = bytes.get(at..)?.first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*size)).ok()
}
