//! Subjects, references, rotation of keys, erasure.

use padan::store::{
    Changed, DeleteReferences, Deleted, Erase, Erasure, PutReference, Reference, Rewrap,
    SetBlocked, SqlStore, Store, Subject, SubjectStatus, WrappedKey,
};
use padan::subject::SubjectHash;

use super::{Home, NOW, entry, intact_chain, on_both, subject};

on_both!(
    a_reference_comes_back_as_it_was_put,
    a_new_reference_replaces_that_of_its_contract_only,
    a_stale_version_changes_nothing,
    references_are_deleted_and_the_subject_stays,
    a_blocked_subject_keeps_its_references,
    keys_are_wrapped_anew_page_by_page,
    erasing_destroys_the_key_and_the_references,
    who_was_erased_may_enrol_again,
    an_erasure_is_repeated_on_a_restored_backup,
    an_erasure_of_a_stranger_is_remembered,
);

fn key(bytes: &[u8], master_key: &str) -> WrappedKey {
    WrappedKey {
        bytes: bytes.to_vec(),
        master_key: master_key.to_owned(),
    }
}

pub fn reference(version: u64, contract_id: &str) -> Reference {
    Reference {
        contract_id: contract_id.to_owned(),
        row_version: version,
        nonce: vec![3; 12],
        ciphertext: vec![4; 528],
        captured_on: Some("2014-05-06".to_owned()),
        source: "central".to_owned(),
        quality: "good".to_owned(),
        created_us: NOW,
    }
}

pub async fn put(
    store: &SqlStore,
    whom: SubjectHash,
    expected_version: u64,
    contract_id: &str,
) -> Changed {
    put_both(
        store,
        whom,
        reference(expected_version + 1, contract_id),
        None,
    )
    .await
}

/// Puts a reference and, unless that is none, the portrait that it was made of.
pub async fn put_both(
    store: &SqlStore,
    whom: SubjectHash,
    reference: Reference,
    portrait: Option<Reference>,
) -> Changed {
    let expected_version = reference.row_version - 1;
    let new_key = (expected_version == 0).then(|| key(b"wrapped key", "m1"));
    let put = PutReference {
        subject: whom,
        expected_version,
        new_key,
        reference,
        portrait,
        claim: None,
        entry: entry("put"),
    };
    store.put_reference(put).await.expect("writes")
}

async fn read(store: &SqlStore, whom: SubjectHash) -> (Subject, Option<Reference>) {
    let found = store.subject(whom, "contract").await.expect("readable");
    found.expect("is enrolled")
}

async fn a_reference_comes_back_as_it_was_put(home: &Home) {
    let store = home.open("a").await;
    let strangers = store.subject(subject(1), "contract").await;
    assert_eq!(strangers, Ok(None));
    assert!(matches!(
        put(&store, subject(1), 0, "contract").await,
        Changed::Done(_)
    ));
    let (found, stored) = read(&store, subject(1)).await;
    assert_eq!(stored, Some(reference(1, "contract")));
    let expected = Subject {
        status: SubjectStatus::Active,
        version: 1,
        key: Some(key(b"wrapped key", "m1")),
        keyed_us: NOW,
    };
    assert_eq!(found, expected);
    assert_eq!(intact_chain(&store, "a").await, ["put"]);
}

async fn a_new_reference_replaces_that_of_its_contract_only(home: &Home) {
    let store = home.open("a").await;
    for (version, contract) in [(0, "contract"), (1, "other"), (2, "contract")] {
        assert!(matches!(
            put(&store, subject(1), version, contract).await,
            Changed::Done(_)
        ));
    }
    let (found, stored) = read(&store, subject(1)).await;
    assert_eq!((found.version, stored), (3, Some(reference(3, "contract"))));
    let other = store.subject(subject(1), "other").await.expect("readable");
    assert_eq!(other.expect("is there").1, Some(reference(2, "other")));
    let contracts = store.contracts(subject(1)).await.expect("readable");
    assert_eq!(contracts, ["contract", "other"]);
}

