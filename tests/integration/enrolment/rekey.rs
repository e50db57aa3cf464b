//! Rotation of the master key, and fresh keys for every subject.

use std::sync::Arc;

use padan::access::Role;
use padan::audit::Event;
use padan::enrolment::Settings;
use padan::grpc::proto::enrollment_server::Enrollment as _;
use padan::grpc::proto::{self};
use padan::keys::{self, Binding, KeyRing, KeySource, Sealed};
use padan::records::{Enrolled, Records, RecordsError, subject_key};
use padan::store::{Reference, SqlStore, Subject};
use padan::subject::SubjectHash;
use time::OffsetDateTime;
use tokio_stream::StreamExt as _;
use tonic::Request;

use super::{Desk, caller, put_of, put_ready, served};
use crate::enrolled::{MAN, STRANGER as OTHER, WOMAN, subject_of};
use crate::store::{Home, name, on_both};
use crate::support::{TestFolder, portrait};

on_both![
    after_a_rotation_the_old_master_key_is_not_needed,
    duty_5_an_old_copy_of_the_database_does_not_open_without_its_master_key,
    duty_5_rows_of_an_old_copy_do_not_open_with_fresh_keys_nor_fresh_rows_with_old_keys,
];

fn read(keys: &TestFolder, at: OffsetDateTime) -> KeyRing {
    let sources = [KeySource::Folder(keys.path().join("keys"))];
    KeyRing::read(&sources, &|_| None, at).expect("the keys are there")
}

async fn rekey(desk: &Desk, new_subject_keys: bool) -> Vec<proto::RekeyResponse> {
    let mut request = Request::new(proto::RekeyRequest {
        meta: None,
        new_subject_keys,
    });
    let mut admin = caller();
    admin.role = Role::Admin;
    request.extensions_mut().insert(admin);
    let stream = desk.service.rekey(request).await.expect("begins");
    let told: Result<Vec<_>, _> = stream.into_inner().collect().await;
    told.expect("ends well")
}

async fn reopen(home: &Home, keys: KeyRing) -> Result<Records, RecordsError> {
    let store: SqlStore = home.open("desk").await;
    Records::open(Arc::new(store), Arc::new(keys), name("desk")).await
}

async fn after_a_rotation_the_old_master_key_is_not_needed(home: &Home) {
    let folder = TestFolder::unique("rekey");
    let (now, later) = {
        let now = OffsetDateTime::now_utc();
        (now, now + time::Duration::DAY)
    };
    keys::create_keys(&folder.path().join("keys"), now).expect("new keys");
    let old = read(&folder, now).active_master_key().clone();
    let before = Desk::with(home, read(&folder, now), Settings::default()).await;
    before
        .stored(put_of(WOMAN, portrait("person_a_1.jpg")))
        .await;
    before.stored(put_ready(MAN, served().as_str(), 3.0)).await;
    before.records.store().close().await;
    keys::add_master_key(&folder.path().join("keys"), Some(later), now).expect("another key");

    let desk = Desk::with(home, read(&folder, later), Settings::default()).await;
    // Enrolled under the new one already.
    desk.stored(put_ready(OTHER, served().as_str(), 3.0)).await;
    let told = rekey(&desk, false).await;
    let last = told.last().expect("something is told");
    assert_eq!((last.subjects, last.finished), (2, true), "{told:?}");
    assert_eq!(desk.status(WOMAN).await.reference_version, 1);
    let again = rekey(&desk, false).await;
    assert_eq!(
        (again[0].subjects, again[0].finished),
        (0, true),
        "nothing is left to do"
    );
    let rotations = desk.trail().await;
    let rotations = rotations.iter().filter(|it| it.0 == Event::KeysChanged);
    assert_eq!(rotations.count(), 1);
    desk.records.store().close().await;

    std::fs::remove_file(folder.path().join(format!("keys/master-{old}.key"))).expect("removed");
    let desk = Desk::with(home, read(&folder, later), Settings::default()).await;
    for nik in [WOMAN, MAN, OTHER] {
        assert!(matches!(desk.enrolled(nik).await, Enrolled::Reference(_)));
    }
    let decision = desk.decision(WOMAN, "person_a_2.jpg").await;
    assert_eq!(decision, padan::decision::Decision::Match);
    desk.records.store().close().await;
    // Only keys that belong to it open it.
    let strange = KeyRing::ephemeral(now).expect("random bytes");
    assert!(reopen(home, strange).await.is_err());
}

