//! `padan models cost`: one process that makes one model ready and works on some samples, and says
//! on its standard output, line by line as JSON, when it is ready and how much memory it holds.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::{Failure, Outcome, print, read_sample};
use crate::app::ModelSet;
use crate::config::Config;
use crate::evaluation::cost::work_through;

/// The first line: ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Lanes, each with sessions of its own.
    pub lanes: usize,
    /// Resident set, bytes; none where the system does not tell.
    pub resident_bytes: Option<u64>,
}

/// The second line: the samples are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worked {
    /// Samples.
    pub samples: usize,
    /// Those that gave an embedding.
    pub embeddings: usize,
    /// Resident set, bytes; none where the system does not tell.
    pub resident_bytes: Option<u64>,
}

pub fn run(config: &Config, samples: &[PathBuf]) -> Outcome {
    let models = Arc::new(ModelSet::select(config)?);
    let mut config = config.clone();
    config.engine.queue_length_max = room_for_bulk_work(config.engine.lanes);
    let engine = models.start_engine(&config)?;
    let lanes = config.engine.lanes.get();
    say(&Ready {
        lanes,
        resident_bytes: resident_bytes(),
    })?;
    let mut embeddings = 0;
    // A few at a time: what is measured is the model, and not the samples in memory.
    for some in samples.chunks(lanes.saturating_mul(2)) {
        let some: Result<Vec<_>, _> = some.iter().map(|path| read_sample(path)).collect();
        let worked = work_through(&engine, &some?);
        embeddings += worked.map_err(|error| Failure::Technical(error.to_string()))?;
    }
    say(&Worked {
        samples: samples.len(),
        embeddings,
        resident_bytes: resident_bytes(),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Two samples wait for each lane; bulk work takes half of a queue.
pub fn room_for_bulk_work(lanes: NonZeroUsize) -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(lanes.get().saturating_mul(8))
}

fn say(line: &impl Serialize) -> Result<(), Failure> {
    let line = serde_json::to_string(line);
    let line = line.map_err(|error| Failure::Technical(error.to_string()))?;
    print(&line);
    Ok(())
}

/// Memory that this process holds, bytes; none on systems without `/proc`.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).ok()?;
    resident_bytes_of(&status)
}

/// `VmRSS` in the text of `/proc/PID/status`; see proc(5).
fn resident_bytes_of(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_set_is_read_as_the_manual_says_it_stands_there() {
        let status = "Name:\tpadan\nVmHWM:\t  90000 kB\nVmRSS:\t   81234 kB\nThreads:\t3\n";
        assert_eq!(resident_bytes_of(status), Some(81_234 * 1024));
        for wrong in [
            "",
            "VmRSS:",
            "VmRSS:\t kB",
            "VmRSS: 1 MB",
            "VmRSS: 99999999999999999999 kB",
        ] {
            assert_eq!(resident_bytes_of(wrong), None, "{wrong}");
        }
    }
}
