//! Checks an export: its header, and each writer's chain while the lines stream by.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use serde::Serialize;

use super::lines::{LineEnd, Lines};
use super::{EXPORT_FORMAT, ExportHeader, FirstLine, Line, parse_first_line, parse_line};
use crate::audit::finding::{Fault, Finding};
use crate::audit::text::WriterId;
use crate::audit::verifier::{ChainReport, ChainVerifier, StatedEntry};
use crate::keys::PublicKey;

/// Most findings that are kept of the file itself; the rest is counted.
const FINDINGS_MAX: usize = 64;

/// Why nothing can be said about a file.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file could not be read to its end.
    #[error("cannot read the export: {0}")]
    Io(#[from] io::Error),
    /// The file is something else.
    #[error("this is no audit export: its first line is no header")]
    Foreign,
    /// Another version's file.
    #[error(
        "the export has format {0}, this version of padan reads format {EXPORT_FORMAT}: take the \
         version that made it"
    )]
    Format(u64),
}

/// What came of checking an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExportReport {
    /// What the header says; absent when it cannot be read.
    pub header: Option<ExportHeader>,
    /// Whether the key was given from outside. If not, whoever made the file chose it.
    pub key_is_pinned: bool,
    /// Whether the expected key signed the header. If not, what it says of the chains is not
    /// believed, and only checkpoints prove anything.
    pub header_is_signed: bool,
    /// One for each writer of the header, in their order.
    pub chains: Vec<ChainReport>,
    /// What is wrong with the file itself, in the order of the lines.
    pub findings: Vec<Finding>,
    /// How many more findings there were.
    pub more_findings: u64,
    /// Lines read.
    pub lines: u64,
}

impl ExportReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.header.is_some() && self.all_findings().next().is_none()
    }

    /// Everything that is wrong: of the file itself, then of each chain.
    pub fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        let chains = self.chains.iter().flat_map(|chain| &chain.findings);
        self.findings.iter().chain(chains)
    }

    /// What is wrong first, by lines. What only the end of the file shows comes last.
    #[must_use]
    pub fn first_finding(&self) -> Option<&Finding> {
        self.all_findings()
            .min_by_key(|finding| finding.line.unwrap_or(u64::MAX))
    }
}

/// Checks an export line by line. Holds a few hundred bytes for each writer and no entry.
#[derive(Debug)]
pub struct ExportVerifier {
    report: ExportReport,
    trusted: Vec<PublicKey>,
    chains: BTreeMap<WriterId, ChainVerifier>,
    /// Lines among the file's findings that may be somebody's missing entry.
    unreadable: Vec<u64>,
}

impl ExportVerifier {
    /// Begins with the first line, without its end. `pinned`: the key that must have signed the
    /// file.
    ///
    /// # Errors
    /// When the file is no export of this format.
    pub fn new(first: &[u8], pinned: Option<PublicKey>) -> Result<Self, ExportError> {
        let mut verifier = Self {
            report: ExportReport {
                header: None,
                key_is_pinned: pinned.is_some(),
                header_is_signed: false,
                chains: Vec::new(),
                findings: Vec::new(),
                more_findings: 0,
                lines: 1,
            },
            trusted: Vec::new(),
            chains: BTreeMap::new(),
            unreadable: Vec::new(),
        };
        match parse_first_line(first) {
            FirstLine::Foreign => return Err(ExportError::Foreign),
            FirstLine::Format(format) => return Err(ExportError::Format(format)),
            FirstLine::Damaged => verifier.find(Fault::HeaderEdited),
            FirstLine::Header(header, is_signed) => verifier.begin(*header, is_signed, pinned),
        }
        Ok(verifier)
    }

