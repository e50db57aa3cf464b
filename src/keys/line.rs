//! Keys as text: a line for each, `padan-key-1 KIND ID TIME KEY`, in a file of its own or many in
//! one text. Empty lines and lines that begin with `#` say nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zeroize::Zeroizing;

use super::error::{KeyError, LineProblem};
use super::id::{KeyId, KeyKind};
use super::secret::{KEY_BYTES, NoRandomness, Secret};

/// The first word of a line; another format would have another.
const FORMAT: &str = "padan-key-1";

/// Longest key that is decoded to tell its length, bytes.
const DECODED_BYTES_MAX: usize = 3 * KEY_BYTES;

/// A key as it was read or made.
#[derive(Debug)]
pub struct KeyLine {
    pub kind: KeyKind,
    pub id: KeyId,
    /// When it was made; of a master key: from when on it is active.
    pub from: OffsetDateTime,
    pub secret: Secret,
    /// Where it was read, for messages.
    pub origin: String,
}

impl KeyLine {
    /// A fresh key.
    pub fn random(kind: KeyKind, from: OffsetDateTime) -> Result<Self, NoRandomness> {
        let secret = Secret::random()?;
        let id = KeyId::of(kind, &secret);
        Ok(Self {
            kind,
            id,
            from: from.replace_nanosecond(0).unwrap_or(from),
            secret,
            origin: String::new(),
        })
    }

    /// The line, with its end.
    pub fn text(&self) -> Zeroizing<String> {
        // Reserved at once: a string that grows leaves copies of what it held.
        let mut text = Zeroizing::new(String::with_capacity(512));
        let time = self.from.format(&Rfc3339).unwrap_or_default();
        for word in [FORMAT, self.kind.name(), self.id.as_str(), &time] {
            text.push_str(word);
            text.push(' ');
        }
        let mut encoded = Zeroizing::new([0; 64]);
        let length = BASE64.encode_slice(self.secret.expose(), encoded.as_mut_slice());
        let encoded = length.ok().and_then(|length| encoded.get(..length));
        text.push_str(encoded.and_then(|it| str::from_utf8(it).ok()).unwrap_or(""));
        text.push('\n');
        text
    }
}

/// The keys in a text.
pub fn read_lines(text: &str, origin: &str) -> Result<Vec<KeyLine>, KeyError> {
    let lines = (1..).zip(text.lines().map(str::trim));
    let keys = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    keys.map(|(number, line)| {
        read_line(line, origin).map_err(|problem| KeyError::Line {
            origin: origin.to_owned(),
            line: number,
            problem,
        })
    })
    .collect()
}

fn read_line(line: &str, origin: &str) -> Result<KeyLine, LineProblem> {
    let mut words = line.split_ascii_whitespace();
    let five = (|| {
        Some([
            words.next()?,
            words.next()?,
            words.next()?,
            words.next()?,
            words.next()?,
        ])
    })();
    let Some([FORMAT, kind, id, time, key]) = five else {
        return Err(LineProblem::Shape);
    };
    if words.next().is_some() {
        return Err(LineProblem::Shape);
    }
    let kind = KeyKind::named(kind).ok_or(LineProblem::Kind)?;
    let from = OffsetDateTime::parse(time, &Rfc3339).map_err(|_| LineProblem::Time)?;
    let secret = decode(key)?;
    // In the wrong column there may be a key: only what looks like an id is ever repeated.
    let expected = KeyId::of_computed(id).ok_or(LineProblem::Shape)?;
    if expected != KeyId::of(kind, &secret) {
        return Err(LineProblem::OtherKey { expected });
    }
    Ok(KeyLine {
        kind,
        id: expected,
        from,
        secret,
        origin: origin.to_owned(),
    })
}

fn decode(text: &str) -> Result<Secret, LineProblem> {
    // Whatever does not fit is too long; the length is told as far as it can be known cheaply.
    if text.len() > DECODED_BYTES_MAX / 3 * 4 {
        return Err(LineProblem::Length(text.len() / 4 * 3));
    }
    let mut bytes = Zeroizing::new([0; DECODED_BYTES_MAX]);
    let decoded = BASE64.decode_slice(text, bytes.as_mut_slice());
    let length = decoded.map_err(|_| LineProblem::Base64)?;
    let secret = bytes.get(..length).and_then(Secret::from_slice);
    let secret = secret.ok_or(LineProblem::Length(length))?;
    if secret.is_placeholder() {
        return Err(LineProblem::Placeholder);
    }
    Ok(secret)
}
