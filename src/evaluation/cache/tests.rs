use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::embed::{Embedding, Template};

fn cache(folder: &TempDir) -> EmbeddingCache {
    EmbeddingCache::new(&folder.path().join("remembered"), &["detector 1", "cpu"])
}

fn contract() -> ContractId {
    ContractId::new("m:1")
}

fn template(seed: u8) -> Template {
    let numbers = [f32::from(seed) + 1.0, 2.0, -3.0];
    Template {
        contract_id: contract(),
        embedding: Embedding::from_output(&numbers).expect("has a direction"),
    }
}

/// Every third sample failed to be acquired.
fn outcome(seed: u8) -> Option<Template> {
    (!seed.is_multiple_of(3)).then(|| template(seed))
}

fn remembered(outcome: Option<Template>) -> Remembered {
    Remembered {
        embedding: outcome.map(|template| template.embedding),
    }
}

fn open(cache: &EmbeddingCache) -> CacheFile {
    cache.open(&contract(), "plain").expect("opens")
}

/// A file with what came of so many samples, closed again.
fn filled(samples: u8) -> (TempDir, EmbeddingCache, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = cache(&folder);
    let mut file = open(&cache);
    for seed in 0..samples {
        file.remember([seed; 32], outcome(seed).as_ref())
            .expect("remembers");
    }
    let mut entries = std::fs::read_dir(&cache.folder).expect("a folder");
    let path = entries.next().expect("one").expect("an entry").path();
    (folder, cache, path)
}

#[test]
fn what_was_remembered_is_there_in_the_next_run() {
    let (_folder, cache, path) = filled(20);
    let file = open(&cache);
    assert_eq!(file.len(), 20);
    for seed in 0..20 {
        assert_eq!(
            file.recall(&[seed; 32]),
            Some(remembered(outcome(seed))),
            "{seed}"
        );
    }
    assert_eq!(file.recall(&[99; 32]), None);
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&cache.folder), mode(&path)), (0o700, 0o600));
}

#[test]
fn a_run_goes_on_where_it_was_killed() {
    let (_folder, cache, path) = filled(6);
    let length = std::fs::metadata(&path).expect("there").len();
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("opens");
    file.set_len(length - 5).expect("torn");
    drop(file);
    let mut again = open(&cache);
    assert_eq!(again.len(), 5);
    for seed in 5..9 {
        again
            .remember([seed; 32], outcome(seed).as_ref())
            .expect("remembers");
    }
    drop(again);
    let file = open(&cache);
    for seed in 0..9 {
        assert_eq!(
            file.recall(&[seed; 32]),
            Some(remembered(outcome(seed))),
            "{seed}"
        );
    }
}

#[test]
fn what_an_embedding_hangs_on_has_a_file_of_its_own() {
    let (folder, cache, _) = filled(5);
    let folder = folder.path().join("remembered");
    let others = [
        cache.open(&ContractId::new("m:2"), "plain"),
        cache.open(&contract(), "gated"),
        EmbeddingCache::new(&folder, &["detector 1", "cuda"]).open(&contract(), "plain"),
        EmbeddingCache::new(&folder, &["detector 1"]).open(&contract(), "plain"),
        EmbeddingCache::new(&folder, &["detector ", "1cpu"]).open(&contract(), "plain"),
    ];
    for other in others {
        assert!(other.expect("opens").is_empty());
    }
    assert_eq!(open(&cache).len(), 5);
}

#[test]
fn a_file_of_another_context_is_worth_nothing() {
    let (_folder, cache, path) = filled(5);
    let other = cache.open(&contract(), "gated").expect("opens");
    let to = path.parent().expect("has one");
    let names: Vec<PathBuf> = std::fs::read_dir(to)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|other| *other != path)
        .collect();
    drop(other);
    std::fs::copy(&path, &names[0]).expect("copied");
    assert!(cache.open(&contract(), "gated").expect("opens").is_empty());
}

#[test]
fn two_runs_do_not_share_a_file() {
    let (_folder, cache, _) = filled(2);
    let first = open(&cache);
    let second = cache.open(&contract(), "plain");
    assert!(matches!(second, Err(CacheError::InUse(_))));
    drop(first);
    assert_eq!(open(&cache).len(), 2);
}

#[test]
fn what_others_may_read_is_not_used() {
    let (_folder, cache, path) = filled(1);
    let set = |path: &Path, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, mode).expect("set");
    };
    set(&path, 0o640);
    let refused = cache
        .open(&contract(), "plain")
        .map(|_| ())
        .expect_err("open");
    assert!(refused.to_string().contains("chmod 600"), "{refused}");
    set(&path, 0o600);
    set(&cache.folder, 0o755);
    let refused = cache
        .open(&contract(), "plain")
        .map(|_| ())
        .expect_err("open");
    assert!(refused.to_string().contains("chmod 700"), "{refused}");
}

#[test]
fn embeddings_of_two_lengths_are_not_mixed() {
    let (_folder, cache, _) = filled(3);
    let mut file = open(&cache);
    let longer = Template {
        contract_id: contract(),
        embedding: Embedding::from_output(&[1.0; 4]).expect("has a direction"),
    };
    let refused = file.remember([9; 32], Some(&longer));
    assert!(matches!(refused, Err(CacheError::OtherLength(_))));
    assert_eq!(file.recall(&[1; 32]), Some(remembered(outcome(1))));
}

proptest! {
    /// Cut anywhere, bits turned anywhere: what is still told is what was remembered, and what was
    /// lost can be remembered again.
    #[test]
    fn damage_loses_records_and_alters_none(
        cut in proptest::option::of(0.0..1.0_f64),
        bits in proptest::collection::vec((0.0..1.0_f64, 0_u32..8), 0..6),
    ) {
        let (_folder, cache, path) = filled(8);
        let mut bytes = std::fs::read(&path).expect("reads");
        let place = |share: f64, length: usize| (share * length as f64) as usize;
        for (share, bit) in bits {
            let at = place(share, bytes.len());
            bytes[at] ^= 1 << bit;
        }
        bytes.truncate(cut.map_or(bytes.len(), |share| place(share, bytes.len())));
        std::fs::write(&path, &bytes).expect("writes");
        let mut file = open(&cache);
        for seed in 0..8 {
            let found = file.recall(&[seed; 32]);
            let expected = remembered(outcome(seed));
            prop_assert!(found.is_none() || found == Some(expected.clone()));
            file.remember([seed; 32], outcome(seed).as_ref()).expect("remembers");
            prop_assert_eq!(file.recall(&[seed; 32]), Some(expected));
        }
        drop(file);
        let file = open(&cache);
        for seed in 0..8 {
            prop_assert_eq!(file.recall(&[seed; 32]), Some(remembered(outcome(seed))));
        }
    }
}
