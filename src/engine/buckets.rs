//! Which jobs an accelerator runs together: pure data structures, without threads or time.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

/// Larger batches are not accepted: their memory would be asked for at start.
const BATCH_SIZE_MAX: usize = 256;

/// Batch sizes that make no buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("batch sizes must be 1 to {BATCH_SIZE_MAX}, ascending, and at least one")]
pub struct BucketsError;

/// The batch sizes an accelerator runs, each prepared at start: another size would cost it a new
/// preparation in the middle of service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buckets(Vec<NonZeroUsize>);

impl Buckets {
    /// Buckets of these sizes.
    ///
    /// # Errors
    /// When there is none, or they do not ascend within 1 to 256.
    pub fn new(sizes: &[usize]) -> Result<Self, BucketsError> {
        let ascend = sizes.is_sorted_by(|one, next| one < next);
        let sizes: Option<Vec<_>> = sizes.iter().copied().map(NonZeroUsize::new).collect();
        match sizes {
            Some(sizes)
                if ascend
                    && sizes
                        .last()
                        .is_some_and(|last| last.get() <= BATCH_SIZE_MAX) =>
            {
                Ok(Self(sizes))
            }
            _ => Err(BucketsError),
        }
    }

    /// No batches: one job at a time.
    #[must_use]
    pub fn single() -> Self {
        Self(vec![NonZeroUsize::MIN])
    }

    /// Their sizes, ascending.
    pub fn sizes(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().map(|size| size.get())
    }

    /// The largest size.
    #[must_use]
    pub fn largest(&self) -> usize {
        self.sizes().last().unwrap_or(1)
    }

    /// The smallest bucket with room for `count` jobs, or the largest.
    #[must_use]
    pub fn fitting(&self, count: usize) -> usize {
        self.sizes()
            .find(|size| *size >= count)
            .unwrap_or(self.largest())
    }
}

/// Jobs to run together, and the size they are padded to.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch<J> {
    /// Oldest first; at least one, at most `bucket`.
    pub jobs: Vec<J>,
    /// Size to run.
    pub bucket: usize,
}

/// Jobs that gather while the device is busy. Work-conserving: when the device is free and
/// anything waits, there is a batch; nothing ever waits for company.
#[derive(Debug)]
pub struct Gathering<J> {
    waiting: VecDeque<J>,
    buckets: Buckets,
    length_max: usize,
}

impl<J> Gathering<J> {
    /// Nothing gathered yet; at most `length_max` jobs may.
    pub fn new(buckets: Buckets, length_max: NonZeroUsize) -> Self {
        Self {
            waiting: VecDeque::new(),
            buckets,
            length_max: length_max.get(),
        }
    }

    /// Jobs that wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Takes a job, or gives it back when there is no room.
    pub fn push(&mut self, job: J) -> Result<(), J> {
        if self.len() >= self.length_max {
            return Err(job);
        }
        self.waiting.push_back(job);
        Ok(())
    }

    /// What a free device runs next; `None` exactly when nothing waits.
    pub fn take(&mut self) -> Option<Batch<J>> {
        let count = self.len().min(self.buckets.largest());
        let jobs: Vec<J> = self.waiting.drain(..count).collect();
        (count > 0).then(|| Batch {
            jobs,
            bucket: self.buckets.fitting(count),
        })
    }

    /// Everything that waits, oldest first.
    pub fn take_all(&mut self) -> Vec<J> {
        self.waiting.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_ascend_and_are_never_empty() {
        for sizes in [&[][..], &[0], &[0, 1], &[4, 1], &[2, 2], &[1, 257]] {
            assert_eq!(Buckets::new(sizes), Err(BucketsError), "{sizes:?}");
        }
        let buckets = Buckets::new(&[2, 8]).expect("valid");
        let fitting = [1, 2, 3, 8, 9].map(|count| buckets.fitting(count));
        assert_eq!(fitting, [2, 2, 8, 8, 8]);
    }

    fn any_buckets() -> impl Strategy<Value = Buckets> {
        proptest::collection::btree_set(1_usize..=32, 1..5).prop_map(|sizes| {
            let sizes: Vec<_> = sizes.into_iter().collect();
            Buckets::new(&sizes).expect("a set ascends")
        })
    }

    proptest! {
        /// Any order of arrivals and of the device becoming free: each accepted job runs once, in
        /// its order; a batch takes all that waits up to the largest bucket, in the smallest
        /// bucket that fits; a free device with work waiting always has a batch.
        #[test]
        fn every_accepted_job_runs_once_in_order_and_never_waits_for_company(
            buckets in any_buckets(),
            length_max in 1_usize..40,
            steps in proptest::collection::vec(any::<bool>(), 0..300),
        ) {
            let room = NonZeroUsize::new(length_max).expect("not zero");
            let mut gathering = Gathering::new(buckets.clone(), room);
            let (mut offered, mut accepted, mut run) = (0_u32, Vec::new(), Vec::new());
            for device_is_free in steps.into_iter().chain([true; 40]) {
                let waiting = accepted.len() - run.len();
                prop_assert_eq!(gathering.len(), waiting);
                if !device_is_free {
                    let taken = gathering.push(offered);
                    prop_assert_eq!(taken.is_ok(), waiting < length_max);
                    if taken.is_ok() {
                        accepted.push(offered);
                    }
                    offered += 1;
                    continue;
                }
                let Some(batch) = gathering.take() else {
                    prop_assert_eq!(waiting, 0, "a free device is kept waiting");
                    continue;
                };
                let count = batch.jobs.len();
                prop_assert_eq!(count, waiting.min(buckets.largest()));
                prop_assert!(count >= 1 && count <= batch.bucket);
                prop_assert!(buckets.sizes().any(|size| size == batch.bucket));
                let smaller = buckets.sizes().any(|size| size >= count && size < batch.bucket);
                prop_assert!(!smaller, "a smaller bucket fits");
                run.extend(batch.jobs);
            }
            prop_assert_eq!(run, accepted);
        }
    }
}
