//! One file of remembered embeddings, open and locked.

use std::collections::{BTreeSet, HashMap};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::BufReader;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::record::{Format, HEADER_BYTES, record_bytes};
use super::{CacheError, ContentDigest, Remembered, refuse_others};
use crate::embed::{ContractId, Template};

/// Remembered embeddings of one contract from samples that were treated alike. Nobody else has the
/// file as long as this is there.
///
/// What was remembered is in the file when [`Self::remember`] returns: a run that is killed loses
/// nothing that it had finished.
pub struct CacheFile {
    path: PathBuf,
    file: File,
    format: Format,
    /// Numbers of an embedding; unknown until there is one.
    dimension: Option<u32>,
    /// Where each sample's record begins.
    places: HashMap<ContentDigest, u64>,
    /// Failures to acquire that wait for a header.
    waiting: BTreeSet<ContentDigest>,
    /// Where the next record begins.
    end: u64,
    /// Nothing is written any more: a write failed.
    is_broken: bool,
}

impl CacheFile {
    pub(super) fn open(
        path: &Path,
        context: ContentDigest,
        contract_id: ContractId,
    ) -> Result<Self, CacheError> {
        let unusable = |cause| CacheError::Unusable {
            path: path.to_owned(),
            cause,
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.mode(0o600).open(path).map_err(unusable)?;
        let metadata = file.metadata().map_err(unusable)?;
        if !metadata.is_file() {
            return Err(unusable(std::io::Error::other("this is not a file")));
        }
        refuse_others(path, &metadata, 0o600)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(CacheError::InUse(path.to_owned())),
            Err(TryLockError::Error(cause)) => return Err(unusable(cause)),
        }
        let format = Format {
            context,
            contract_id,
        };
        let mut opened = Self {
            path: path.to_owned(),
            file,
            format,
            dimension: None,
            places: HashMap::new(),
            waiting: BTreeSet::new(),
            end: 0,
            is_broken: false,
        };
        opened.read_all().map_err(unusable)?;
        // A torn end, or a file whose header is damaged: what follows would not stand at a place
        // where a record is looked for.
        opened.file.set_len(opened.end).map_err(unusable)?;
        Ok(opened)
    }

    /// Finds the records, and leaves out what is damaged.
    fn read_all(&mut self) -> std::io::Result<()> {
        let mut reader = BufReader::with_capacity(1 << 18, &self.file);
        let mut header = [0; HEADER_BYTES];
        if !is_filled(&mut reader, &mut header)? {
            return Ok(());
        }
        let Some(dimension) = self.format.read_header(&header) else {
            return Ok(());
        };
        self.dimension = Some(dimension);
        let mut record = vec![0; record_bytes(dimension)];
        let mut place = HEADER_BYTES as u64;
        while is_filled(&mut reader, &mut record)? {
            if let Some((digest, _)) = self.format.read_record(&record) {
                self.places.entry(digest).or_insert(place);
            }
            place += record.len() as u64;
        }
        self.end = place;
        Ok(())
    }

    /// How many samples are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len() + self.waiting.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is remembered of a sample, if anything is. A record is checked again: it may have been
    /// damaged since the file was opened.
    #[must_use]
    pub fn recall(&self, digest: &ContentDigest) -> Option<Remembered> {
        if self.waiting.contains(digest) {
            return Some(Remembered { embedding: None });
        }
        let place = self.places.get(digest)?;
        let mut record = vec![0; record_bytes(self.dimension?)];
        self.file.read_exact_at(&mut record, *place).ok()?;
        let (found, embedding) = self.format.read_record(&record)?;
        (found == *digest).then_some(Remembered { embedding })
    }

    /// Remembers a sample's template, or that it failed to be acquired.
    ///
    /// # Errors
    /// When it cannot be written, a full disk among the reasons. Nothing is written after that, and
    /// nothing more is said about it: the first error is the only one.
    pub fn remember(
        &mut self,
        digest: ContentDigest,
        template: Option<&Template>,
    ) -> Result<(), CacheError> {
        if self.is_broken || self.places.contains_key(&digest) {
            return Ok(());
        }
        let done = match (self.dimension, template) {
            (None, None) => {
                // Without a dimension a record has no length.
                self.waiting.insert(digest);
                Ok(())
            }
            (None, Some(first)) => self.begin(first),
            (Some(_), _) => Ok(()),
        };
        let done = match (done, self.dimension) {
            (Ok(()), Some(dimension)) => self.append(dimension, digest, template),
            (done, _) => done,
        };
        self.is_broken = done.is_err();
        done
    }

    /// Writes the header, now that the dimension is known, and the failures that waited for it.
    fn begin(&mut self, first: &Template) -> Result<(), CacheError> {
        let dimension = u32::try_from(first.embedding.as_slice().len());
        let dimension = dimension.map_err(|_| CacheError::OtherLength(self.path.clone()))?;
        self.write(&self.format.header(dimension))?;
        self.dimension = Some(dimension);
        for digest in std::mem::take(&mut self.waiting) {
            self.append(dimension, digest, None)?;
        }
        Ok(())
    }

    fn append(
        &mut self,
        dimension: u32,
        digest: ContentDigest,
        template: Option<&Template>,
    ) -> Result<(), CacheError> {
        let record = self.format.record(dimension, &digest, template);
        let record = record.ok_or_else(|| CacheError::OtherLength(self.path.clone()))?;
        let place = self.end;
        self.write(&record)?;
        self.places.insert(digest, place);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), CacheError> {
        if let Err(cause) = self.file.write_all_at(bytes, self.end) {
            // Half a record is found when the file is opened next; this only tidies up.
            drop(self.file.set_len(self.end));
            return Err(CacheError::Unusable {
                path: self.path.clone(),
                cause,
            });
        }
        self.end += bytes.len() as u64;
        Ok(())
    }
}

/// Fills the buffer; `false` when the file ends before.
fn is_filled(reader: &mut impl std::io::Read, buffer: &mut [u8]) -> std::io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::Embedding;

    /// A disk without space.
    fn full() -> CacheFile {
        let mut options = OpenOptions::new();
        CacheFile {
            path: "/dev/full".into(),
            file: options
                .read(true)
                .write(true)
                .open("/dev/full")
                .expect("is there"),
            format: Format {
                context: [7; 32],
                contract_id: ContractId::new("m:1"),
            },
            dimension: None,
            places: HashMap::new(),
            waiting: BTreeSet::new(),
            end: 0,
            is_broken: false,
        }
    }

    #[test]
    fn a_full_disk_is_told_once_and_nothing_is_remembered() {
        let template = Template {
            contract_id: ContractId::new("m:1"),
            embedding: Embedding::from_output(&[3.0, 4.0]).expect("has a direction"),
        };
        let mut cache = full();
        assert!(cache.remember([0; 32], None).is_ok(), "waits for a header");
        let error = cache.remember([1; 32], Some(&template)).expect_err("full");
        assert!(error.to_string().contains("goes on without"), "{error}");
        assert!(cache.remember([2; 32], Some(&template)).is_ok());
        assert_eq!(cache.recall(&[1; 32]), None);
        assert_eq!(cache.recall(&[2; 32]), None);
    }
}
