//! What a model costs: time, throughput, memory. Models take turns within one process, so that
//! whatever slows the machine for a while slows all of them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::engine::{Checkpoint, Class, Engine, Reply};
use crate::pipeline::{Goal, Pipeline, SampleError, SampleResult, SampleTask};
use crate::sample::SampleRole;
use crate::sample::detect::FaceChoice;

/// Samples that each model works on before anything is timed.
const WARMING: usize = 3;

/// Times of many samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// How many.
    pub count: usize,
    /// Half took no longer.
    pub median: Duration,
    /// 90 % took no longer.
    pub p90: Duration,
    /// 99 % took no longer.
    pub p99: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Spread {
    /// The quantiles, each the time of nearest rank: one that was seen. `None` without times.
    #[must_use]
    pub fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let count = times.len();
        let at = |percent: usize| {
            let rank = count.saturating_mul(percent).div_ceil(100);
            times.get(rank.saturating_sub(1)).copied()
        };
        Some(Self {
            count,
            median: at(50)?,
            p90: at(90)?,
            p99: at(99)?,
            longest: at(100)?,
        })
    }
}

/// Samples a second with all lanes.
#[derive(Debug, Clone, PartialEq)]
pub struct Throughput {
    /// Median over the turns.
    pub samples_per_s: f64,
    /// What each turn found.
    pub turns: Vec<f64>,
    /// How long a turn lasted at least.
    pub turn: Duration,
    /// Lanes that worked.
    pub lanes: usize,
}

/// Time from starting a process to being ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartTime {
    /// Median over the starts.
    pub median: Duration,
    /// Each start.
    pub starts: Vec<Duration>,
}

/// Memory that a process of its own holds (its resident set).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// When ready, before the first sample, bytes.
    pub ready_bytes: u64,
    /// After the samples, bytes.
    pub worked_bytes: u64,
    /// Samples that it worked on.
    pub samples: u64,
    /// Lanes, each with sessions of its own.
    pub lanes: usize,
}

/// What one model costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// A whole sample on one lane, from its bytes to its embedding.
    pub latency: Spread,
    /// The embedding alone.
    pub embed: Spread,
    /// Samples that were left out because one of the models found no face.
    pub left_out: usize,
    /// With all lanes.
    pub throughput: Throughput,
    /// Of a process of its own.
    pub start: StartTime,
    /// Of a process of its own; none where the system does not tell.
    pub memory: Option<Memory>,
}

/// Cost that could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum CostError {
    /// A model failed.
    #[error("{0}")]
    Pipeline(String),
    /// No sample shows a face that all models embed.
    #[error(
        "no sample of the data set gives every model an embedding, so that there is nothing to \
         time: measure without cost, or use samples with faces"
    )]
    NoFaces,
    /// Whoever watched wanted no more.
    #[error("interrupted while models were timed")]
    Interrupted,
}

/// How long one sample took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleTime {
    /// From its bytes to its embedding.
    pub whole: Duration,
    /// The embedding alone.
    pub embed: Duration,
}

/// Something that works on a sample and says how long it took.
pub trait Timed {
    /// The times; `None` when there was no face to embed.
    ///
    /// # Errors
    /// When the work itself failed.
    fn time(&mut self, sample: &Bytes) -> Result<Option<SampleTime>, CostError>;
}

impl Timed for Pipeline {
    fn time(&mut self, sample: &Bytes) -> Result<Option<SampleTime>, CostError> {
        let task = sample_task(sample);
        let started = Instant::now();
        let result = self.run(&task, &Checkpoint::always());
        let whole = started.elapsed();
        let times = |result: SampleResult| SampleTime {
            whole,
            embed: result.times.embed,
        };
        embedded(result).map(|found| found.map(times))
    }
}

/// As an evaluation without quality limits does it.
fn sample_task(sample: &Bytes) -> SampleTask {
    SampleTask {
        cascade: None,
        image: sample.clone(),
        role: SampleRole::Probe,
        choice: FaceChoice::Central,
        goal: Goal::EmbedAnyway,
    }
}

/// The result if there is an embedding: an unacceptable image has none.
fn embedded(result: Result<SampleResult, SampleError>) -> Result<Option<SampleResult>, CostError> {
    match result {
        Ok(result) => Ok(result.template.is_some().then_some(result)),
        Err(SampleError::Image(_)) => Ok(None),
        Err(error) => Err(CostError::Pipeline(error.to_string())),
    }
}

/// Times of one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// Whole samples.
    pub whole: Spread,
    /// Embeddings alone.
    pub embed: Spread,
    /// Samples that were left out because one of the models found no face.
    pub left_out: usize,
}

