//! All keys of a running service.

use std::collections::BTreeMap;
use std::sync::Arc;

use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::error::KeyError;
use super::id::{KeyId, KeyKind};
use super::line::KeyLine;
use super::nik::NikKey;
use super::signing::{PublicKey, SigningKey};
use super::source::KeySource;
use super::wrap::{self, KeyWrapper, LocalWrapper, SubjectKey, WrapError, WrappedKey};
use crate::subject::{Nik, SubjectHash};

/// All keys of a running service. Its `Debug` shows ids only.
#[derive(Debug)]
pub struct KeyRing {
    nik: NikKey,
    masters: BTreeMap<KeyId, Arc<dyn KeyWrapper>>,
    active: Arc<dyn KeyWrapper>,
    audit: SigningKey,
    token: SigningKey,
    summaries: Vec<KeySummary>,
}

/// What may be told about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySummary {
    /// What it is for.
    pub kind: KeyKind,
    /// Its name.
    pub id: KeyId,
    /// Whether it is used.
    pub state: KeyState,
    /// When it was made; of a master key: from when on it is active. None: a key service knows.
    pub from: Option<OffsetDateTime>,
    /// The public half of a key that signs.
    pub public: Option<PublicKey>,
    /// Where it was read.
    pub origin: String,
}

/// Whether a key is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// For all that is new.
    Active,
    /// To unwrap what an older master key wrapped.
    Reading,
    /// A master key that becomes active later, and unwraps already.
    Later,
}

impl KeyState {
    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Reading => "reading",
            Self::Later => "later",
        }
    }
}

impl KeyRing {
    /// Reads the keys of all `sources`: exactly one NIK, audit and token key, one or more master
    /// keys. Of these the one with the latest time not after `now` is active (of two with the same
    /// time, the greater id: all replicas choose the same).
    ///
    /// A new master key can so be brought to every replica before the first one wraps with it.
    /// `environment` gives the value of a variable of the environment.
    ///
    /// # Errors
    /// What is wrong with the keys, and what to do.
    pub fn read(
        sources: &[KeySource],
        environment: &dyn Fn(&str) -> Option<Zeroizing<String>>,
        now: OffsetDateTime,
    ) -> Result<Self, KeyError> {
        Self::assemble(read_all(sources, environment)?, &places(sources), None, now)
    }

