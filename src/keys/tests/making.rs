use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Barrier;

use super::*;

#[test]
fn made_keys_are_read_and_only_their_owner_may() {
    let (_folder, keys) = made();
    let ring = read(&keys).expect("read");
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o7777;
    assert_eq!(mode(&keys), 0o700);
    let names = names(&keys);
    let master = format!("master-{}.key", ring.active_master_key());
    assert_eq!(names, ["audit.key", &master, "nik.key", "token.key"]);
    assert!(names.iter().all(|name| mode(&keys.join(name)) == 0o600));
    let again = read(&keys).expect("read");
    assert_eq!(again.summaries(), ring.summaries());
    assert_eq!(again.token_key().public(), ring.token_key().public());
}

#[test]
fn the_latest_master_key_that_has_begun_is_active() {
    let (_folder, keys) = made();
    let first = read(&keys).expect("read").active_master_key().clone();
    let day = time::Duration::DAY;
    let second = add_master_key(&keys, Some(now() + day), now()).expect("added");
    let read_at = |time| {
        let sources = [KeySource::Folder(keys.clone())];
        KeyRing::read(&sources, &|_| None, time)
    };
    let today = read_at(now()).expect("read");
    assert_eq!(*today.active_master_key(), first);
    let tomorrow = read_at(now() + day).expect("read");
    assert_eq!(*tomorrow.active_master_key(), second);
    let states = |ring: &KeyRing| -> Vec<_> {
        let masters = ring
            .summaries()
            .iter()
            .filter(|key| key.kind == KeyKind::Master);
        masters.map(|key| (key.id.clone(), key.state)).collect()
    };
    let of = |a, b| vec![(first.clone(), a), (second.clone(), b)];
    assert_eq!(states(&today), of(KeyState::Active, KeyState::Later));
    assert_eq!(states(&tomorrow), of(KeyState::Reading, KeyState::Active));
    // A replica that waits reads what another wraps already.
    let key = SubjectKey::random().expect("random bytes");
    let wrapped = tomorrow.wrap(&key, &subject(1)).expect("wrapped");
    let found = today.unwrap(&wrapped, &subject(1)).expect("unwraps");
    assert_eq!(found.expose(), key.expose());
    let error = read_at(now() - day).expect_err("before both");
    assert!(error.to_string().contains("check the clock"), "{error}");
}

#[test]
fn keys_are_never_overwritten() {
    let (folder, keys) = made();
    let before = all_text(&keys);
    let error = create_keys(&keys, now()).expect_err("keys are there");
    assert_says(&error, &["never overwritten", "--keys"], &keys);
    assert_eq!(all_text(&keys), before);
    let file = folder.path().join("file");
    std::fs::write(&file, "precious").expect("written");
    let error = create_keys(&file, now()).expect_err("a file is there");
    assert!(matches!(error, KeyError::AlreadyThere(_)), "{error}");
    assert_eq!(std::fs::read_to_string(&file).expect("there"), "precious");
    let error = create_keys(&folder.path().join("no/such/keys"), now()).expect_err("no parent");
    assert!(matches!(error, KeyError::Unwritable { .. }), "{error}");
    // Nothing is left beside them of the attempts.
    assert_eq!(names(folder.path()), ["file", "keys"]);
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).expect("a folder");
    create_keys(&empty, now()).expect("an empty folder may be filled");
    read(&empty).expect("read");
}

#[test]
fn of_many_that_make_keys_at_once_one_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = folder.path().join("keys");
    let start = Barrier::new(8);
    let made: Vec<_> = std::thread::scope(|scope| {
        let one = || {
            start.wait();
            create_keys(&keys, now())
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
        threads
            .into_iter()
            .map(|it| it.join().expect("no panic"))
            .collect()
    });
    assert_eq!(made.iter().filter(|it| it.is_ok()).count(), 1, "{made:?}");
    assert_eq!(names(&keys).len(), 4);
    assert_eq!(names(folder.path()), ["keys"]);
    read(&keys).expect("a whole set");
}

#[test]
fn a_new_master_key_is_never_older_than_the_active_one() {
    let (_folder, keys) = made();
    let second = time::Duration::SECOND;
    for from in [now() - time::Duration::DAY, now() - second, now()] {
        let error = add_master_key(&keys, Some(from), now()).expect_err("would never be used");
        assert!(matches!(error, KeyError::NeverActive { .. }), "{error}");
    }
    let added = add_master_key(&keys, None, now()).expect("added");
    let sources = [KeySource::Folder(keys.clone())];
    let ring = KeyRing::read(&sources, &|_| None, now() + second).expect("read");
    assert_eq!(*ring.active_master_key(), added);
    // Between now and one that is planned, another may begin.
    add_master_key(&keys, Some(now() + 60 * second), now()).expect("added");
    add_master_key(&keys, Some(now() + 30 * second), now()).expect("added");
}

#[test]
fn of_many_new_master_keys_none_is_lost() {
    let (_folder, keys) = made();
    let start = Barrier::new(4);
    let ids: Vec<_> = std::thread::scope(|scope| {
        let one = || {
            start.wait();
            add_master_key(&keys, None, now()).expect("added")
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
        threads
            .into_iter()
            .map(|it| it.join().expect("no panic"))
            .collect()
    });
    let ring = read(&keys).expect("read");
    let known: Vec<_> = ring.summaries().iter().map(|key| &key.id).collect();
    assert!(ids.iter().all(|id| known.contains(&id)), "{ids:?}");
    assert_eq!(names(&keys).len(), 8);
}

#[test]
fn a_master_key_is_added_to_keys_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = add_master_key(folder.path(), None, now()).expect_err("no keys");
    assert!(error.to_string().contains("no master key"), "{error}");
    assert!(names(folder.path()).is_empty());
}
