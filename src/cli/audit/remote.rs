//! A server's export: checked while it arrives, or written into a file.

use std::io::{self, BufReader, Read, Write as _};
use std::path::Path;
use std::time::SystemTime;

use indicatif::ProgressBar;
use tempfile::NamedTempFile;
use tokio::sync::mpsc;
use tonic::Streaming;

use super::super::{Failure, client, runtime};
use crate::audit::{self, ExportReport};
use crate::config::{ClientTlsArgs, TrailPartArgs};
use crate::grpc::proto;
use crate::grpc::proto::audit_client::AuditClient;
use crate::keys::PublicKey;

/// Pieces of the export that wait to be checked.
const WAITING_MAX: usize = 4;

/// Which export of which server.
pub struct Source<'a> {
    pub url: &'a str,
    pub part: &'a TrailPartArgs,
    pub tls: &'a ClientTlsArgs,
}

/// Whether a text means a server and not a file.
pub fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

impl Source<'_> {
    /// Checks the export while it arrives, in bounded memory, and keeps it when told where.
    pub fn verify(
        &self,
        key: Option<PublicKey>,
        save: Option<&Path>,
        bar: &ProgressBar,
    ) -> Result<ExportReport, Failure> {
        let copy = save.map(unfinished).transpose()?;
        let bar = bar.clone();
        let (report, copy) = runtime()?.block_on(async {
            let stream = self.call().await?;
            let (pieces, receiver) = mpsc::channel(WAITING_MAX);
            let check = tokio::task::spawn_blocking(move || {
                let mut reader = BufReader::new(Pieces {
                    receiver,
                    piece: Vec::new(),
                    at: 0,
                    copy,
                });
                let mut progress = |bytes| bar.set_position(bytes);
                let report = audit::verify_export(&mut reader, key, &mut progress);
                (report, reader.into_inner().copy)
            });
            receive(stream, pieces).await;
            let ended = check.await;
            ended.map_err(|error| Failure::Technical(error.to_string()))
        })?;
        let named = |cause| Failure::Technical(format!("cannot check {}: {cause}", self.url));
        let report = report.map_err(|error| named(error.to_string()))?;
        if let (Some(copy), Some(path)) = (copy, save) {
            finish(copy, path)?;
        }
        Ok(report)
    }

    /// Writes the export into a file, which appears when it is whole. Returns its bytes.
    pub fn save(&self, path: &Path, bar: &ProgressBar) -> Result<u64, Failure> {
        let mut file = unfinished(path)?;
        let bytes = runtime()?.block_on(async {
            let mut stream = self.call().await?;
            let mut bytes = 0;
            loop {
                let piece = stream.message().await;
                let piece = piece.map_err(|status| client::from_status(&status))?;
                let Some(piece) = piece else {
                    return Ok::<_, Failure>(bytes);
                };
                file.write_all(&piece.data)?;
                bytes += piece.data.len() as u64;
                bar.set_position(bytes);
            }
        })?;
        finish(file, path)?;
        Ok(bytes)
    }

    async fn call(&self) -> Result<Streaming<proto::ExportResponse>, Failure> {
        let channel = client::channel_with(self.url, self.tls).await?;
        let timestamp = |moment| prost_types::Timestamp::from(SystemTime::from(moment));
        let part = proto::TrailPart {
            writer: self.part.writer.clone().unwrap_or_default(),
            from: self.part.from.map(timestamp),
            until: self.part.until.map(timestamp),
            ..Default::default()
        };
        let request = proto::ExportRequest { part: Some(part) };
        let answer = AuditClient::new(channel).export(request).await;
        let answer = answer.map_err(|status| client::from_status(&status))?;
        Ok(answer.into_inner())
    }
}

/// Hands pieces on until the export is over or nobody wants them any more.
async fn receive(
    mut stream: Streaming<proto::ExportResponse>,
    pieces: mpsc::Sender<io::Result<Vec<u8>>>,
) {
    loop {
        let piece = match stream.message().await {
            Ok(None) => return,
            Ok(Some(piece)) => Ok(piece.data),
            Err(status) => Err(io::Error::other(client::from_status(&status).to_string())),
        };
        let is_last = piece.is_err();
        if pieces.send(piece).await.is_err() || is_last {
            return;
        }
    }
}

/// The export as whoever checks it reads it.
struct Pieces {
    receiver: mpsc::Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    at: usize,
    copy: Option<NamedTempFile>,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.piece.len() {
            let Some(piece) = self.receiver.blocking_recv() else {
                return Ok(0);
            };
            self.piece = piece?;
            self.at = 0;
            if let Some(copy) = &mut self.copy {
                copy.write_all(&self.piece)?;
            }
        }
        let rest = self.piece.get(self.at..).unwrap_or_default();
        let read = Read::read(&mut &*rest, buffer)?;
        self.at += read;
        Ok(read)
    }
}

/// A file beside `path` for its owner alone, which gets the name once it is whole.
fn unfinished(path: &Path) -> Result<NamedTempFile, Failure> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")));
    file.map_err(|error| cannot_write(path, &error))
}

fn finish(file: NamedTempFile, path: &Path) -> Result<(), Failure> {
    let durable = file.as_file().sync_all();
    durable.map_err(|error| cannot_write(path, &error))?;
    let named = file.persist(path);
    named.map_err(|error| cannot_write(path, &error.error))?;
    Ok(())
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::Technical(format!("cannot write {}: {error}", path.display()))
}
