//! Pages of entries.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use sha2::{Digest as _, Sha256};

use super::checkpoints::on_thread;
use super::reads::{Asked, times};
use super::{Trail, TrailError};
use crate::access::Caller;
use crate::audit::{Entry, Event, SEQUENCE_MAX, Text, WriterId};
use crate::digest::length_prefixed;
use crate::store::{EntryQuery, Position, RequestKey, Selection, StoredEntry};
use crate::subject::SubjectHash;

/// Most entries of a page.
pub const ENTRIES_MAX: u32 = 1000;

/// Most bytes of a page's texts, beyond which no further entry is put to it.
const PAGE_BYTES: usize = 1 << 20;
/// Rows read at a time, and for one page at most: what no index finds is looked for step by step.
const ROWS: u32 = 500;
const ROWS_MAX: u32 = 20_000;

/// Which entries: those that fulfil all that is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// From this time on, in microseconds since 1970, UTC.
    pub from_us: i64,
    /// Before this time.
    pub until_us: i64,
    /// About this subject.
    pub subject: Option<SubjectHash>,
    /// In this office.
    pub office: Option<Text>,
    /// By the client of this certificate.
    pub caller: Option<Text>,
    /// With this request id.
    pub request: Option<Text>,
    /// Of this event.
    pub event: Option<Event>,
}

/// A page to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Which entries.
    pub filter: Filter,
    /// Entries at most, from 1 to [`ENTRIES_MAX`].
    pub limit: u32,
    /// Where the page before ended.
    pub after: Option<PageToken>,
}

/// Where a page ended: behind an entry of a filter's results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageToken {
    /// The end of the window, which stays that of the first page.
    pub until_us: i64,
    at_us: i64,
    position: Position,
}

/// A page of entries, in the order of time, writer and sequence.
#[derive(Debug)]
pub struct Page {
    /// The entries; there may be none although more pages come.
    pub entries: Vec<StoredEntry>,
    /// Where the next page goes on; none: nothing is left.
    pub next: Option<PageToken>,
}

impl Filter {
    /// Stands for all but the end of the window, which a token carries.
    fn digest(&self) -> [u8; 16] {
        let text = |text: &Option<Text>| text.as_ref().map_or("", Text::as_str).to_owned();
        let event = self.event.map_or("", Event::name);
        let subject = self
            .subject
            .map_or(String::new(), |subject| subject.to_string());
        let parts = length_prefixed(&[
            b"padan trail query v1",
            &self.from_us.to_be_bytes(),
            subject.as_bytes(),
            text(&self.office).as_bytes(),
            text(&self.caller).as_bytes(),
            text(&self.request).as_bytes(),
            event.as_bytes(),
        ]);
        let digest: [u8; 32] = Sha256::digest(parts).into();
        let mut half = [0; 16];
        half.iter_mut()
            .zip(digest)
            .for_each(|(to, from)| *to = from);
        half
    }

    /// What the database is asked for: the condition that leaves the fewest rows.
    fn selection(&self) -> Selection {
        match (&self.caller, &self.request, self.subject, &self.office) {
            (Some(caller), Some(id), _, _) => Selection::Request(RequestKey {
                caller: caller.to_string(),
                id: id.to_string(),
            }),
            (_, _, Some(subject), _) => Selection::Subject(subject),
            (_, _, _, Some(office)) => Selection::Office(office.to_string()),
            _ => Selection::All,
        }
    }

    /// Whether an entry fulfils all. One that cannot be read is never left out.
    fn matches(&self, stored: &StoredEntry) -> bool {
        let Ok(entry) = Entry::parse(&stored.text) else {
            return true;
        };
        let is = |asked: &Option<Text>, found: &Option<Text>| asked.is_none() || asked == found;
        self.subject
            .is_none_or(|subject| entry.subject == Some(subject))
            && is(&self.office, &entry.office)
            && is(&self.caller, &entry.actor.certificate)
            && is(&self.request, &entry.request)
            && self.event.is_none_or(|event| entry.event == event)
    }

    fn asked(&self) -> Asked {
        let mut details = times(self.from_us, self.until_us).to_vec();
        let texts = [("caller", &self.caller), ("request", &self.request)];
        let texts = texts
            .into_iter()
            .filter_map(|(name, text)| Some((name, text.as_ref()?)));
        details.extend(texts.map(|(name, text)| (name, text.to_string())));
        details.extend(self.event.map(|event| ("event", event.name().to_owned())));
        Asked {
            method: "Query",
            subject: self.subject,
            office: self.office.clone(),
            details,
        }
    }
}

