//! Helpers that read, hash and degrade samples ahead of the lanes.

use std::fs::File;
use std::io::{Error, Read as _};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, Scope};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::{AcquireError, AcquireSettings};
use crate::evaluation::cache::{CacheFile, ContentDigest, Remembered};
use crate::evaluation::dataset::{Dataset, Sample};
use crate::evaluation::degrade::DegradeError;

/// Larger files are no samples.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// A sample that a helper is done with.
pub struct Prepared {
    /// Its number in the data set.
    pub number: u32,
    /// Where it lies, for errors.
    pub path: String,
    /// SHA-256 of its file.
    pub digest: ContentDigest,
    pub ready: Ready,
}

/// What there is to be done with it.
pub enum Ready {
    /// Nothing: this came of it before.
    Remembered(Remembered),
    /// Nothing: it is no image, so it could not be degraded.
    Refused,
    /// A lane shall work on it.
    File(Bytes),
}

/// What helpers share.
pub struct Helpers<'a> {
    dataset: &'a Dataset,
    wanted: &'a [u32],
    settings: &'a AcquireSettings<'a>,
    cache: Option<&'a Mutex<CacheFile>>,
}

impl<'a> Helpers<'a> {
    pub fn new(
        dataset: &'a Dataset,
        wanted: &'a [u32],
        settings: &'a AcquireSettings<'a>,
        cache: Option<&'a Mutex<CacheFile>>,
    ) -> Self {
        Self {
            dataset,
            wanted,
            settings,
            cache,
        }
    }

    /// Starts so many helpers. They end when all samples are prepared, when the receiver is gone,
    /// or when it is enough.
    pub fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        helpers: usize,
        sender: &SyncSender<Result<Prepared, AcquireError>>,
    ) -> Result<(), AcquireError> {
        let next = Arc::new(AtomicUsize::new(0));
        for number in 0..helpers {
            let (sender, next) = (sender.clone(), Arc::clone(&next));
            Builder::new()
                .name(format!("read-{number}"))
                .spawn_scoped(scope, move || self.run(&next, &sender))
                .map_err(AcquireError::Thread)?;
        }
        Ok(())
    }

    fn run(&self, next: &AtomicUsize, sender: &SyncSender<Result<Prepared, AcquireError>>) {
        while !self.settings.stop.load(Ordering::Relaxed) {
            let number = self.wanted.get(next.fetch_add(1, Ordering::Relaxed));
            let Some((number, sample)) = number.and_then(|it| Some((*it, self.sample(*it)?)))
            else {
                return;
            };
            if sender.send(self.prepare(number, sample)).is_err() {
                return;
            }
        }
    }

    fn sample(&self, number: u32) -> Option<&Sample> {
        self.dataset.samples.get(usize::try_from(number).ok()?)
    }

    fn prepare(&self, number: u32, sample: &Sample) -> Result<Prepared, AcquireError> {
        let path = sample.path.display().to_string();
        let file = match read(&sample.path) {
            Ok(file) => file,
            Err(cause) => return Err(AcquireError::Unreadable { path, cause }),
        };
        let digest = Sha256::digest(&file).into();
        let ready = match self.recall(&digest) {
            Some(remembered) => Ready::Remembered(remembered),
            None => match self.degrade(file) {
                Ok(file) => Ready::File(file),
                Err(DegradeError::Image(_)) => Ready::Refused,
                Err(error) => {
                    let cause = error.to_string();
                    return Err(AcquireError::Pipeline { path, cause });
                }
            },
        };
        Ok(Prepared {
            number,
            path,
            digest,
            ready,
        })
    }

    fn recall(&self, digest: &ContentDigest) -> Option<Remembered> {
        let cache = self.cache?.lock();
        cache.unwrap_or_else(PoisonError::into_inner).recall(digest)
    }

    fn degrade(&self, file: Vec<u8>) -> Result<Bytes, DegradeError> {
        match self.settings.degradation {
            Some(degradation) => {
                let limits = &self.settings.pipeline.image;
                degradation.apply(&file, limits).map(Bytes::from)
            }
            None => Ok(Bytes::from(file)),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    // Asked before it is opened, since opening a pipe waits for its writer.
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(Error::other("this is not a file"));
    }
    // Room for all of it at once; what the system says of the length is only a hint.
    let length = usize::try_from(metadata.len().min(FILE_BYTES_MAX)).unwrap_or_default();
    let mut file = Vec::with_capacity(length);
    let mut bounded = File::open(path)?.take(FILE_BYTES_MAX + 1);
    bounded.read_to_end(&mut file)?;
    if file.len() as u64 > FILE_BYTES_MAX {
        let problem = format!("it has more than {FILE_BYTES_MAX} bytes and is no sample");
        return Err(Error::other(problem));
    }
    Ok(file)
}