/// Each sample by each model in turn, on this thread, in so many rounds over all samples; another
/// model begins with each sample. All models are timed on the same samples. `progress` is called
/// after each sample of a round; its error ends the work.
///
/// # Errors
/// When a model fails, or there is no sample that all models embed; that of `progress`.
pub fn latencies<T: Timed>(
    models: &mut [T],
    samples: &[Bytes],
    rounds: u32,
    progress: &dyn Fn() -> Result<(), CostError>,
) -> Result<Vec<Latency>, CostError> {
    for sample in samples.iter().take(WARMING) {
        for model in models.iter_mut() {
            model.time(sample)?;
        }
    }
    let mut times: Vec<(Vec<Duration>, Vec<Duration>)> = vec![Default::default(); models.len()];
    let mut left_out = 0;
    for round in 0..rounds {
        for (sample, begin) in samples.iter().zip((0..).skip(usize::from(round % 2 == 1))) {
            let found = one_after_another(models, begin, |model| model.time(sample))?;
            let found: Option<Vec<SampleTime>> = found.into_iter().collect();
            match found {
                Some(found) => {
                    for ((whole, embed), time) in times.iter_mut().zip(found) {
                        whole.push(time.whole);
                        embed.push(time.embed);
                    }
                }
                None if round == 0 => left_out += 1,
                None => {}
            }
            progress()?;
        }
    }
    let spreads = times.into_iter().map(|(whole, embed)| {
        Some(Latency {
            whole: Spread::of(whole)?,
            embed: Spread::of(embed)?,
            left_out,
        })
    });
    spreads.collect::<Option<_>>().ok_or(CostError::NoFaces)
}

/// Asks each model once, beginning with number `begin` (which may exceed their number); the
/// answers are in the models' order.
///
/// # Errors
/// The first that a model gave.
pub fn one_after_another<M, T, E>(
    models: &mut [M],
    begin: usize,
    mut ask: impl FnMut(&mut M) -> Result<T, E>,
) -> Result<Vec<T>, E> {
    let begin = begin.checked_rem(models.len()).unwrap_or(0);
    let (later, first) = models.split_at_mut(begin);
    let mut answers = first
        .iter_mut()
        .map(&mut ask)
        .collect::<Result<Vec<T>, E>>()?;
    let rest = later
        .iter_mut()
        .map(&mut ask)
        .collect::<Result<Vec<T>, E>>()?;
    answers.extend(rest);
    answers.rotate_right(begin);
    Ok(answers)
}

/// Keeps all lanes of each engine busy for a turn, engine after engine, so many turns each;
/// another engine begins each time. `progress` is called after each turn of an engine; its error
/// ends the work.
///
/// # Errors
/// When an engine fails; that of `progress`.
pub fn throughputs(
    engines: &mut [Engine<Pipeline>],
    samples: &[Bytes],
    turns: u32,
    turn: Duration,
    progress: &dyn Fn() -> Result<(), CostError>,
) -> Result<Vec<Throughput>, CostError> {
    let mut found: Vec<Vec<f64>> = vec![Vec::new(); engines.len()];
    for begin in (0..).take(usize::try_from(turns).unwrap_or(usize::MAX)) {
        let rates = one_after_another(engines, begin, |engine| {
            let rate = busy(engine, samples, turn);
            progress().and(rate)
        })?;
        for (found, rate) in found.iter_mut().zip(rates) {
            found.push(rate);
        }
    }
    let engines = engines.iter().map(|engine| engine.settings().lanes.get());
    let throughputs = engines.zip(found).map(|(lanes, turns)| Throughput {
        samples_per_s: median(&turns),
        turns,
        turn,
        lanes,
    });
    Ok(throughputs.collect())
}

/// Samples a second while all lanes of `engine` are kept busy for `span`.
fn busy(engine: &Engine<Pipeline>, samples: &[Bytes], span: Duration) -> Result<f64, CostError> {
    let in_flight_max = engine.settings().lanes.get() * 2;
    let started = Instant::now();
    let mut in_flight = VecDeque::new();
    let mut done = 0_u32;
    for sample in samples.iter().cycle() {
        if in_flight.len() >= in_flight_max {
            in_flight.pop_front().map_or(Ok(()), finish)?;
            done = done.saturating_add(1);
        }
        if started.elapsed() >= span {
            break;
        }
        in_flight.push_back(submit(engine, sample)?);
    }
    for reply in in_flight {
        finish(reply)?;
        done = done.saturating_add(1);
    }
    Ok(f64::from(done) / started.elapsed().as_secs_f64())
}

/// Works on each sample once with all lanes; says how many gave an embedding.
///
/// # Errors
/// When the engine fails.
pub fn work_through(engine: &Engine<Pipeline>, samples: &[Bytes]) -> Result<usize, CostError> {
    let in_flight_max = engine.settings().lanes.get() * 2;
    let mut in_flight = VecDeque::new();
    let mut embeddings = 0;
    for sample in samples {
        if in_flight.len() >= in_flight_max
            && let Some(reply) = in_flight.pop_front()
        {
            embeddings += usize::from(take(reply)?);
        }
        in_flight.push_back(submit(engine, sample)?);
    }
    for reply in in_flight {
        embeddings += usize::from(take(reply)?);
    }
    Ok(embeddings)
}

type Waiting = Reply<Result<SampleResult, SampleError>>;

fn submit(engine: &Engine<Pipeline>, sample: &Bytes) -> Result<Waiting, CostError> {
    let submitted = engine.submit(Class::Bulk, None, [sample_task(sample)]);
    let [reply] = submitted.map_err(|error| CostError::Pipeline(error.to_string()))?;
    Ok(reply)
}

fn finish(reply: Waiting) -> Result<(), CostError> {
    take(reply).map(drop)
}

/// Whether there was an embedding.
fn take(reply: Waiting) -> Result<bool, CostError> {
    let completed = reply.wait_blocking();
    let completed = completed.map_err(|error| CostError::Pipeline(error.to_string()))?;
    embedded(completed.output).map(|found| found.is_some())
}

/// The middle value, or the mean of both; not a number without values.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(at(middle.wrapping_sub(1)), at(middle))
    } else {
        at(middle)
    }
}

#[cfg(test)]
mod tests;