async fn a_stale_version_changes_nothing(home: &Home) {
    let store = home.open("a").await;
    put(&store, subject(1), 0, "contract").await;
    put(&store, subject(1), 1, "contract").await;
    for version in [0, 1, 3] {
        assert_eq!(
            put(&store, subject(1), version, "contract").await,
            Changed::Stale
        );
    }
    // No subject comes without a key.
    assert_eq!(put(&store, subject(2), 1, "contract").await, Changed::Stale);
    // A live key is never replaced: its references would be lost.
    let over = PutReference {
        subject: subject(1),
        expected_version: 2,
        new_key: Some(key(b"another", "m1")),
        reference: reference(3, "contract"),
        portrait: None,
        claim: None,
        entry: entry("put"),
    };
    assert_eq!(store.put_reference(over).await, Ok(Changed::Stale));
    // The seal is bound to the version, so the two may not differ.
    let torn = PutReference {
        subject: subject(1),
        expected_version: 2,
        new_key: None,
        reference: reference(7, "contract"),
        portrait: None,
        claim: None,
        entry: entry("put"),
    };
    assert_eq!(store.put_reference(torn).await, Ok(Changed::Stale));
    let (found, stored) = read(&store, subject(1)).await;
    assert_eq!((found.version, stored), (2, Some(reference(2, "contract"))));
    assert_eq!(intact_chain(&store, "a").await.len(), 2);
}

async fn references_are_deleted_and_the_subject_stays(home: &Home) {
    let store = home.open("a").await;
    for (version, contract) in [(0, "contract"), (1, "other"), (2, "third")] {
        put(&store, subject(1), version, contract).await;
    }
    put(&store, subject(2), 0, "contract").await;
    let delete = |contract_id: Option<&str>| DeleteReferences {
        subject: subject(1),
        contract_id: contract_id.map(str::to_owned),
        claim: None,
        entry: entry("deleted"),
    };
    assert_eq!(
        store.delete_references(delete(Some("contract"))).await,
        Ok(Deleted::Done(1))
    );
    assert_eq!(read(&store, subject(1)).await.1, None);
    assert_eq!(
        store.delete_references(delete(None)).await,
        Ok(Deleted::Done(2))
    );
    assert_eq!(store.contracts(subject(1)).await, Ok(Vec::new()));
    assert_eq!(
        read(&store, subject(1)).await.0.status,
        SubjectStatus::Active
    );
    assert!(read(&store, subject(2)).await.1.is_some());
}

async fn a_blocked_subject_keeps_its_references(home: &Home) {
    let store = home.open("a").await;
    put(&store, subject(1), 0, "contract").await;
    let set = |whom, blocked| SetBlocked {
        subject: whom,
        blocked,
        at_us: NOW,
        claim: None,
        entry: entry("blocked"),
    };
    for (blocked, status) in [
        (true, SubjectStatus::Blocked),
        (false, SubjectStatus::Active),
    ] {
        let changed = store.set_blocked(set(subject(1), blocked)).await;
        assert!(matches!(changed, Ok(Changed::Done(_))));
        let (found, stored) = read(&store, subject(1)).await;
        assert_eq!(found.status, status);
        assert!(stored.is_some());
    }
    let stranger = store.set_blocked(set(subject(2), true)).await;
    assert_eq!(stranger, Ok(Changed::Stale));
    assert_eq!(
        intact_chain(&store, "a").await,
        ["put", "blocked", "blocked"]
    );
}

async fn keys_are_wrapped_anew_page_by_page(home: &Home) {
    let store = home.open("a").await;
    for number in 1..=5 {
        put(&store, subject(number), 0, "contract").await;
    }
    let mut after = None;
    let mut changed = 0;
    // Three pages and an empty one.
    for _ in 0..4 {
        let page = store.wrapped_by("m1", after, 2).await.expect("readable");
        let Some((last, _)) = page.last() else {
            break;
        };
        after = Some(*last);
        let rewraps = page.into_iter().map(|(subject, old)| Rewrap {
            subject,
            old,
            new: key(b"wrapped anew", "m2"),
        });
        let step = store.rewrap(rewraps.collect(), entry("rotated")).await;
        changed += step.expect("writes");
    }
    assert_eq!(changed, 5);
    assert_eq!(store.wrapped_by("m1", None, 9).await, Ok(Vec::new()));
    let (found, stored) = read(&store, subject(3)).await;
    assert_eq!(found.key, Some(key(b"wrapped anew", "m2")));
    // The key inside is the same, and so are its seals.
    assert_eq!((found.version, stored), (1, Some(reference(1, "contract"))));
    // One that changed since it was read is left alone.
    let late = Rewrap {
        subject: subject(3),
        old: key(b"wrapped key", "m1"),
        new: key(b"late", "m3"),
    };
    assert_eq!(store.rewrap(vec![late], entry("rotated")).await, Ok(0));
}

