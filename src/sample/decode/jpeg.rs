//! The marker structure of a JPEG file (ITU-T T.81, annex B), walked without decoding.

use super::{DecodeError, ImageFormat};

/// Encoders write about ten scans for a progressive picture; each costs a pass over all blocks.
pub const SCANS_MAX: usize = 100;

const START_OF_SCAN: u8 = 0xDA;
const END_OF_IMAGE: u8 = 0xD9;

/// Checks that the picture is complete and has a sane number of scans.
///
/// Decoders in use forgive a missing end and fill the rest with grey; a face that is half grey must
/// not be compared. Embedded thumbnails lie inside segments and are stepped over.
///
/// # Errors
/// [`DecodeError::Truncated`] or [`DecodeError::TooManyScans`].
pub fn check_structure(bytes: &[u8]) -> Result<(), DecodeError> {
    let truncated = DecodeError::Truncated {
        format: ImageFormat::Jpeg,
    };
    let mut scans = 0;
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let Some((marker, after)) = next_marker(rest) {
        match marker {
            END_OF_IMAGE if scans > 0 => return Ok(()),
            END_OF_IMAGE => break,
            // Markers without a segment: fill bytes, TEM, restart.
            0x00 | 0x01 | 0xFF | 0xD0..=0xD8 => rest = after,
            _ => {
                if marker == START_OF_SCAN {
                    scans += 1;
                    if scans > SCANS_MAX {
                        return Err(DecodeError::TooManyScans { limit: SCANS_MAX });
                    }
                }
                rest = skip_segment(after).ok_or(truncated.clone())?;
            }
        }
    }
    Err(truncated)
}

/// The next byte after a 0xFF, and what follows it. Entropy-coded bytes before it are skipped.
fn next_marker(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let start = bytes.iter().position(|&byte| byte == 0xFF)?;
    // A fill byte 0xFF may precede a marker: it must stay in front of what follows.
    match bytes.get(start + 1..)? {
        [0xFF, ..] => Some((0xFF, bytes.get(start + 1..)?)),
        [marker, after @ ..] => Some((*marker, after)),
        [] => None,
    }
}

/// What follows a segment; its first two bytes are its length, themselves included.
fn skip_segment(bytes: &[u8]) -> Option<&[u8]> {
    let length = u16::from_be_bytes(*bytes.first_chunk::<2>()?);
    bytes.get(usize::from(length.max(2))..)
}
