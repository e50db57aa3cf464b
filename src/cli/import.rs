//! `padan import FILE.csv --server URL`

mod list;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use self::list::{Line, List};
use super::{ANSWER_NO, Failure, Outcome, client};
use crate::config::ImportArgs;
use crate::grpc::proto;
use crate::grpc::proto::enrollment_client::EnrollmentClient;
use crate::grpc::proto::import_request::Message;
use crate::grpc::proto::import_response::Message as Told;

/// Rows that are read ahead of the server.
const READ_AHEAD: usize = 2;

/// Refused lines that are named on the terminal.
const SHOWN_MAX: usize = 20;

/// First line of the file of refused lines.
const REFUSED_HEADING: &str = "line,reasons";

pub fn run(args: &ImportArgs) -> Outcome {
    let list = List::open(&args.list)?;
    let import_id = match &args.import_id {
        Some(id) => id.clone(),
        None => digest_of(&args.list)?,
    };
    let mut book = Book::open(args)?;
    let imported = super::runtime()?.block_on(import(args, list, &import_id, &mut book));
    book.bar.finish_and_clear();
    book.close(args, &import_id)?;
    imported.map_err(|failure| match failure {
        Failure::Technical(text) => Failure::Technical(format!(
            "{text}\nwhat was told so far is stored: the same command with --import-id \
             {import_id} goes on"
        )),
        usage @ Failure::Usage(_) => usage,
    })?;
    Ok(if book.refused == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(ANSWER_NO)
    })
}

fn digest_of(path: &Path) -> Result<String, Failure> {
    let file = File::open(path)?;
    Ok(crate::digest::sha256_hex_of(file)?)
}

/// What was told so far.
struct Book {
    stored: u64,
    refused: u64,
    /// Rows done by an earlier call.
    done_before: u64,
    shown: Vec<(u64, String)>,
    file: Option<Box<dyn Write>>,
    bar: ProgressBar,
}

impl Book {
    fn open(args: &ImportArgs) -> Result<Self, Failure> {
        let bar = ProgressBar::new(std::fs::metadata(&args.list)?.len());
        let style = "{bar:30} {percent}%, {elapsed}, {msg}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Ok(Self {
            stored: 0,
            refused: 0,
            done_before: 0,
            shown: Vec::new(),
            file: None,
            bar,
        })
    }

    /// Begins after `done_to`. The file is opened only now: of the lines before, it has the only
    /// account, which a server that does not answer must not cost.
    fn begin(&mut self, args: &ImportArgs, done_to: u64) -> Result<(), Failure> {
        self.done_before = done_to;
        let file = args.refused.as_deref();
        self.file = file.map(|path| open_refused(path, done_to)).transpose()?;
        Ok(())
    }

    fn refuse(&mut self, line: u64, why: &str) -> Result<(), Failure> {
        self.refused += 1;
        if let Some(file) = &mut self.file {
            writeln!(file, "{line},\"{}\"", why.replace('"', "\"\""))?;
        }
        if self.shown.len() < SHOWN_MAX {
            self.shown.push((line, why.to_owned()));
        }
        self.show();
        Ok(())
    }

    fn result(&mut self, result: &proto::ImportResult) -> Result<(), Failure> {
        if result.outcome() == proto::EnrollmentOutcome::Refused {
            return self.refuse(result.row, &why(result));
        }
        self.stored += 1;
        self.show();
        Ok(())
    }

    fn show(&self) {
        let Self {
            stored, refused, ..
        } = self;
        self.bar
            .set_message(format!("{stored} stored, {refused} refused"));
    }

    fn close(&mut self, args: &ImportArgs, import_id: &str) -> Result<(), Failure> {
        if let Some(file) = &mut self.file {
            file.flush()?;
        }
        if args.json {
            let shown = self.shown.iter();
            let shown = shown.map(|(line, why)| json!({"line": line, "reasons": why}));
            let report = json!({
                "import_id": import_id,
                "done_before_to_line": self.done_before,
                "stored": self.stored,
                "refused": self.refused,
                "first_refused": shown.collect::<Vec<_>>(),
            });
            super::print(&format_args!("{report:#}"));
            return Ok(());
        }
        let mut lines = Vec::new();
        if self.done_before > 0 {
            let to = self.done_before;
            lines.push(format!(
                "lines up to {to} were done by an earlier call; those refused then are not tried \
                 again: give a new --import-id to try them"
            ));
        }
        lines.push(format!("{} stored, {} refused", self.stored, self.refused));
        let shown = self.shown.iter();
        lines.extend(shown.map(|(line, why)| format!("- line {line}: {why}")));
        let more = self.refused.saturating_sub(self.shown.len() as u64);
        if more > 0 {
            lines.push(format!("- and {more} more (--refused FILE lists all)"));
        }
        super::print(&lines.join("\n"));
        Ok(())
    }
}

