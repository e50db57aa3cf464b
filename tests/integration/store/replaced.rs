//! What becomes of a subject's references when one of another portrait is put.

use padan::audit::Text;
use padan::store::{Changed, Reference, SqlStore, Store};

use super::subjects::{put, put_both, reference};
use super::{Home, on_both, subject, whole_chain};

on_both!(
    a_reference_of_another_portrait_takes_those_of_all_contracts_away,
    a_kept_portrait_stays_with_the_templates_made_of_it,
);

/// A reference made of a portrait of this day.
fn of_day(day: Option<&str>, version: u64, contract_id: &str) -> Reference {
    Reference {
        captured_on: day.map(str::to_owned),
        ..reference(version, contract_id)
    }
}

/// How many references each entry of the chain says were removed.
async fn removed(store: &SqlStore) -> Vec<Option<String>> {
    let entries = whole_chain(store, "a").await;
    let said = entries
        .iter()
        .map(|it| it.details.get(&Text::fitted("removed")));
    said.map(|it| it.map(ToString::to_string)).collect()
}

async fn a_reference_of_another_portrait_takes_those_of_all_contracts_away(home: &Home) {
    let store = home.open("a").await;
    let (day, other_day) = (Some("2014-05-06"), Some("2024-01-02"));
    let others = [
        (day, other_day, "central"),
        // What was put last counts, not what was captured last.
        (other_day, day, "central"),
        (day, None, "central"),
        (None, day, "central"),
        (None, None, "central"),
        (day, day, "card"),
    ];
    let bystander = subject(99);
    put(&store, bystander, 0, "contract").await;
    for (number, (before, after, source)) in (1..).zip(others) {
        let whom = subject(number);
        for (version, contract) in [(1, "contract"), (2, "third")] {
            let old = of_day(before, version, contract);
            let done = put_both(&store, whom, old, None).await;
            assert!(matches!(done, Changed::Done(_)));
        }
        let new = Reference {
            source: source.to_owned(),
            ..of_day(after, 3, "other")
        };
        // What is not done takes nothing away.
        let stale = of_day(after, 2, "other");
        assert_eq!(
            put_both(&store, whom, stale, None).await,
            Changed::Stale,
            "{number}"
        );
        let done = put_both(&store, whom, new.clone(), None).await;
        assert!(matches!(done, Changed::Done(_)));
        assert_eq!(store.references(whom).await, Ok(vec![new]), "{number}");
    }
    let beside = store.contracts(bystander).await;
    assert_eq!(beside, Ok(vec!["contract".to_owned()]));
    let said = removed(&store).await;
    assert_eq!(said[..4], [None, None, None, Some("2".to_owned())]);
}

async fn a_kept_portrait_stays_with_the_templates_made_of_it(home: &Home) {
    let store = home.open("a").await;
    let (whom, day) = (subject(1), Some("2024-01-02"));
    let kept = |day, version| Some(of_day(day, version, "portrait"));
    let old = of_day(None, 1, "contract");
    put_both(&store, whom, old, kept(None, 1)).await;
    let new = of_day(day, 2, "contract");
    put_both(&store, whom, new.clone(), kept(day, 2)).await;
    let expected = vec![new.clone(), of_day(day, 2, "portrait")];
    assert_eq!(store.references(whom).await, Ok(expected));
    // Made of the same portrait elsewhere.
    let ready = of_day(day, 3, "other");
    put_both(&store, whom, ready.clone(), None).await;
    let expected = vec![new, ready, of_day(day, 2, "portrait")];
    assert_eq!(store.references(whom).await, Ok(expected));
    // Made of another one.
    let ready = of_day(Some("2025-03-04"), 4, "other");
    put_both(&store, whom, ready.clone(), None).await;
    assert_eq!(store.references(whom).await, Ok(vec![ready]));
    let said = removed(&store).await;
    assert_eq!(said, [None, None, None, Some("2".to_owned())]);
}
