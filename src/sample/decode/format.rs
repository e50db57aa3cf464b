//! What kind of file some bytes are, by signature: names and media types from callers are not
//! asked.

use super::DecodeError;

/// The accepted formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageFormat {
    /// ITU-T T.81: baseline or progressive; grey, colour or CMYK.
    Jpeg,
    /// ISO/IEC 15948.
    Png,
    /// RFC 9649.
    WebP,
}

impl ImageFormat {
    /// All accepted formats.
    pub const ALL: [Self; 3] = [Self::Jpeg, Self::Png, Self::WebP];

    /// The media type, for example `image/jpeg`.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
        }
    }
}

impl std::fmt::Display for ImageFormat {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
        })
    }
}

/// The accepted format of `bytes`.
///
/// # Errors
/// Names what arrived when it is not accepted.
pub fn sniff(bytes: &[u8]) -> Result<ImageFormat, DecodeError> {
    if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
        return Ok(ImageFormat::Jpeg);
    }
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Ok(ImageFormat::Png);
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return Ok(ImageFormat::WebP);
    }
    Err(DecodeError::UnknownFormat {
        found: name_of(bytes),
    })
}

/// Names of formats that people send by mistake.
fn name_of(bytes: &[u8]) -> &'static str {
    const NAMES: [(&[u8], &str); 9] = [
        (b"GIF8", "a GIF file"),
        (b"%PDF", "a PDF document"),
        (b"BM", "a BMP file"),
        (b"II*\0", "a TIFF or raw file"),
        (b"MM\0*", "a TIFF or raw file"),
        (b"\0\0\0\x0CJXL ", "a JPEG XL file"),
        (b"\0\0\0\x0CjP  ", "a JPEG 2000 file"),
        (b"\xFF\x4F\xFF\x51", "a JPEG 2000 file"),
        (b"PK\x03\x04", "a ZIP archive"),
    ];
    if bytes.get(4..8) == Some(b"ftyp") {
        return match bytes.get(8..12) {
            Some(b"avif" | b"avis") => "an AVIF file",
            Some(b"heic" | b"heix" | b"hevc" | b"heim" | b"heis" | b"mif1" | b"msf1") => {
                "a HEIC file"
            }
            _ => "a video file",
        };
    }
    NAMES
        .iter()
        .find(|(signature, _)| bytes.starts_with(signature))
        .map_or("of an unknown format", |(_, name)| name)
}
