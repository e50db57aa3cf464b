//! `padan audit verify FILE|URL`, `padan audit export`

mod remote;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use self::remote::Source;
use super::{ANSWER_NO, Failure, Outcome, print};
use crate::audit::{self, ExportHeader, ExportReport, Fault, Finding};
use crate::config::{AuditCommand, AuditExportArgs, AuditVerifyArgs};
use crate::keys::PublicKey;
use crate::report::table::new_table;

/// Most bytes of a file that holds a public key.
const KEY_FILE_BYTES_MAX: u64 = 4096;

const KEY_FROM_FILE: &str = "WARNING: the public key comes from the file itself. Whoever made the \
    file chose it: this shows that the file fits itself, not who made it. Give the key that you \
    got another way: --public-key FILE|HEX";

pub fn run(command: &AuditCommand) -> Outcome {
    match command {
        AuditCommand::Verify(args) => verify(args),
        AuditCommand::Export(args) => export(args),
    }
}

fn export(args: &AuditExportArgs) -> Outcome {
    let source = Source {
        url: &args.server,
        part: &args.part,
        tls: &args.tls,
    };
    let bar = progress_bar(0);
    let bytes = source.save(&args.out, &bar);
    bar.finish_and_clear();
    let (bytes, out) = (bytes?, args.out.display().to_string());
    if args.json {
        print(&format!("{:#}", json!({ "file": out, "bytes": bytes })));
    } else {
        print(&format!(
            "{out}: {bytes} bytes; check it: padan audit verify {out} --public-key …"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn verify(args: &AuditVerifyArgs) -> Outcome {
    let key = args.public_key.as_deref().map(public_key).transpose()?;
    let report = if remote::is_url(&args.source) {
        check_there(args, key)?
    } else {
        refuse_options_of_servers(args)?;
        check(Path::new(&args.source), key)?
    };
    if args.json {
        print(&format!("{:#}", as_json(&args.source, &report)));
    } else {
        print(&as_text(&report));
    }
    if !report.key_is_pinned {
        eprintln!("padan: {KEY_FROM_FILE}");
    }
    Ok(if report.is_intact() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(ANSWER_NO)
    })
}

/// Left out silently, `--until` would pass for a check of a part, `--save` for a copy.
fn refuse_options_of_servers(args: &AuditVerifyArgs) -> Result<(), Failure> {
    let mut given = args.save.iter().map(|_| "--save").collect::<Vec<_>>();
    given.extend(args.part.given());
    given.extend(args.tls.given());
    if given.is_empty() {
        return Ok(());
    }
    let given = given.join(", ");
    Err(Failure::Usage(format!(
        "{given}: such options are for a server's URL, and {} is a file",
        args.source
    )))
}

/// A key as typed, or in a file.
fn public_key(text: &str) -> Result<PublicKey, Failure> {
    let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let named = |cause: &dyn std::fmt::Display| Failure::Usage(format!("--public-key: {cause}"));
    if is_hex {
        return text
            .to_ascii_lowercase()
            .parse::<PublicKey>()
            .map_err(|error| named(&error));
    }
    let unreadable = |error| named(&format!("cannot read {text}: {error}"));
    let file = File::open(text).map_err(unreadable)?;
    let content = std::io::read_to_string(std::io::Read::take(file, KEY_FILE_BYTES_MAX))
        .map_err(unreadable)?;
    PublicKey::from_file_text(&content).map_err(|error| named(&format!("{text}: {error}")))
}

fn check_there(args: &AuditVerifyArgs, key: Option<PublicKey>) -> Result<ExportReport, Failure> {
    let source = Source {
        url: &args.source,
        part: &args.part,
        tls: &args.tls,
    };
    let bar = progress_bar(0);
    let report = source.verify(key, args.save.as_deref(), &bar);
    bar.finish_and_clear();
    report
}

fn check(path: &Path, key: Option<PublicKey>) -> Result<ExportReport, Failure> {
    let named = |cause: &dyn std::fmt::Display| {
        Failure::Technical(format!("cannot check {}: {cause}", path.display()))
    };
    let (reader, bytes): (Box<dyn BufRead>, u64) = if path == Path::new("-") {
        (Box::new(std::io::stdin().lock()), 0)
    } else {
        let file = File::open(path).map_err(|error| named(&error))?;
        let bytes = file.metadata().map_or(0, |facts| facts.len());
        (Box::new(BufReader::with_capacity(1 << 16, file)), bytes)
    };
    let bar = progress_bar(bytes);
    let report = audit::verify_export(reader, key, &mut |read| bar.set_position(read));
    bar.finish_and_clear();
    report.map_err(|error| named(&error))
}

/// On standard error, and only when that is a terminal.
fn progress_bar(bytes: u64) -> ProgressBar {
    // The length of what comes through a pipe is not known.
    let (bar, style) = if bytes > 0 {
        let style = "{bar:30} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}";
        (ProgressBar::new(bytes), style)
    } else {
        let style = "{spinner} {binary_bytes}, {binary_bytes_per_sec}";
        (ProgressBar::new_spinner(), style)
    };
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}

fn as_text(report: &ExportReport) -> String {
    let mut lines = Vec::new();
    if let Some(header) = &report.header {
        lines.push(format!("made {} by padan {}", header.created, header.padan));
        let is_other = |finding: &Finding| finding.fault == Fault::HeaderKey;
        let origin = match report.key_is_pinned {
            true if report.findings.iter().any(is_other) => "NOT the given one",
            true => "the given one",
            false => "NOT CHECKED, from the file itself",
        };
        lines.push(format!("key  {} ({origin})", header.key));
        lines.push(chains(report, header));
    }
    let findings: Vec<&Finding> = report.all_findings().collect();
    lines.extend(findings.iter().map(|finding| format!("- {finding}")));
    let more = more_findings(report);
    if more > 0 {
        lines.push(format!("- and {more} more"));
    }
    let of = format!("{} lines", report.lines);
    lines.push(match report.first_finding() {
        None if report.is_intact() && report.key_is_pinned => format!("INTACT ({of})"),
        None if report.is_intact() => format!("INTACT IN ITSELF ({of}; key not checked)"),
        None => format!("BROKEN ({of})"),
        Some(first) => format!("BROKEN ({of}). First: {first}"),
    });
    lines.join("\n")
}

fn chains(report: &ExportReport, header: &ExportHeader) -> String {
    let mut table = new_table(&[
        "writer",
        "should hold",
        "entries",
        "checkpoints",
        "intact up to",
        "result",
    ]);
    for (range, chain) in header.writers.iter().zip(&report.chains) {
        let result = match chain.findings.first() {
            Some(finding) => finding.fault.name(),
            None if report.header_is_signed => "intact",
            None => "not proven",
        };
        let holds = if range.last < range.first {
            "nothing".to_owned()
        } else {
            format!("{} to {}", range.first, range.last)
        };
        table.add_row([
            range.writer.to_string(),
            holds,
            chain.entries.to_string(),
            chain.checkpoints.to_string(),
            chain.intact_to.to_string(),
            result.to_owned(),
        ]);
    }
    table.to_string()
}

fn more_findings(report: &ExportReport) -> u64 {
    let of_chains = report.chains.iter().map(|chain| chain.more_findings);
    report.more_findings + of_chains.sum::<u64>()
}

fn as_json(source: &str, report: &ExportReport) -> serde_json::Value {
    let finding = |finding: &Finding| {
        json!({
            "fault": finding.fault,
            "writer": finding.writer,
            "sequence": finding.sequence,
            "until": finding.until,
            "unproven_from": finding.unproven_from,
            "line": finding.line,
            "sentence": finding.to_string(),
        })
    };
    let chains = report.chains.iter().map(|chain| {
        json!({
            "writer": chain.writer,
            "entries": chain.entries,
            "checkpoints": chain.checkpoints,
            "intact_to": chain.intact_to,
            "signed_to": chain.signed_to,
            "is_intact": report.header_is_signed && chain.findings.is_empty(),
        })
    });
    json!({
        "file": source,
        "is_intact": report.is_intact(),
        "key_is_pinned": report.key_is_pinned,
        "header_is_signed": report.header_is_signed,
        "header": report.header,
        "lines": report.lines,
        "chains": chains.collect::<Vec<_>>(),
        "first_finding": report.first_finding().map(finding),
        "findings": report.all_findings().map(finding).collect::<Vec<_>>(),
        "more_findings": more_findings(report),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::config::{Args, Command};

    #[test]
    fn options_of_servers_are_refused_beside_a_file() {
        for (given, named) in [
            ("--save s.jsonl", "--save"),
            ("--writer a", "--writer"),
            ("--from 2026-11-22T09:30:00Z", "--from"),
            ("--until 2026-11-22T09:30:00Z", "--until"),
            ("--ca ca.pem", "--ca"),
            ("--certificate c.pem --key k.pem", "--certificate, --key"),
        ] {
            let words = "padan audit verify trail.jsonl".split(' ');
            let args = Args::try_parse_from(words.chain(given.split(' '))).expect("parses");
            let Command::Audit(command) = args.command else {
                panic!("{given}: another command");
            };
            // Before the file is looked for: there is none.
            let Err(Failure::Usage(text)) = run(&command) else {
                panic!("{given} is not refused as usage");
            };
            let said = format!("{named}: such options are for a server's URL");
            assert!(text.starts_with(&said), "{text}");
        }
    }
}