fn erasure(whom: SubjectHash, at_us: i64) -> Erase {
    Erase {
        subject: whom,
        at_us,
        entry: entry("erased"),
    }
}

async fn erasing_destroys_the_key_and_the_references(home: &Home) {
    let store = home.open("a").await;
    put(&store, subject(1), 0, "contract").await;
    put(&store, subject(1), 1, "other").await;
    put(&store, subject(2), 0, "contract").await;
    let erased = store
        .erase(erasure(subject(1), NOW + 1))
        .await
        .expect("writes");
    assert!(erased.had_key);
    assert_eq!(erased.references, 2);
    let (found, stored) = read(&store, subject(1)).await;
    assert_eq!(
        (found.status, found.key, stored),
        (SubjectStatus::Erased, None, None)
    );
    assert!(read(&store, subject(2)).await.0.key.is_some());
    if let Home::Sqlite(folder) = home {
        // The other subject has the same made-up key: once in the file, and nowhere else.
        let count = |name: &str| {
            let bytes = std::fs::read(folder.join(name)).expect("readable");
            let keys = bytes.windows(11).filter(|at| at == b"wrapped key");
            keys.count()
        };
        assert_eq!((count("padan.db"), count("padan.db-wal")), (1, 0));
    }
    // Erased is erased.
    let again = store
        .erase(erasure(subject(1), NOW + 2))
        .await
        .expect("writes");
    assert!(!again.had_key);
    assert_eq!(intact_chain(&store, "a").await.len(), 5);
}

async fn who_was_erased_may_enrol_again(home: &Home) {
    let store = home.open("a").await;
    put(&store, subject(1), 0, "contract").await;
    store
        .erase(erasure(subject(1), NOW + 1))
        .await
        .expect("writes");
    // Not without a new key.
    assert_eq!(put(&store, subject(1), 2, "contract").await, Changed::Stale);
    let mut later = reference(3, "contract");
    later.created_us = NOW + 5;
    let again = PutReference {
        subject: subject(1),
        expected_version: 2,
        new_key: Some(key(b"a new key", "m1")),
        reference: later.clone(),
        portrait: None,
        claim: None,
        entry: entry("put"),
    };
    assert!(matches!(
        store.put_reference(again).await,
        Ok(Changed::Done(_))
    ));
    // The list of erasures does not reach the later enrolment.
    let list = store.erasures(None, 10).await.expect("readable");
    let replayed = store.replay_erasures(list, entry("replayed")).await;
    assert_eq!(replayed, Ok(0));
    let (found, stored) = read(&store, subject(1)).await;
    assert_eq!(found.key, Some(key(b"a new key", "m1")));
    assert_eq!((found.status, stored), (SubjectStatus::Active, Some(later)));
}

async fn an_erasure_is_repeated_on_a_restored_backup(home: &Home) {
    let store = home.open("a").await;
    // The backup: made before the erasure, which is on the list kept apart.
    put(&store, subject(1), 0, "contract").await;
    put(&store, subject(2), 0, "contract").await;
    let list = vec![Erasure {
        subject: subject(1),
        at_us: NOW + 1,
    }];
    for expected in [1, 0] {
        let replayed = store.replay_erasures(list.clone(), entry("replayed")).await;
        assert_eq!(replayed, Ok(expected));
    }
    let (found, stored) = read(&store, subject(1)).await;
    assert_eq!(
        (found.status, found.key, stored),
        (SubjectStatus::Erased, None, None)
    );
    assert!(read(&store, subject(2)).await.0.key.is_some());
    assert_eq!(store.erasures(None, 10).await, Ok(list));
}

async fn an_erasure_of_a_stranger_is_remembered(home: &Home) {
    let store = home.open("a").await;
    for number in [3, 1, 2] {
        let at_us = NOW + i64::from(number);
        let erased = store.erase(erasure(subject(number), at_us)).await;
        assert!(erased.is_ok_and(|erased| !erased.had_key));
    }
    let first = store.erasures(None, 2).await.expect("readable");
    let rest = store
        .erasures(first.last().copied(), 2)
        .await
        .expect("readable");
    let order: Vec<_> = first.iter().chain(&rest).map(|line| line.subject).collect();
    assert_eq!(order, [subject(1), subject(2), subject(3)]);
}
