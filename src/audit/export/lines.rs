//! Lines of a file that may be of any length, in memory that is bounded.

use std::io::{self, BufRead};

use super::LINE_BYTES_MAX;

/// How a line ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEnd {
    /// As it should; the buffer holds it without its end.
    Newline,
    /// The file ended first.
    File,
    /// Longer than [`LINE_BYTES_MAX`]; the buffer holds its beginning.
    TooLong,
}

/// Reads lines and counts their bytes.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    bytes: u64,
}

impl<R: BufRead> Lines<R> {
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            bytes: 0,
        }
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next line; nothing at the end of the file.
    pub fn next(&mut self) -> io::Result<Option<(&[u8], LineEnd)>> {
        self.buffer.clear();
        let mut is_too_long = false;
        loop {
            let available = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                available => available?,
            };
            if available.is_empty() {
                let is_over = self.buffer.is_empty() && !is_too_long;
                return Ok((!is_over).then_some((&self.buffer, LineEnd::File)));
            }
            let newline = available.iter().position(|byte| *byte == b'\n');
            let length = newline.unwrap_or(available.len());
            let room = LINE_BYTES_MAX - self.buffer.len();
            is_too_long |= length > room;
            self.buffer.extend(available.iter().take(length.min(room)));
            let used = length + usize::from(newline.is_some());
            self.reader.consume(used);
            self.bytes += used as u64;
            if newline.is_some() {
                let end = if is_too_long {
                    LineEnd::TooLong
                } else {
                    LineEnd::Newline
                };
                return Ok(Some((&self.buffer, end)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::{BufReader, Read};

    fn read_all(bytes: &[u8], capacity: usize) -> Vec<(Vec<u8>, LineEnd)> {
        let mut lines = Lines::new(BufReader::with_capacity(capacity, bytes));
        let mut all = Vec::new();
        while let Some((line, end)) = lines.next().expect("readable") {
            all.push((line.to_vec(), end));
        }
        assert_eq!(lines.bytes(), bytes.len() as u64);
        all
    }

    #[test]
    fn a_line_of_any_length_takes_bounded_memory() {
        let long = std::io::repeat(b'x').take(64 << 20);
        let reader = BufReader::new(long.chain(&b"\nshort\n"[..]));
        let mut lines = Lines::new(reader);
        let (line, end) = lines.next().expect("readable").expect("a line");
        assert_eq!((line.len(), end), (LINE_BYTES_MAX, LineEnd::TooLong));
        assert!(lines.buffer.capacity() <= 2 * LINE_BYTES_MAX);
        let short = lines.next().expect("readable").expect("a line");
        assert_eq!(short, (&b"short"[..], LineEnd::Newline));
        assert_eq!(lines.next().expect("readable"), None);
    }

    proptest! {
        #[test]
        fn lines_are_those_of_the_file(
            parts in proptest::collection::vec("[a-c]{0,9}", 1..6),
            capacity in 1_usize..8,
        ) {
            let text = parts.join("\n");
            let read = read_all(text.as_bytes(), capacity);
            let mut expected: Vec<_> = parts
                .iter()
                .map(|part| (part.clone().into_bytes(), LineEnd::Newline))
                .collect();
            match expected.last_mut() {
                Some((last, _)) if last.is_empty() => drop(expected.pop()),
                Some((_, end)) => *end = LineEnd::File,
                None => {}
            }
            prop_assert_eq!(read, expected);
        }
    }
}
