use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use super::*;

#[test]
fn debug_of_all_keys_prints_none() {
    use base64::Engine as _;
    let (_folder, keys) = made();
    let printed = format!("{:?} {:#?}", read(&keys), read(&keys));
    for line in all_text(&keys).lines() {
        let key = line.rsplit(' ').next().expect("a word");
        let decoder = base64::engine::general_purpose::STANDARD;
        let bytes = decoder.decode(key).expect("base64");
        let hex = u64::from_be_bytes(bytes[..8].try_into().expect("8 bytes"));
        let hex = format!("{hex:016x}");
        let numbers = format!("{:?}", &bytes[..8]);
        let numbers = numbers.trim_matches(['[', ']']);
        for form in [&key[..12], &hex, &hex.to_uppercase(), numbers] {
            assert!(!printed.contains(form), "{form} in {printed}");
        }
    }
    assert!(printed.contains("Secret(…)"), "{printed}");
}

#[test]
fn files_that_others_may_reach_are_refused() {
    let (_folder, keys) = made();
    let set = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
    };
    let nik = keys.join("nik.key");
    for mode in [0o640, 0o604, 0o660, 0o601, 0o644] {
        set(&nik, mode);
        let error = read(&keys).expect_err("too open");
        assert!(matches!(error, KeyError::TooOpen { .. }), "{error}");
        assert_says(
            &error,
            &["nik.key", &format!("{mode:o}"), "chmod 600"],
            &keys,
        );
    }
    set(&nik, 0o400);
    read(&keys).expect("the owner need not write");
    set(&keys, 0o770);
    let error = read(&keys).expect_err("others may put other files there");
    assert_says(&error, &["write in", "chmod 700"], &keys);
    set(&keys, 0o755);
    read(&keys).expect("others may list, and read nothing");
}

#[test]
fn what_is_not_there_or_no_file_is_named() {
    let (folder, keys) = made();
    let error = read(&folder.path().join("none")).expect_err("no folder");
    assert_says(&error, &["none", "padan keys init", "--keys"], &keys);
    let error = read(&keys.join("nik.key")).expect_err("no folder");
    assert_says(&error, &["nik.key", "cannot read"], &keys);
    std::fs::create_dir(keys.join("more.key")).expect("a folder");
    let error = read(&keys).expect_err("no file");
    assert!(matches!(error, KeyError::NotAFile(_)), "{error}");
    std::fs::remove_dir(keys.join("more.key")).expect("removed");
    std::os::unix::fs::symlink("nowhere", keys.join("more.key")).expect("a link");
    let error = read(&keys).expect_err("no file");
    assert!(matches!(error, KeyError::Unreadable { .. }), "{error}");
    std::fs::remove_file(keys.join("more.key")).expect("removed");
    let pipe = std::process::Command::new("mkfifo")
        .arg(keys.join("pipe.key"))
        .status();
    assert!(pipe.expect("there is mkfifo").success());
    let error = read(&keys).expect_err("no file, and not waited for");
    assert!(matches!(error, KeyError::NotAFile(_)), "{error}");
}

#[test]
fn a_missing_key_is_told_and_not_made_anew() {
    for name in ["nik.key", "audit.key", "token.key"] {
        let (_folder, keys) = made();
        std::fs::remove_file(keys.join(name)).expect("removed");
        let error = read(&keys).expect_err("is missing");
        let kind = name.trim_end_matches(".key");
        assert_says(
            &error,
            &[&format!("no {kind} key"), "bring the file back"],
            &keys,
        );
        let error = create_keys(&keys, now()).expect_err("others are there");
        assert!(matches!(error, KeyError::AlreadyThere(_)), "{error}");
        assert!(!names(&keys).contains(&name.to_owned()));
    }
    let error = read_text("").expect_err("nothing");
    assert!(error.to_string().contains("no nik key"), "{error}");
}

#[test]
fn the_environment_and_a_command_give_the_same_keys_as_the_folder() {
    let (_folder, keys) = made();
    let from_folder = read(&keys).expect("read");
    let from_text = read_text(&all_text(&keys)).expect("read");
    let shell = |script: String, time_max| {
        let argv = ["sh", "-c", &script].map(str::to_owned).to_vec();
        KeyRing::read(&[KeySource::Command { argv, time_max }], &|_| None, now())
    };
    let cat = format!("cat '{}'/*.key", keys.display());
    let from_command = shell(cat.clone(), COMMAND_TIME_MAX).expect("read");
    for ring in [from_text, from_command] {
        assert_eq!(ring.nik_key().id(), from_folder.nik_key().id());
        assert_eq!(ring.active_master_key(), from_folder.active_master_key());
        assert_eq!(ring.audit_key().public(), from_folder.audit_key().public());
    }
    let failing = shell(format!("{cat}; exit 4"), COMMAND_TIME_MAX);
    assert_says(
        &failing.expect_err("failed"),
        &["\"sh\"", "exit status: 4"],
        &keys,
    );
    let endless = shell("yes".to_owned(), COMMAND_TIME_MAX);
    assert_says(
        &endless.expect_err("endless"),
        &["more than 65536 bytes"],
        &keys,
    );
    let stuck = shell(format!("{cat}; exec sleep 600"), Duration::from_millis(50));
    assert_says(&stuck.expect_err("stuck"), &["did not end"], &keys);
    // Its output is closed, and still it does not end.
    let silent = shell(
        "exec >&-; exec sleep 600".to_owned(),
        Duration::from_millis(50),
    );
    assert_says(&silent.expect_err("stuck"), &["did not end"], &keys);
}

#[test]
fn a_source_that_gives_nothing_says_what_is_missing() {
    let error = |source| KeyRing::read(&[source], &|_| None, now()).expect_err("gives nothing");
    let unset = error(KeySource::Environment("NO_KEYS".to_owned()));
    assert!(unset.to_string().contains("NO_KEYS"), "{unset}");
    let command = |argv: &[&str]| KeySource::Command {
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        time_max: COMMAND_TIME_MAX,
    };
    let missing = error(command(&["no-such-vault", "token=hunter2"]));
    let text = format!("{missing} {missing:?}");
    assert!(
        text.contains("no-such-vault") && !text.contains("hunter2"),
        "{text}"
    );
    let nothing = error(command(&[]));
    assert!(nothing.to_string().contains("no command"), "{nothing}");
    let none = KeyRing::read(&[], &|_| None, now()).expect_err("no source");
    assert!(matches!(none, KeyError::Missing { .. }), "{none}");
}

#[test]
fn keys_may_come_from_two_sources() {
    let (_folder, keys) = made();
    let master = std::fs::read_dir(&keys).expect("a folder");
    let mut paths = master.map(|entry| entry.expect("an entry").path());
    let is_master = |path: &std::path::PathBuf| path.to_string_lossy().contains("master-");
    let path = paths.find(is_master).expect("a master key");
    let text = std::fs::read_to_string(&path).expect("readable");
    std::fs::remove_file(&path).expect("removed");
    let sources = [
        KeySource::Folder(keys.clone()),
        KeySource::Environment("MASTER".to_owned()),
    ];
    let value = |_: &str| Some(Zeroizing::new(text.clone()));
    let ring = KeyRing::read(&sources, &value, now()).expect("read");
    let origins: Vec<_> = ring
        .summaries()
        .iter()
        .map(|key| key.origin.as_str())
        .collect();
    assert!(
        origins.contains(&"the environment variable MASTER"),
        "{origins:?}"
    );
}