    /// The same with a master key in a key service or hardware security module: that one is
    /// active, master keys at hand are only for reading, and there may be none of them.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_with_wrapper(
        sources: &[KeySource],
        environment: &dyn Fn(&str) -> Option<Zeroizing<String>>,
        wrapper: Arc<dyn KeyWrapper>,
        now: OffsetDateTime,
    ) -> Result<Self, KeyError> {
        let lines = read_all(sources, environment)?;
        Self::assemble(lines, &places(sources), Some(wrapper), now)
    }

    /// Fresh keys that are nowhere stored, for tests and demonstrations: what they sealed cannot be
    /// read any more when the process has ended.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn ephemeral(now: OffsetDateTime) -> Result<Self, KeyError> {
        let lines: Result<Vec<_>, _> = KeyKind::ALL
            .into_iter()
            .map(|kind| KeyLine::random(kind, now))
            .collect();
        Self::assemble(lines?, "memory", None, now)
    }

    fn assemble(
        lines: Vec<KeyLine>,
        places: &str,
        service: Option<Arc<dyn KeyWrapper>>,
        now: OffsetDateTime,
    ) -> Result<Self, KeyError> {
        let mut of_kind: BTreeMap<KeyKind, Vec<KeyLine>> = BTreeMap::new();
        refuse_shared(&lines)?;
        for line in lines {
            of_kind.entry(line.kind).or_default().push(line);
        }
        let mut take = |kind| of_kind.remove(&kind).unwrap_or_default();
        let mut summaries = Vec::new();
        let nik = NikKey::new(only(
            take(KeyKind::Nik),
            KeyKind::Nik,
            places,
            &mut summaries,
        )?);
        let (active, masters) = masters(take(KeyKind::Master), now, service, &mut summaries)?;
        let active = active.ok_or_else(|| KeyError::Missing {
            kind: KeyKind::Master,
            places: places.to_owned(),
        })?;
        let mut signing = |kind| {
            let secret = only(take(kind), kind, places, &mut summaries)?;
            Ok::<_, KeyError>(SigningKey::new(kind, &secret))
        };
        Ok(Self {
            nik,
            masters,
            active,
            audit: signing(KeyKind::Audit)?,
            token: signing(KeyKind::Token)?,
            summaries,
        })
    }

    /// What may be told about the keys.
    #[must_use]
    pub fn summaries(&self) -> &[KeySummary] {
        &self.summaries
    }

    /// The key that hides NIKs.
    #[must_use]
    pub const fn nik_key(&self) -> &NikKey {
        &self.nik
    }

    /// The keyed hash of a NIK.
    #[must_use]
    pub fn subject_hash(&self, nik: &Nik) -> SubjectHash {
        self.nik.hash(nik)
    }

    /// The key that signs checkpoints of the audit trail.
    #[must_use]
    pub const fn audit_key(&self) -> &SigningKey {
        &self.audit
    }

    /// The key that signs result tokens.
    #[must_use]
    pub const fn token_key(&self) -> &SigningKey {
        &self.token
    }

    /// The id of the active master key.
    #[must_use]
    pub fn active_master_key(&self) -> &KeyId {
        self.active.id()
    }

    /// The key that seals what is kept of a request about `subject` when the subject has no key:
    /// derived from the NIK key, which no backup of the database holds.
    #[must_use]
    pub fn reply_key(&self, subject: &SubjectHash) -> SubjectKey {
        self.nik.reply_key(subject)
    }

    /// Begins a keyed digest of a request's body: nobody without the keys can tell whether a body
    /// that they have was sent.
    #[must_use]
    pub fn body_digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.nik.body_digest(parts)
    }

    /// Whether no master key is behind another machine.
    #[must_use]
    pub fn are_at_hand(&self) -> bool {
        self.masters.values().all(|master| master.is_at_hand())
    }

    /// Whether a master key of this id is at hand.
    #[must_use]
    pub fn has_master_key(&self, id: &KeyId) -> bool {
        self.masters.contains_key(id)
    }

    /// Wraps a subject's key under the active master key, bound to the subject.
    ///
    /// # Errors
    /// When the master key cannot.
    pub fn wrap(&self, key: &SubjectKey, subject: &SubjectHash) -> Result<WrappedKey, WrapError> {
        wrap::wrap(key, subject, &*self.active)
    }

    /// Unwraps a subject's key under whichever master key wrapped it.
    ///
    /// # Errors
    /// When that master key is not here, or did not wrap it for this subject.
    pub fn unwrap(
        &self,
        wrapped: &WrappedKey,
        subject: &SubjectHash,
    ) -> Result<SubjectKey, WrapError> {
        wrap::unwrap(wrapped, subject, self.master_of(wrapped)?)
    }

    /// The same subject's key under the active master key; none when it is already.
    ///
    /// # Errors
    /// As [`Self::unwrap`] and [`Self::wrap`].
    pub fn rewrap(
        &self,
        wrapped: &WrappedKey,
        subject: &SubjectHash,
    ) -> Result<Option<WrappedKey>, WrapError> {
        if wrapped.master_key_id == *self.active.id() {
            return Ok(None);
        }
        let from = self.master_of(wrapped)?;
        wrap::rewrap(wrapped, subject, from, &*self.active).map(Some)
    }

    fn master_of(&self, wrapped: &WrappedKey) -> Result<&dyn KeyWrapper, WrapError> {
        let id = &wrapped.master_key_id;
        let master = self.masters.get(id).map(|master| &**master);
        master.ok_or_else(|| WrapError::UnknownMasterKey(id.clone()))
    }
}