impl PageToken {
    const VERSION: u8 = 1;
    /// Bytes before the writer's name: version, digest, three numbers.
    const FIXED: usize = 1 + 16 + 3 * 8;
    const CHARS_MAX: usize = 200;

    /// The token for whoever asked with `filter`. It holds nothing that they do not know.
    #[must_use]
    pub fn to_text(&self, filter: &Filter) -> String {
        let mut bytes = vec![Self::VERSION];
        bytes.extend(filter.digest());
        bytes.extend(self.until_us.to_be_bytes());
        bytes.extend(self.at_us.to_be_bytes());
        bytes.extend(self.position.sequence.to_be_bytes());
        bytes.extend(self.position.writer.as_str().as_bytes());
        BASE64URL.encode(bytes)
    }

    /// The token of a text; none when it is no token, or one of another filter. Whoever makes one
    /// up gets a page that they may ask for anyway.
    #[must_use]
    pub fn parse(text: &str, filter: &Filter) -> Option<Self> {
        if text.len() > Self::CHARS_MAX {
            return None;
        }
        let bytes = BASE64URL.decode(text).ok()?;
        let (fixed, writer) = bytes.split_at_checked(Self::FIXED)?;
        let (version, rest) = fixed.split_first()?;
        let (digest, numbers) = rest.split_at_checked(16)?;
        if *version != Self::VERSION || digest != filter.digest() {
            return None;
        }
        let mut numbers = numbers.chunks_exact(8).map(|chunk| {
            let bytes: Result<[u8; 8], _> = chunk.try_into();
            bytes.ok().map(u64::from_be_bytes)
        });
        let mut number = || numbers.next().flatten();
        let (until_us, at_us) = (number()?.cast_signed(), number()?.cast_signed());
        let sequence = number().filter(|it| *it <= SEQUENCE_MAX)?;
        let writer = WriterId::new(std::str::from_utf8(writer).ok()?).ok()?;
        let is_within = at_us >= filter.from_us && at_us < until_us;
        is_within.then_some(Self {
            until_us,
            at_us,
            position: Position { writer, sequence },
        })
    }
}

impl Trail {
    /// A page of entries. Entries that were durable when the first page was asked for come on
    /// exactly one page; those written since may come or not, and never twice.
    ///
    /// Leaves an entry about the question first.
    ///
    /// # Errors
    /// When that entry is not durable, or the database cannot be read.
    pub async fn query(&self, caller: &Caller, query: &Query) -> Result<Page, TrailError> {
        self.note(caller, query.filter.asked()).await?;
        let after = query.after.clone();
        let until_us = after
            .as_ref()
            .map_or(query.filter.until_us, |it| it.until_us);
        let after = after.map(|it| (it.at_us, it.position));
        let mut rows = EntryQuery {
            selection: query.filter.selection(),
            from_us: query.filter.from_us,
            until_us,
            after: after.clone(),
            limit: ROWS,
        };
        let mut filling = Filling::new(query, after);
        let (mut is_last, mut seen) = (false, 0);
        while !is_last && !filling.is_full && seen < ROWS_MAX {
            let found = self.records.store().entries(&rows).await?;
            is_last = found.len() < ROWS as usize;
            seen += ROWS;
            filling = on_thread(move || filling.with(found)).await?;
            rows.after.clone_from(&filling.last);
        }
        let is_over = is_last && !filling.is_full;
        let behind = filling.last.filter(|_| !is_over);
        Ok(Page {
            entries: filling.entries,
            next: behind.map(|(at_us, position)| PageToken {
                until_us,
                at_us,
                position,
            }),
        })
    }
}

/// A page while it is filled.
struct Filling {
    filter: Filter,
    limit: usize,
    entries: Vec<StoredEntry>,
    bytes: usize,
    /// The last entry that was looked at.
    last: Option<(i64, Position)>,
    is_full: bool,
}

impl Filling {
    fn new(query: &Query, after: Option<(i64, Position)>) -> Self {
        Self {
            filter: query.filter.clone(),
            limit: query.limit.clamp(1, ENTRIES_MAX) as usize,
            entries: Vec::new(),
            bytes: 0,
            last: after,
            is_full: false,
        }
    }

    /// Takes what fits, up to the end of the page.
    fn with(mut self, found: Vec<StoredEntry>) -> Self {
        for entry in found {
            self.last = Some((entry.at_us, entry.position.clone()));
            if self.filter.matches(&entry) {
                self.bytes += entry.text.len();
                self.entries.push(entry);
            }
            if self.entries.len() >= self.limit || self.bytes >= PAGE_BYTES {
                self.is_full = true;
                break;
            }
        }
        self
    }
}