async fn duty_5_an_old_copy_of_the_database_does_not_open_without_its_master_key(home: &Home) {
    let folder = TestFolder::unique("rekey-copy");
    let (keys_folder, now) = (folder.path().join("keys"), OffsetDateTime::now_utc());
    let later = now + time::Duration::DAY;
    keys::create_keys(&keys_folder, now).expect("new keys");
    let old = read(&folder, now).active_master_key().clone();
    let before = Desk::with(home, read(&folder, now), Settings::default()).await;
    before
        .stored(put_ready(WOMAN, served().as_str(), 3.0))
        .await;
    before.records.store().close().await;
    let copy = home.copy().await;
    keys::add_master_key(&keys_folder, Some(later), now).expect("another key");
    let desk = Desk::with(home, read(&folder, later), Settings::default()).await;
    let told = rekey(&desk, false).await;
    assert!(told.last().expect("something is told").finished);
    desk.records.store().close().await;

    let file = keys_folder.join(format!("master-{old}.key"));
    let aside = folder.path().join("aside");
    std::fs::rename(&file, &aside).expect("removed");
    let served_on = reopen(home, read(&folder, later)).await;
    served_on
        .expect("needs the new key alone")
        .store()
        .close()
        .await;
    let refused = reopen(&copy, read(&folder, later)).await.err();
    let missing = RecordsError::MasterKeyMissing(old.to_string());
    assert_eq!(refused, Some(missing));
    // Nothing else kept the copy from opening.
    std::fs::rename(&aside, &file).expect("brought back");
    let desk = Desk::with(&copy, read(&folder, later), Settings::default()).await;
    assert!(matches!(desk.enrolled(WOMAN).await, Enrolled::Reference(_)));
}

/// What a copy of the database has of a subject.
async fn copy_of(desk: &Desk, subject: SubjectHash) -> (Subject, Reference) {
    let contract = served();
    let found = desk.records.store().subject(subject, contract.as_str());
    let (row, reference) = found.await.expect("readable").expect("is there");
    (row, reference.expect("a reference"))
}

fn opens(desk: &Desk, subject: SubjectHash, key: &Subject, sealed: &Reference) -> bool {
    let key = subject_key(desk.records.keys(), subject, key).expect("unwraps");
    let binding = Binding::template(&subject, &served(), sealed.row_version);
    let sealed = Sealed {
        nonce: sealed.nonce.as_slice().try_into().expect("a nonce"),
        ciphertext: sealed.ciphertext.clone(),
    };
    keys::open(&key, &binding, &sealed).is_ok()
}

async fn duty_5_rows_of_an_old_copy_do_not_open_with_fresh_keys_nor_fresh_rows_with_old_keys(
    home: &Home,
) {
    let keys = KeyRing::ephemeral(OffsetDateTime::now_utc()).expect("random bytes");
    let settings = Settings {
        keep_portraits: true,
    };
    let desk = Desk::with(home, keys, settings).await;
    desk.stored(put_of(WOMAN, portrait("person_a_1.jpg"))).await;
    desk.stored(put_ready(WOMAN, "another:1", 3.0)).await;
    desk.stored(put_ready(MAN, served().as_str(), 3.0)).await;
    let subject = subject_of(&desk.records, WOMAN);
    let old = copy_of(&desk, subject).await;
    let told = rekey(&desk, true).await;
    let last = told.last().expect("something is told");
    assert_eq!((last.subjects, last.finished), (2, true));

    let new = copy_of(&desk, subject).await;
    assert_eq!((old.0.version, new.0.version, new.1.row_version), (2, 3, 3));
    assert_ne!(old.0.key, new.0.key);
    assert!(opens(&desk, subject, &new.0, &new.1));
    assert!(
        opens(&desk, subject, &old.0, &old.1),
        "the copy alone is whole"
    );
    assert!(!opens(&desk, subject, &new.0, &old.1));
    assert!(!opens(&desk, subject, &old.0, &new.1));
    // The enrolment is as old as before: an erasure that is repeated reaches it.
    assert_eq!(new.0.keyed_us, old.0.keyed_us);
    let decision = desk.decision(WOMAN, "person_a_2.jpg").await;
    assert_eq!(decision, padan::decision::Decision::Match);
    let all = desk
        .records
        .store()
        .references(subject)
        .await
        .expect("readable");
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|reference| reference.row_version == 3));
    assert!(all.iter().all(|it| it.created_us > 0));
    let trail = desk.trail().await;
    let rekeyed = trail.iter().filter(|it| it.1 == "rekey");
    let rekeyed: Vec<_> = rekeyed.map(|it| (it.0, it.2)).collect();
    let changed = Event::ReferenceChanged;
    assert_eq!(rekeyed.len(), 2);
    assert!(rekeyed.contains(&(changed, Some(3))) && rekeyed.contains(&(changed, Some(2))));
}