fn read_all(
    sources: &[KeySource],
    environment: &dyn Fn(&str) -> Option<Zeroizing<String>>,
) -> Result<Vec<KeyLine>, KeyError> {
    let lines: Result<Vec<_>, _> = sources.iter().map(|it| it.read(environment)).collect();
    Ok(lines?.into_iter().flatten().collect())
}

fn places(sources: &[KeySource]) -> String {
    let places: Vec<_> = sources.iter().map(KeySource::to_string).collect();
    places.join(" or ")
}

/// The only key of its kind.
fn only(
    lines: Vec<KeyLine>,
    kind: KeyKind,
    places: &str,
    summaries: &mut Vec<KeySummary>,
) -> Result<super::secret::Secret, KeyError> {
    let mut lines = lines.into_iter();
    let line = lines.next().ok_or_else(|| KeyError::Missing {
        kind,
        places: places.to_owned(),
    })?;
    if let Some(second) = lines.next() {
        return Err(KeyError::Twice {
            kind,
            first: line.origin,
            second: second.origin,
        });
    }
    summaries.push(summary(&line, KeyState::Active));
    Ok(line.secret)
}

fn summary(line: &KeyLine, state: KeyState) -> KeySummary {
    let public = line
        .kind
        .signs()
        .then(|| SigningKey::new(line.kind, &line.secret).public());
    KeySummary {
        kind: line.kind,
        id: line.id.clone(),
        state,
        from: Some(line.from),
        public,
        origin: line.origin.clone(),
    }
}

/// Two purposes never share a key: what one of them gives away, the other would lose.
fn refuse_shared(lines: &[KeyLine]) -> Result<(), KeyError> {
    let pairs = lines.iter().enumerate().flat_map(|(at, first)| {
        let others = lines.iter().skip(at + 1);
        others.map(move |second| (first, second))
    });
    for (first, second) in pairs {
        let is_same = subtle::ConstantTimeEq::ct_eq(
            first.secret.expose().as_slice(),
            second.secret.expose().as_slice(),
        );
        if !bool::from(is_same) {
            continue;
        }
        if first.kind == second.kind {
            return Err(KeyError::Twice {
                kind: first.kind,
                first: first.origin.clone(),
                second: second.origin.clone(),
            });
        }
        return Err(KeyError::Shared {
            first: first.kind,
            second: second.kind,
        });
    }
    Ok(())
}

type Masters = (
    Option<Arc<dyn KeyWrapper>>,
    BTreeMap<KeyId, Arc<dyn KeyWrapper>>,
);

/// The active master key, if any, and all by id.
fn masters(
    mut lines: Vec<KeyLine>,
    now: OffsetDateTime,
    service: Option<Arc<dyn KeyWrapper>>,
    summaries: &mut Vec<KeySummary>,
) -> Result<Masters, KeyError> {
    lines.sort_by(|a, b| (a.from, &a.id).cmp(&(b.from, &b.id)));
    let active = lines.iter().rev().find(|line| line.from <= now);
    let active = active.map(|line| line.id.clone());
    let first = lines.first().map(|line| line.from);
    if let (None, None, Some(from)) = (&service, &active, first) {
        return Err(KeyError::NoneActive(from));
    }
    let mut masters: BTreeMap<KeyId, Arc<dyn KeyWrapper>> = BTreeMap::new();
    for line in lines {
        let state = match &service {
            None if active.as_ref() == Some(&line.id) => KeyState::Active,
            None if line.from > now => KeyState::Later,
            _ => KeyState::Reading,
        };
        summaries.push(summary(&line, state));
        masters.insert(line.id, Arc::new(LocalWrapper::new(line.secret)));
    }
    if let Some(service) = service {
        summaries.push(KeySummary {
            kind: KeyKind::Master,
            id: service.id().clone(),
            state: KeyState::Active,
            from: None,
            public: None,
            origin: "a key service".to_owned(),
        });
        masters.insert(service.id().clone(), Arc::clone(&service));
        return Ok((Some(service), masters));
    }
    let active = active.and_then(|id| masters.get(&id).map(Arc::clone));
    Ok((active, masters))
}
