//! The marker structure of a JPEG file (ITU-T T.81, annex B), walked without decoding.

use super::{DecodeError, ImageFormat};

/// Encoders write about ten scans for a progressive picture; each costs a pass over all blocks.
pub const SCANS_MAX: u64 = 100;

/// Pixels that all scans together may touch: ten scans of the largest accepted picture. Bounds the
/// time that decoding takes, which no deadline can interrupt.
pub const SCANNED_PIXELS_MAX: u64 = 250_000_000;

const BASELINE: u8 = 0xC0;
const EXTENDED: u8 = 0xC1;
const CODES: u8 = 0xC4;
const ADOBE: u8 = 0xEE;
const START_OF_SCAN: u8 = 0xDA;
const END_OF_IMAGE: u8 = 0xD9;

/// What the markers say about a complete picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Structure {
    scans: u64,
    frames: u64,
    is_sequential: bool,
    is_grey_or_ycc: bool,
    /// Other colours than a frame of such components has, or codes without a meaning.
    has_oddities: bool,
}

impl Structure {
    /// Whether it is what cameras write, and no decoder reads it in a way of its own: one frame, in
    /// sequence and in one scan, grey or luminance with two colour differences.
    ///
    /// Progressive pictures are not: most of their time and memory goes into the coefficients of
    /// the whole picture, pass by pass, and no reduction saves those.
    pub fn is_plain(&self) -> bool {
        (self.frames, self.scans) == (1, 1)
            && self.is_sequential
            && self.is_grey_or_ycc
            && !self.has_oddities
    }

    /// Notes a frame header: length, precision, height, width, then 3 bytes for each component.
    fn note_frame(&mut self, marker: u8, segment: &[u8]) {
        self.frames += 1;
        self.is_sequential = matches!(marker, BASELINE | EXTENDED);
        let identifier = |component: usize| segment.get(8 + 3 * component).copied();
        self.is_grey_or_ycc = match segment.get(7) {
            Some(1) => true,
            Some(3) => [0, 1, 2].map(identifier) != [Some(b'R'), Some(b'G'), Some(b'B')],
            _ => false,
        };
    }

    /// Notes the tables of Huffman codes: class and number, 16 counts, as many symbols.
    ///
    /// A code for a run of empty blocks has no meaning in sequence, and decoders differ there.
    fn note_codes(&mut self, segment: &[u8]) {
        let length = segment.first_chunk().map_or(2, |l| u16::from_be_bytes(*l));
        let mut tables = segment.get(2..usize::from(length)).unwrap_or_default();
        while let Some((head, rest)) = tables.split_first_chunk::<17>() {
            let symbols = head[1..].iter().map(|count| usize::from(*count)).sum();
            let (symbols, after) = rest.split_at_checked(symbols).unwrap_or((rest, &[]));
            // 0x00 ends a block, 0xF0 is a run of 16 zeros within one.
            let is_run = |symbol: &u8| symbol.is_multiple_of(16) && !matches!(symbol, 0x00 | 0xF0);
            let is_ac = head[0] >> 4 == 1;
            self.has_oddities |= is_ac && symbols.iter().any(is_run);
            tables = after;
        }
    }

    /// Notes what Adobe's segment says of the colours: its name, three numbers, the transform.
    fn note_adobe(&mut self, segment: &[u8]) {
        const YCC: u8 = 1;
        let is_adobe = segment.get(2..7) == Some(b"Adobe");
        self.has_oddities |= is_adobe && segment.get(13) != Some(&YCC);
    }
}

/// Checks that the picture is complete and has a sane number of scans.
///
/// Decoders in use forgive a missing end and fill the rest with grey; a face that is half grey must
/// not be compared. Embedded thumbnails lie inside segments and are stepped over.
///
/// # Errors
/// [`DecodeError::Truncated`] or [`DecodeError::TooManyScans`].
pub fn check_structure(bytes: &[u8]) -> Result<Structure, DecodeError> {
    let truncated = DecodeError::Truncated {
        format: ImageFormat::Jpeg,
    };
    let mut structure = Structure::default();
    let mut pixels = 0_u64;
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let Some((marker, after)) = next_marker(rest) {
        match marker {
            END_OF_IMAGE if structure.scans > 0 => return Ok(structure),
            END_OF_IMAGE => break,
            // Markers without a segment: fill bytes, TEM, restart.
            0x00 | 0x01 | 0xFF | 0xD0..=0xD8 => rest = after,
            _ => {
                if is_frame_header(marker) {
                    pixels = pixels.max(frame_pixels(after).ok_or(truncated.clone())?);
                    structure.note_frame(marker, after);
                } else if marker == CODES {
                    structure.note_codes(after);
                } else if marker == ADOBE {
                    structure.note_adobe(after);
                } else if marker == START_OF_SCAN {
                    structure.scans += 1;
                    let scans = structure.scans;
                    // One scan is bounded by the limit on pixels, which has its own error.
                    if scans > SCANS_MAX || (scans > 1 && pixels * scans > SCANNED_PIXELS_MAX) {
                        return Err(DecodeError::TooManyScans);
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

/// The markers SOF0 to SOF15, without DHT, JPG and DAC that lie among them.
fn is_frame_header(marker: u8) -> bool {
    matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC)
}

/// Width × height out of a frame header: after length and precision come height and width.
fn frame_pixels(segment: &[u8]) -> Option<u64> {
    let [height_high, height_low, width_high, width_low] = *segment.get(3..)?.first_chunk::<4>()?;
    let side = |high, low| u64::from(u16::from_be_bytes([high, low]));
    Some(side(height_high, height_low) * side(width_high, width_low))
}

/// What follows a segment; its first two bytes are its length, themselves included.
fn skip_segment(bytes: &[u8]) -> Option<&[u8]> {
    let length = u16::from_be_bytes(*bytes.first_chunk::<2>()?);
    bytes.get(usize::from(length.max(2))..)
}
