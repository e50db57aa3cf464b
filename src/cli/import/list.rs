//! The list of an import: a CSV file, read line by line.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::cli::Failure;
use crate::grpc::proto;

/// Most bytes of a line.
const LINE_BYTES_MAX: u64 = 8 * 1024;

const COLUMNS: [&str; 4] = ["nik", "portrait", "captured_on", "source"];

/// What a line holds. The number of a row is that of its line; the heading is line 1.
#[derive(Debug)]
pub enum Line {
    /// A row to be sent.
    Row(Box<proto::ImportRow>),
    /// What is wrong with it, without what it says.
    Refused(u64, String),
}

/// A list that is read.
pub struct List {
    lines: BufReader<File>,
    folder: PathBuf,
    /// Where each column is.
    places: [usize; 4],
    number: u64,
    /// Bytes read so far.
    pub position: u64,
}

impl List {
    /// Opens a list and reads its heading.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let named = |cause: &dyn std::fmt::Display| {
            Failure::Usage(format!("cannot read {}: {cause}", path.display()))
        };
        let file = File::open(path).map_err(|error| named(&error))?;
        let mut list = Self {
            lines: BufReader::with_capacity(1 << 16, file),
            folder: path.parent().unwrap_or(Path::new("")).to_owned(),
            places: [0, 1, 2, 3],
            number: 0,
            position: 0,
        };
        let heading = list.line().map_err(|error| named(&error))?;
        let heading = heading.unwrap_or_default();
        let heading = heading.trim_start_matches('\u{feff}');
        let names = fields(heading).unwrap_or_default();
        for (place, column) in list.places.iter_mut().zip(COLUMNS) {
            let found = names.iter().position(|name| name.trim() == column);
            let missing = || {
                let columns = COLUMNS.join(",");
                named(&format_args!(
                    "its first line does not name the columns {columns}"
                ))
            };
            *place = found.ok_or_else(missing)?;
        }
        Ok(list)
    }

    /// The next line after `done_to`; none at the end. A portrait above `portrait_bytes_max` is
    /// refused here: sent, it would end the whole import.
    pub fn next(&mut self, done_to: u64, portrait_bytes_max: u64) -> std::io::Result<Option<Line>> {
        while let Some(line) = self.line()? {
            if self.number > done_to && !line.trim().is_empty() {
                return Ok(Some(self.row(&line, portrait_bytes_max)));
            }
        }
        Ok(None)
    }

    /// A line without its end; what is too long of it is left out, so that it has too few fields.
    fn line(&mut self) -> std::io::Result<Option<Zeroizing<String>>> {
        let mut bytes = Zeroizing::new(Vec::new());
        let mut line = (&mut self.lines).take(LINE_BYTES_MAX);
        let mut read = line.read_until(b'\n', &mut bytes)?;
        if read == 0 {
            return Ok(None);
        }
        if bytes.last() != Some(&b'\n') && read as u64 == LINE_BYTES_MAX {
            bytes.clear();
            bytes.push(b'?');
            read += self.lines.skip_until(b'\n')?;
        }
        self.number += 1;
        self.position += read as u64;
        let text = String::from_utf8_lossy(&bytes);
        Ok(Some(Zeroizing::new(text.trim_end().to_owned())))
    }

    fn row(&self, line: &str, portrait_bytes_max: u64) -> Line {
        match self.parsed(line, portrait_bytes_max) {
            Ok(row) => Line::Row(Box::new(row)),
            Err(problem) => Line::Refused(self.number, problem),
        }
    }

    fn parsed(&self, line: &str, portrait_bytes_max: u64) -> Result<proto::ImportRow, String> {
        let fields = fields(line).ok_or("a quotation mark is missing")?;
        let field = |place: usize| {
            let field = fields.get(place).map(|field| field.trim());
            field.ok_or_else(|| format!("has fewer than {} fields", COLUMNS.len()))
        };
        let [nik, portrait, captured_on, source] = self.places;
        let source = match field(source)? {
            "registry" => proto::ReferenceSource::Registry,
            "card-chip" => proto::ReferenceSource::CardChip,
            _ => return Err("source is neither registry nor card-chip".to_owned()),
        };
        let portrait = self.folder.join(field(portrait)?);
        let portrait = read_portrait(&portrait, portrait_bytes_max)?;
        Ok(proto::ImportRow {
            row: self.number,
            subject: Some(proto::Subject {
                nik: field(nik)?.to_owned(),
            }),
            reference: Some(proto::import_row::Reference::Portrait(proto::Sample {
                image: portrait,
            })),
            captured_on: field(captured_on)?.to_owned(),
            source: source.into(),
        })
    }
}