    fn begin(&mut self, header: ExportHeader, is_signed: bool, pinned: Option<PublicKey>) {
        let is_expected_key = pinned.is_none_or(|pinned| pinned == header.key);
        if !is_expected_key {
            self.find(Fault::HeaderKey);
        }
        if !is_signed {
            self.find(Fault::HeaderSignature);
        }
        if header.check().is_err() {
            self.find(Fault::HeaderContradiction);
        }
        let is_trusted = is_signed && is_expected_key;
        self.report.header_is_signed = is_trusted;
        // A header that is not to be trusted vouches for no further key and for no chain's end.
        self.trusted = match pinned {
            Some(pinned) if !is_trusted => vec![pinned],
            _ => header.keys.clone(),
        };
        let chain = |range: &super::ExportRange| {
            let end = is_trusted.then(|| range.end());
            let verifier = ChainVerifier::new(range.start(), end);
            (range.writer.clone(), verifier)
        };
        // The line is bounded, and with it the number of writers.
        self.chains = header.writers.iter().map(chain).collect();
        self.report.header = Some(header);
    }

    /// The next line, without its end.
    pub fn line(&mut self, line: &[u8]) {
        self.report.lines += 1;
        // Without a header there is nothing to hold the lines against.
        if self.report.header.is_none() {
            return;
        }
        let number = self.report.lines;
        let fault = match std::str::from_utf8(line).ok().and_then(parse_line) {
            None => Fault::UnreadableLine,
            Some(Line::Entry { entry, text, hash }) => match self.chains.get_mut(&entry.writer) {
                None => Fault::OtherChain,
                Some(chain) => {
                    return chain.entry(&StatedEntry {
                        sequence: entry.sequence,
                        text,
                        hash,
                        line: number,
                    });
                }
            },
            Some(Line::Checkpoint(checkpoint)) => match self.chains.get_mut(&checkpoint.writer) {
                None => Fault::OtherChain,
                Some(chain) => {
                    let is_trusted = self.trusted.contains(&checkpoint.key);
                    return chain.checkpoint(number, &checkpoint, is_trusted);
                }
            },
        };
        if self.report.findings.len() < FINDINGS_MAX {
            self.unreadable.push(number);
        }
        self.find(fault);
    }

    fn find(&mut self, fault: Fault) {
        if self.report.findings.len() >= FINDINGS_MAX {
            self.report.more_findings += 1;
            return;
        }
        self.report.findings.push(Finding {
            fault,
            writer: None,
            sequence: None,
            until: None,
            unproven_from: None,
            line: Some(self.report.lines),
        });
    }

    /// The end of the file.
    #[must_use]
    pub fn finish(mut self) -> ExportReport {
        let chains = std::mem::take(&mut self.chains);
        let finish = |chain: ChainVerifier| chain.finish(&self.unreadable);
        self.report.chains = chains.into_values().map(finish).collect();
        // A line that was found to be somebody's entry is told of there.
        let chains = &self.report.chains;
        let is_told = |finding: &Finding| {
            let mut told = chains.iter().flat_map(|chain| &chain.findings);
            finding.fault == Fault::UnreadableLine
                && told.any(|told| told.fault == Fault::Edited && told.line == finding.line)
        };
        self.report.findings.retain(|finding| !is_told(finding));
        self.report
    }
}

/// Checks a whole export. `progress` is called with the bytes read so far, now and then.
///
/// # Errors
/// When the file cannot be read to its end, or is no export of this format. An edited export is no
/// error: the report says where.
pub fn verify_export(
    reader: impl BufRead,
    pinned: Option<PublicKey>,
    progress: &mut dyn FnMut(u64),
) -> Result<ExportReport, ExportError> {
    const PROGRESS_LINES: u64 = 1024;
    let mut lines = Lines::new(reader);
    let (first, end) = lines.next()?.ok_or(ExportError::Foreign)?;
    let mut verifier = ExportVerifier::new(first, pinned)?;
    if end == LineEnd::File {
        verifier.find(Fault::UnendedLine);
    }
    while let Some((line, end)) = lines.next()? {
        match end {
            LineEnd::Newline | LineEnd::TooLong => verifier.line(line),
            LineEnd::File => {
                // What is left of a line that was cut off is nobody's edited entry.
                if std::str::from_utf8(line)
                    .ok()
                    .and_then(parse_line)
                    .is_some()
                {
                    verifier.line(line);
                } else {
                    verifier.report.lines += 1;
                }
                verifier.find(Fault::UnendedLine);
            }
        }
        if verifier.report.lines.is_multiple_of(PROGRESS_LINES) {
            progress(lines.bytes());
        }
    }
    progress(lines.bytes());
    Ok(verifier.finish())
}

#[cfg(test)]
mod tests;
