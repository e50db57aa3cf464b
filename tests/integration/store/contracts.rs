//! One question about references of several contracts.

use padan::store::{Changed, Known, Question, SqlStore, Store, StoreError};

use super::subjects::put;
use super::{Home, evidence, on_both, request, subject};

on_both!(the_first_contract_that_a_subject_has_a_reference_of_is_found);

async fn known(store: &SqlStore, number: u8, contracts: &[&str]) -> Result<Known, StoreError> {
    let question = Question {
        request: request("asks"),
        body_digest: [0; 32],
        consent: padan::store::Consent {
            subject: subject(number),
            ..evidence::consent("asks")
        },
        session: "session".to_owned(),
        day: 20_779,
        contracts: contracts.iter().map(|&it| it.to_owned()).collect(),
    };
    store.known(&question).await
}

/// The contract of the reference that is found, if the subject is.
async fn found(store: &SqlStore, number: u8, contracts: &[&str]) -> Option<Option<String>> {
    let known = known(store, number, contracts).await.expect("readable");
    let (row, reference) = known.subject?;
    assert!(row.key.is_some());
    Some(reference.map(|reference| {
        assert!(!reference.ciphertext.is_empty());
        reference.contract_id
    }))
}

async fn the_first_contract_that_a_subject_has_a_reference_of_is_found(home: &Home) {
    let store = home.open("a").await;
    for (number, version, contract) in [(1, 0, "new"), (1, 1, "old"), (2, 0, "old"), (3, 0, "x")] {
        let done = put(&store, subject(number), version, contract).await;
        assert!(matches!(done, Changed::Done(_)));
    }
    let some = |contract: &str| Some(Some(contract.to_owned()));
    for contracts in [
        &["new", "old"][..],
        &["new", "none", "old"],
        &["new", "a", "b", "old"],
    ] {
        assert_eq!(found(&store, 1, contracts).await, some("new"));
        assert_eq!(found(&store, 2, contracts).await, some("old"));
        assert_eq!(found(&store, 3, contracts).await, Some(None));
        assert_eq!(found(&store, 4, contracts).await, None, "nobody");
    }
    assert_eq!(found(&store, 1, &["old", "new"]).await, some("old"));
    assert_eq!(found(&store, 2, &["new"]).await, Some(None));
    assert_eq!(found(&store, 2, &["old"]).await, some("old"));
    for contracts in [&[][..], &["a", "b", "c", "d", "e"]] {
        let refused = known(&store, 1, contracts).await;
        assert!(matches!(refused, Err(StoreError::Internal(_))));
    }
}