/// Names of portraits often hold the NIK: no message repeats one.
fn read_portrait(path: &Path, bytes_max: u64) -> Result<Bytes, String> {
    let unreadable = |error: std::io::Error| format!("the portrait: {}", error.kind());
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let read = file
        .take(bytes_max.saturating_add(1))
        .read_to_end(&mut bytes);
    if read.map_err(unreadable)? as u64 > bytes_max {
        let text = format!("the portrait: larger than the {bytes_max} bytes that the server takes");
        return Err(text);
    }
    Ok(bytes.into())
}

/// The fields of a line, where double quotes may enclose one; none when such a pair is open.
fn fields(line: &str) -> Option<Vec<Zeroizing<String>>> {
    let mut fields = vec![Zeroizing::new(String::new())];
    let mut is_quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        let field = fields.last_mut()?;
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' if is_quoted || field.is_empty() => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(Zeroizing::new(String::new())),
            letter => field.push(letter),
        }
    }
    (!is_quoted).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(line: &str) -> Option<Vec<String>> {
        let fields = fields(line)?;
        Some(fields.iter().map(|field| field.to_string()).collect())
    }

    #[test]
    fn fields_may_be_quoted() {
        let of = |line| plain(line).expect("fields");
        assert_eq!(of("a,b,,d"), ["a", "b", "", "d"]);
        assert_eq!(of("\"a,b\",\"c\"\"d\""), ["a,b", "c\"d"]);
        assert_eq!(plain("\"a,b"), None);
    }

    #[test]
    fn a_line_is_known_by_its_number_and_its_fault_repeats_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list.csv");
        std::fs::write(folder.path().join("a.jpg"), b"jpeg").expect("written");
        let long = "9".repeat(20_000);
        let text = format!(
            "\u{feff}source,nik,portrait,captured_on\r\nregistry,3171014101909999,a.jpg,2014-05-06\r\n\
             \r\nregistry,3171014101909999,3171014101909999.jpg,\n\
             elsewhere,3171014101909999,a.jpg,\n\
             {long}\nregistry\ncard-chip,3171014101909999,a.jpg,"
        );
        std::fs::write(&path, text).expect("written");
        let mut list = List::open(&path).expect("opens");
        let mut lines = Vec::new();
        while let Some(line) = list.next(0, 4).expect("reads") {
            lines.push(line);
        }
        let Some(Line::Row(row)) = lines.first() else {
            panic!("the first row is good");
        };
        assert_eq!((row.row, row.captured_on.as_str()), (2, "2014-05-06"));
        let refused: Vec<u64> = lines
            .iter()
            .filter_map(|line| match line {
                Line::Refused(number, problem) => {
                    assert!(!problem.contains("3171"), "{problem}");
                    Some(*number)
                }
                Line::Row(_) => None,
            })
            .collect();
        assert_eq!(refused, [4, 5, 6, 7]);
        assert!(matches!(lines.last(), Some(Line::Row(row)) if row.row == 8));
        let mut resumed = List::open(&path).expect("opens");
        let next = resumed.next(7, 4).expect("reads");
        assert!(matches!(next, Some(Line::Row(row)) if row.row == 8));
        assert_eq!(
            list.position,
            std::fs::metadata(&path).expect("there").len()
        );
    }

    #[test]
    fn a_portrait_above_the_limit_is_refused_and_one_at_it_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list.csv");
        std::fs::write(folder.path().join("a.jpg"), b"jpeg").expect("written");
        let text = "nik,portrait,captured_on,source\n3171014101909999,a.jpg,,registry\n";
        std::fs::write(&path, text).expect("written");
        let next = |portrait_bytes_max| {
            let mut list = List::open(&path).expect("opens");
            list.next(0, portrait_bytes_max).expect("reads")
        };
        for enough in [4, u64::MAX] {
            assert!(matches!(next(enough), Some(Line::Row(_))), "{enough}");
        }
        let Some(Line::Refused(2, problem)) = next(3) else {
            panic!("4 bytes are above 3");
        };
        assert!(problem.contains("larger than the 3 bytes"), "{problem}");
    }

    #[test]
    fn a_list_without_its_heading_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("list.csv");
        for text in ["", "3171014101909999,a.jpg,,registry\n", "nik,portrait\n"] {
            std::fs::write(&path, text).expect("written");
            let error = List::open(&path).err().expect("is refused").to_string();
            assert!(
                error.contains("captured_on") && !error.contains("3171"),
                "{error}"
            );
        }
    }
}
