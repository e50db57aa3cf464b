//! Whom a breach may concern.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::reads::{Asked, times};
use super::{Trail, TrailError};
use crate::access::Caller;
use crate::audit::Text;
use crate::store::{Store, StoreError, Window};
use crate::subject::SubjectHash;

/// Subjects read at a time.
const PAGE: u32 = 1000;

/// Which subjects: those that fulfil both, where both are set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScopeQuestion {
    /// Those with an entry in a window.
    Touched(Window),
    /// Those whose key this master key wraps now.
    WrappedBy(Text),
    /// Those of both.
    TouchedAndWrappedBy(Window, Text),
}

impl ScopeQuestion {
    const fn parts(&self) -> (Option<&Window>, Option<&Text>) {
        match self {
            Self::Touched(window) => (Some(window), None),
            Self::WrappedBy(key) => (None, Some(key)),
            Self::TouchedAndWrappedBy(window, key) => (Some(window), Some(key)),
        }
    }
}

/// Subjects in the order of their hashes, each once, page by page.
pub struct BreachScope {
    touched: Option<Subjects>,
    wrapped: Option<Subjects>,
}

impl Trail {
    /// The subjects that a breach may concern. Leaves an entry about the question first.
    ///
    /// # Errors
    /// When that entry is not durable.
    pub async fn breach_scope(
        &self,
        caller: &Caller,
        question: &ScopeQuestion,
    ) -> Result<BreachScope, TrailError> {
        let (window, key) = question.parts();
        let mut details = Vec::new();
        if let Some(window) = window {
            details.extend(times(window.from_us, window.until_us));
            details.extend(window.writer.as_ref().map(|it| ("writer", it.to_string())));
        }
        details.extend(key.map(|key| ("master_key", key.to_string())));
        let asked = Asked {
            method: "BreachScope",
            details,
            ..Asked::default()
        };
        self.note(caller, asked).await?;
        let subjects = |source| Subjects {
            store: Arc::clone(self.records.store()),
            source,
            page: VecDeque::new(),
            after: None,
            is_over: false,
        };
        Ok(BreachScope {
            touched: window.map(|window| subjects(Source::Touched(window.clone()))),
            wrapped: key.map(|key| subjects(Source::WrappedBy(key.to_string()))),
        })
    }
}

impl BreachScope {
    /// The next subjects; none when that were all. A page may be empty before the end.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn next(&mut self) -> Result<Option<Vec<SubjectHash>>, StoreError> {
        match (&mut self.touched, &mut self.wrapped) {
            (Some(one), None) | (None, Some(one)) => one.next_page().await,
            (Some(touched), Some(wrapped)) => {
                let Some(page) = touched.next_page().await? else {
                    return Ok(None);
                };
                let mut found = BTreeSet::new();
                for subject in page {
                    if wrapped.holds(subject).await? {
                        found.insert(subject);
                    }
                }
                Ok(Some(found.into_iter().collect()))
            }
            (None, None) => Ok(None),
        }
    }
}

enum Source {
    Touched(Window),
    WrappedBy(String),
}

/// Subjects in order, from one question to the database.
struct Subjects {
    store: Arc<dyn Store>,
    source: Source,
    page: VecDeque<SubjectHash>,
    after: Option<SubjectHash>,
    is_over: bool,
}

impl Subjects {
    async fn next_page(&mut self) -> Result<Option<Vec<SubjectHash>>, StoreError> {
        if self.is_over {
            return Ok(None);
        }
        let page = match &self.source {
            Source::Touched(window) => {
                self.store
                    .subjects_touched(window, self.after, PAGE)
                    .await?
            }
            Source::WrappedBy(key) => {
                let wrapped = self.store.wrapped_by(key, self.after, PAGE).await?;
                wrapped.into_iter().map(|(subject, _)| subject).collect()
            }
        };
        self.is_over = page.len() < PAGE as usize;
        self.after = page.last().copied().or(self.after);
        Ok((!page.is_empty()).then_some(page))
    }

    /// Whether `subject` is among them; asked in growing order.
    async fn holds(&mut self, subject: SubjectHash) -> Result<bool, StoreError> {
        loop {
            while self.page.front().is_some_and(|first| *first < subject) {
                self.page.pop_front();
            }
            if let Some(first) = self.page.front() {
                return Ok(*first == subject);
            }
            match self.next_page().await? {
                Some(page) => self.page = page.into(),
                None => return Ok(false),
            }
        }
    }
}
