//! The part of the work that the calling thread does: giving samples to lanes, taking results.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::prepare::{Prepared, Ready};
use super::{AcquireError, AcquireSettings, Acquired, Progress};
use crate::embed::{Embedding, Template};
use crate::engine::{Class, Engine, Reply, SubmitError};
use crate::evaluation::cache::{CacheError, CacheFile, ContentDigest};
use crate::evaluation::dataset::Dataset;
use crate::pipeline::{Goal, Pipeline, SampleError, SampleResult, SampleTask};
use crate::sample::SampleRole;

/// Jobs that wait or are worked on at most: enough for every lane to find the next one, and no
/// more than bulk work may have in the queue.
fn in_flight_max(engine: &Engine<Pipeline>) -> usize {
    let settings = engine.settings();
    let share = settings.queue_length_max.get().div_ceil(2);
    settings.lanes.get().saturating_mul(4).min(share)
}

type Output = Result<SampleResult, SampleError>;

/// A sample on its way through a lane.
struct InFlight {
    number: u32,
    path: String,
    digest: ContentDigest,
    reply: Reply<Output>,
}

/// The part of the work that the calling thread does.
pub struct Run<'a> {
    engine: &'a Engine<Pipeline>,
    settings: &'a AcquireSettings<'a>,
    cache: Option<&'a Mutex<CacheFile>>,
    progress: &'a dyn Fn(Progress<'_>),
    total: usize,
    in_flight_max: usize,
    in_flight: VecDeque<InFlight>,
    /// When a lane was first given a sample.
    began: Option<Instant>,
    acquired: Acquired,
}

impl<'a> Run<'a> {
    pub fn new(
        engine: &'a Engine<Pipeline>,
        dataset: &Dataset,
        settings: &'a AcquireSettings<'a>,
        cache: Option<&'a Mutex<CacheFile>>,
        progress: &'a dyn Fn(Progress<'_>),
    ) -> Self {
        let samples = dataset.samples.len();
        Self {
            engine,
            settings,
            cache,
            progress,
            total: 0,
            in_flight_max: in_flight_max(engine),
            in_flight: VecDeque::new(),
            began: None,
            acquired: Acquired {
                embeddings: vec![None; samples],
                digests: vec![None; samples],
                failures: 0,
                computed: 0,
                remembered: 0,
                took: Duration::ZERO,
            },
        }
    }

    /// Takes what the helpers prepare until `total` samples are done, or it is enough.
    pub fn take_all(
        mut self,
        receiver: Receiver<Result<Prepared, AcquireError>>,
        total: usize,
    ) -> Result<Acquired, AcquireError> {
        self.total = total;
        // The helpers stop, too, and then this ends.
        for prepared in receiver {
            self.take(prepared?)?;
            if self.is_stopped() {
                break;
            }
        }
        while self.finish_oldest()? {}
        let done = self.done();
        if done < total {
            return Err(AcquireError::Interrupted { done, total });
        }
        Ok(self.acquired)
    }

    fn is_stopped(&self) -> bool {
        self.settings.stop.load(Ordering::Relaxed)
    }

    fn done(&self) -> usize {
        usize::try_from(self.acquired.computed + self.acquired.remembered).unwrap_or(usize::MAX)
    }

    fn take(&mut self, prepared: Prepared) -> Result<(), AcquireError> {
        let Prepared {
            number,
            path,
            digest,
            ready,
        } = prepared;
        match ready {
            Ready::Remembered(remembered) => {
                self.acquired.remembered += 1;
                self.put(number, digest, remembered.embedding);
            }
            Ready::Refused => {
                self.acquired.computed += 1;
                self.remember(digest, None);
                self.put(number, digest, None);
            }
            Ready::File(image) => {
                while self.in_flight.len() >= self.in_flight_max {
                    self.finish_oldest()?;
                }
                let reply = self.submit(&path, &image)?;
                self.in_flight.push_back(InFlight {
                    number,
                    path,
                    digest,
                    reply,
                });
            }
        }
        Ok(())
    }

    /// Gives a sample to the lanes; waits while the queue is full of others' work.
    fn submit(&mut self, path: &str, image: &Bytes) -> Result<Reply<Output>, AcquireError> {
        let goal = if self.settings.gated {
            Goal::Embed
        } else {
            Goal::EmbedAnyway
        };
        let task = SampleTask {
            cascade: None,
            image: image.clone(),
            role: self.settings.role().unwrap_or(SampleRole::Probe),
            choice: self.settings.choice,
            goal,
        };
        self.began.get_or_insert_with(Instant::now);
        loop {
            match self.engine.submit(Class::Bulk, None, [task.clone()]) {
                Ok([reply]) => return Ok(reply),
                Err(SubmitError::Full { retry_after }) => {
                    if !self.finish_oldest()? {
                        std::thread::sleep(retry_after.min(Duration::from_millis(100)));
                    }
                }
                Err(error @ SubmitError::Closed) => {
                    return Err(AcquireError::Pipeline {
                        path: path.to_owned(),
                        cause: error.to_string(),
                    });
                }
            }
        }
    }

    /// Waits for the sample that was submitted first; `false` when there is none.
    fn finish_oldest(&mut self) -> Result<bool, AcquireError> {
        let Some(oldest) = self.in_flight.pop_front() else {
            return Ok(false);
        };
        let template = finish(oldest.reply).map_err(|cause| AcquireError::Pipeline {
            path: oldest.path,
            cause,
        })?;
        self.acquired.computed += 1;
        self.acquired.took = self.began.map_or(Duration::ZERO, |began| began.elapsed());
        self.remember(oldest.digest, template.as_ref());
        let embedding = template.map(|template| template.embedding);
        self.put(oldest.number, oldest.digest, embedding);
        Ok(true)
    }

    fn remember(&self, digest: ContentDigest, template: Option<&Template>) {
        let Some(cache) = self.cache else {
            return;
        };
        let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
        let done: Result<(), CacheError> = cache.remember(digest, template);
        if let Err(error) = done {
            (self.progress)(Progress::Note(&error.to_string()));
        }
    }

    fn put(&mut self, number: u32, digest: ContentDigest, embedding: Option<Embedding>) {
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        self.acquired.failures += u64::from(embedding.is_none());
        if let Some(slot) = self.acquired.embeddings.get_mut(place) {
            *slot = embedding;
        }
        if let Some(slot) = self.acquired.digests.get_mut(place) {
            *slot = Some(digest);
        }
        (self.progress)(Progress::Sample {
            done: self.done(),
            remembered: usize::try_from(self.acquired.remembered).unwrap_or(usize::MAX),
            total: self.total,
        });
    }
}

/// The template; `None` is a failure to acquire, which an unacceptable image is, too.
fn finish(reply: Reply<Output>) -> Result<Option<Template>, String> {
    let completed = reply.wait_blocking().map_err(|error| error.to_string())?;
    match completed.output {
        Ok(result) => Ok(result.template),
        Err(SampleError::Image(_)) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}
