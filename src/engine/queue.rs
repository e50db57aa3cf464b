//! The order in which jobs are served: a pure data structure, without threads or time.

use std::collections::VecDeque;

/// How urgent a job is; earlier variants are served first, and within one the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A person waits in front of a camera.
    LiveCheck,
    /// A person waits for an activation.
    Activation,
    /// Nobody waits. Takes at most half of the queue, so that it never locks the others out.
    Bulk,
}

impl Class {
    const ALL: [Self; 3] = [Self::LiveCheck, Self::Activation, Self::Bulk];
}

/// A bounded queue with classes.
#[derive(Debug)]
pub struct JobQueue<J> {
    waiting: [VecDeque<J>; 3],
    length_max: usize,
}

impl<J> JobQueue<J> {
    /// An empty queue for `length_max` jobs.
    pub fn new(length_max: usize) -> Self {
        Self {
            waiting: std::array::from_fn(|_| VecDeque::new()),
            length_max,
        }
    }

    /// Jobs that wait.
    pub fn len(&self) -> usize {
        self.waiting.iter().map(VecDeque::len).sum()
    }

    /// Whether so many jobs of the most urgent class fit.
    pub fn has_room(&self, jobs: usize) -> bool {
        self.len() + jobs <= self.length_max
    }

    /// Takes all jobs in their order, or gives all back when they do not fit.
    pub fn push(&mut self, class: Class, jobs: Vec<J>) -> Result<(), Vec<J>> {
        let share = match class {
            Class::LiveCheck | Class::Activation => self.length_max,
            Class::Bulk => self.length_max.div_ceil(2),
        };
        let has_room = self.has_room(jobs.len());
        let waiting = self.of_class(class);
        if !has_room || waiting.len() + jobs.len() > share {
            return Err(jobs);
        }
        waiting.extend(jobs);
        Ok(())
    }

    /// Takes out the jobs that are not wanted any more, wherever they stand.
    pub fn remove_if(&mut self, is_unwanted: impl Fn(&J) -> bool) -> Vec<J> {
        let mut removed = Vec::new();
        for waiting in &mut self.waiting {
            let jobs = std::mem::take(waiting);
            let (unwanted, wanted): (VecDeque<J>, _) = jobs.into_iter().partition(&is_unwanted);
            *waiting = wanted;
            removed.extend(unwanted);
        }
        removed
    }

    /// The next job to serve.
    pub fn pop(&mut self) -> Option<J> {
        Class::ALL
            .into_iter()
            .find_map(|class| self.of_class(class).pop_front())
    }

    fn of_class(&mut self, class: Class) -> &mut VecDeque<J> {
        let [live, activation, bulk] = &mut self.waiting;
        match class {
            Class::LiveCheck => live,
            Class::Activation => activation,
            Class::Bulk => bulk,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Any order of pushes and pops: nothing lost, nothing twice, never over the bound,
        /// by class and then first in, first out.
        #[test]
        fn every_accepted_job_comes_out_once_and_in_order(
            steps in proptest::collection::vec((0_usize..4, 1_usize..4), 0..200),
            length_max in 1_usize..12,
        ) {
            let mut queue = JobQueue::new(length_max);
            let mut model: Vec<(Class, usize)> = Vec::new();
            let mut next = 0;
            for (action, count) in steps {
                if action == 3 {
                    let expected = model.iter().enumerate().min_by_key(|(at, (class, _))| (*class, *at));
                    let expected = expected.map(|(at, _)| at);
                    let popped = queue.pop();
                    prop_assert_eq!(popped, expected.map(|at| model.remove(at).1));
                } else {
                    let class = Class::ALL[action];
                    let jobs: Vec<usize> = (next..next + count).collect();
                    next += count;
                    let of_class = model.iter().filter(|(c, _)| *c == class).count();
                    let fits = model.len() + count <= length_max
                        && (class != Class::Bulk || of_class + count <= length_max.div_ceil(2));
                    prop_assert_eq!(queue.push(class, jobs.clone()).is_ok(), fits);
                    if fits {
                        model.extend(jobs.into_iter().map(|job| (class, job)));
                    }
                }
                prop_assert_eq!(queue.len(), model.len());
                prop_assert!(queue.len() <= length_max);
                prop_assert!(queue.has_room(length_max - model.len()));
                prop_assert!(!queue.has_room(length_max - model.len() + 1));
            }
        }
    }
}