/// The file of refused lines: a new one, or after lines of an earlier call its continuation.
fn open_refused(path: &Path, done_to: u64) -> Result<Box<dyn Write>, Failure> {
    if path == Path::new("-") {
        let mut out = std::io::stdout();
        writeln!(out, "{REFUSED_HEADING}")?;
        return Ok(Box::new(out));
    }
    let named = |error| Failure::Usage(format!("cannot write {}: {error}", path.display()));
    let file = if done_to > 0 {
        File::options().append(true).create(true).open(path)
    } else {
        File::create(path)
    };
    let file = file.map_err(named)?;
    let is_empty = file.metadata().map_err(named)?.len() == 0;
    let mut file = BufWriter::new(file);
    if is_empty {
        writeln!(file, "{REFUSED_HEADING}")?;
    }
    Ok(Box::new(file))
}

fn why(result: &proto::ImportResult) -> String {
    let reasons = result.reasons.iter().map(|reason| {
        let name = reason.code().as_str_name();
        let name = name.trim_start_matches("REASON_CODE_");
        format!("{name}: {}", reason.text_en)
    });
    let mut words: Vec<String> = reasons.collect();
    if !result.problem.is_empty() {
        words.push(result.problem.clone());
    }
    words.join("; ")
}

/// What the reader says beside its rows.
#[derive(Default)]
struct Aside {
    /// Lines that are not sent.
    refused: Vec<(u64, String)>,
    position: u64,
    failed: Option<String>,
}

type SharedAside = Arc<Mutex<Aside>>;

async fn import(
    args: &ImportArgs,
    list: List,
    import_id: &str,
    book: &mut Book,
) -> Result<(), Failure> {
    let channel = client::channel_with(&args.server, &args.tls).await?;
    let portrait_bytes_max = client::limits(channel.clone()).await?.image_bytes_max;
    let (rows, requests) = mpsc::channel(READ_AHEAD);
    let start = proto::ImportRequest {
        message: Some(Message::Start(proto::ImportStart {
            meta: None,
            import_id: import_id.to_owned(),
        })),
    };
    // There is room for it: nobody has sent anything before.
    drop(rows.send(start).await);
    let aside = SharedAside::default();
    let (begin, begun) = oneshot::channel();
    let reader = {
        let aside = Arc::clone(&aside);
        tokio::task::spawn_blocking(move || read(list, portrait_bytes_max, begun, &rows, &aside))
    };
    let mut client = EnrollmentClient::new(channel);
    let answers = client.import(ReceiverStream::new(requests)).await;
    let answers = answers.map_err(|status| client::from_status(&status))?;
    follow(args, answers.into_inner(), begin, &aside, book).await?;
    drop(reader.await);
    take_aside(&aside, book)
}

async fn follow(
    args: &ImportArgs,
    mut answers: Streaming<proto::ImportResponse>,
    begin: oneshot::Sender<u64>,
    aside: &SharedAside,
    book: &mut Book,
) -> Result<(), Failure> {
    let mut begin = Some(begin);
    while let Some(answer) = answers.next().await {
        match answer
            .map_err(|status| client::from_status(&status))?
            .message
        {
            Some(Told::Started(started)) => {
                if let Some(begin) = begin.take() {
                    book.begin(args, started.done_to)?;
                    // Without a reader there are no rows, which it says itself.
                    let _ = begin.send(started.done_to);
                }
            }
            Some(Told::Result(result)) => book.result(&result)?,
            Some(Told::Progress(_)) | None => {}
        }
        take_aside(aside, book)?;
    }
    Ok(())
}

fn take_aside(aside: &SharedAside, book: &mut Book) -> Result<(), Failure> {
    let taken = {
        let mut aside = aside.lock().unwrap_or_else(PoisonError::into_inner);
        book.bar.set_position(aside.position);
        (std::mem::take(&mut aside.refused), aside.failed.take())
    };
    for (line, why) in taken.0 {
        book.refuse(line, &why)?;
    }
    taken.1.map_or(Ok(()), |text| Err(Failure::Technical(text)))
}

/// Reads rows until nobody takes them any more.
fn read(
    mut list: List,
    portrait_bytes_max: u64,
    begun: oneshot::Receiver<u64>,
    rows: &mpsc::Sender<proto::ImportRequest>,
    aside: &SharedAside,
) {
    let Ok(done_to) = begun.blocking_recv() else {
        return;
    };
    loop {
        let line = list.next(done_to, portrait_bytes_max);
        let row = {
            let mut aside = aside.lock().unwrap_or_else(PoisonError::into_inner);
            aside.position = list.position;
            match line {
                Ok(Some(Line::Row(row))) => Some(row),
                Ok(Some(Line::Refused(number, problem))) => {
                    aside.refused.push((number, problem));
                    None
                }
                Ok(None) => return,
                Err(error) => {
                    aside.failed = Some(format!("the list cannot be read: {error}"));
                    return;
                }
            }
        };
        let Some(row) = row else { continue };
        let request = proto::ImportRequest {
            message: Some(Message::Row(*row)),
        };
        if rows.blocking_send(request).is_err() {
            return;
        }
    }
}
