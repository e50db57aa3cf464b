//! One start of `padan models cost`: how long until it is ready, and what it holds.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use crate::cli::Failure;
use crate::cli::models::cost::{Ready, Worked};
use crate::config::{SharedArgs, this_program};
use crate::evaluation::cost::Memory;

/// Lines that are longer are not from `padan models cost`.
const LINE_BYTES_MAX: u64 = 4096;

/// What one process told.
pub struct Told {
    /// From before it was started to its first line.
    pub start: Duration,
    /// What it held, if its system says.
    pub memory: Option<Memory>,
}

/// Ends a process that was given up.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, which is what is wanted.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts a process for `embedder`, and has it work on `samples`.
pub fn start(shared: &SharedArgs, embedder: &str, samples: &[PathBuf]) -> Result<Told, Failure> {
    let failed = |problem: String| {
        Failure::Technical(format!("a process of its own for {embedder}: {problem}"))
    };
    let program = this_program().map_err(|error| failed(error.to_string()))?;
    let mut command = Command::new(program);
    command
        .args(shared.to_arguments(embedder))
        .args(["models", "cost", "--"])
        .args(samples);
    // What goes wrong there is said on this process's standard error, where people look.
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let started = Instant::now();
    let child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let mut running = Running(child);
    let Some(output) = running.0.stdout.take() else {
        return Err(failed("it has no standard output".to_owned()));
    };
    let mut lines = BufReader::new(output);
    let ready: Ready = read_line(&mut lines).map_err(failed)?;
    let start = started.elapsed();
    let worked: Worked = read_line(&mut lines).map_err(failed)?;
    let memory = ready.resident_bytes.zip(worked.resident_bytes);
    Ok(Told {
        start,
        memory: memory.map(|(ready_bytes, worked_bytes)| Memory {
            ready_bytes,
            worked_bytes,
            samples: worked.samples as u64,
            lanes: ready.lanes,
        }),
    })
}

fn read_line<T: DeserializeOwned>(lines: &mut BufReader<impl std::io::Read>) -> Result<T, String> {
    let mut line = String::new();
    let read = lines.by_ref().take(LINE_BYTES_MAX).read_line(&mut line);
    match read {
        Err(error) => Err(error.to_string()),
        Ok(0) => Err("it ended before it was done; what it said stands above".to_owned()),
        Ok(_) => serde_json::from_str(&line)
            .map_err(|error| format!("it did not say what was expected: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lines_are_read_and_anything_else_is_an_error() {
        let text = "{\"lanes\":2,\"resident_bytes\":7}\n\
                    {\"samples\":3,\"embeddings\":2,\"resident_bytes\":null}\n";
        let mut lines = BufReader::new(text.as_bytes());
        let ready: Ready = read_line(&mut lines).expect("a line");
        assert_eq!((ready.lanes, ready.resident_bytes), (2, Some(7)));
        let worked: Worked = read_line(&mut lines).expect("a line");
        assert_eq!((worked.samples, worked.resident_bytes), (3, None));
        let ended = read_line::<Ready>(&mut lines);
        assert!(ended.expect_err("the end").contains("ended"));
        let endless = "x".repeat(10_000);
        assert!(read_line::<Ready>(&mut BufReader::new(endless.as_bytes())).is_err());
        assert!(read_line::<Ready>(&mut BufReader::new(&[0xff, 0xfe, b'\n'][..])).is_err());
    }
}
