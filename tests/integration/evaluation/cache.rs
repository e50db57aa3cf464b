//! Remembered embeddings: the second run computes nothing, and nothing that happens to the files
//! changes a rate.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Faces, count, json, json_of, without_speed};
use crate::support::{WAIT_MAX, assert_says, run};

/// An evaluation of all pairs that remembers in this folder.
fn remembering(faces: &Faces, cache: &Path) -> Command {
    let mut command = faces.command("evaluate");
    command.args(["--fmr", "0.3", "--cache"]);
    command.arg(cache);
    command
}

/// Samples that were computed, and those that were remembered.
fn shares(answer: &Value) -> (u64, u64) {
    let speed = &answer["speed"];
    (count(speed, "computed"), count(speed, "remembered"))
}

fn files(cache: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(cache).into_iter().flatten();
    entries.map(|it| it.expect("an entry").path()).collect()
}

fn only_file(cache: &Path) -> PathBuf {
    let [file] = <[PathBuf; 1]>::try_from(files(cache)).expect("one file");
    file
}

fn mode(path: &Path) -> u32 {
    let metadata = std::fs::metadata(path).expect("is there");
    metadata.permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("changes");
}

#[test]
fn a_second_run_computes_nothing_and_finds_the_same() {
    let faces = Faces::new("evaluate-cache");
    let cache = faces.path("new/cache");
    let first = json_of(&mut remembering(&faces, &cache));
    assert_eq!(shares(&first), (6, 0));
    assert_eq!((mode(&cache), mode(&only_file(&cache))), (0o700, 0o600));
    let second = json_of(&mut remembering(&faces, &cache));
    assert_eq!(shares(&second), (0, 6));
    let first = without_speed(first);
    assert_eq!(without_speed(second), first);
    let without = json_of(faces.command("evaluate").args(["--fmr", "0.3"]));
    assert_eq!(without_speed(without), first);
    // A new sample is computed, and so is everything for another model or with quality limits.
    let bytes = std::fs::read(faces.sample("C/C_0001.jpg")).expect("readable");
    std::fs::write(faces.sample("C/again.jpg"), [&bytes[..], b"again"].concat()).expect("writes");
    let third = json_of(&mut remembering(&faces, &cache));
    assert_eq!(shares(&third), (1, 6));
    for further in [&["--model", "sface_2021dec"][..], &["--gated"]] {
        let other = json_of(remembering(&faces, &cache).args(further));
        assert_eq!(shares(&other), (7, 0), "{further:?}");
    }
    assert_eq!(files(&cache).len(), 3);
}

/// What happens to a file.
type Damage = fn(&mut Vec<u8>);

#[test]
fn damaged_files_change_no_rate_and_are_mended() {
    let faces = Faces::new("evaluate-damage");
    let cache = faces.path("cache");
    let first = without_speed(json_of(&mut remembering(&faces, &cache)));
    let damages: [(&str, Damage); 5] = [
        ("a number of an embedding", |bytes| bytes[200] ^= 1),
        ("the header", |bytes| bytes[10] ^= 1),
        ("the end is missing", |bytes| {
            bytes.truncate(bytes.len() - 7);
        }),
        ("all is something else", |bytes| bytes.fill(0x5a)),
        ("all is missing", Vec::clear),
    ];
    for (what, damage) in damages {
        let file = only_file(&cache);
        let mut bytes = std::fs::read(&file).expect("readable");
        damage(&mut bytes);
        std::fs::write(&file, bytes).expect("writes");
        let again = json_of(&mut remembering(&faces, &cache));
        let (computed, remembered) = shares(&again);
        assert!(computed >= 1, "{what}: what is damaged is not believed");
        assert_eq!(computed + remembered, 6, "{what}");
        assert_eq!(without_speed(again), first, "{what}");
    }
    let last = json_of(&mut remembering(&faces, &cache));
    assert_eq!(shares(&last), (0, 6));
}

#[test]
fn what_others_may_read_or_use_now_is_left_alone() {
    let faces = Faces::new("evaluate-open");
    let cache = faces.path("cache");
    let noted = |says: &[&str]| {
        let mut command = remembering(&faces, &cache);
        let (code, stdout, stderr) = run(command.args(["--json", "-"]));
        assert_eq!(code, 0, "{stderr}");
        assert_says(&stderr, says);
        let answer = json(&stdout);
        assert_eq!(shares(&answer), (6, 0));
        without_speed(answer)
    };
    std::fs::create_dir(&cache).expect("a folder");
    set_mode(&cache, 0o755);
    let first = noted(&["open to others", "chmod 700"]);
    assert!(files(&cache).is_empty(), "nothing was written there");
    set_mode(&cache, 0o700);
    assert_eq!(shares(&json_of(&mut remembering(&faces, &cache))), (6, 0));
    let file = only_file(&cache);
    set_mode(&file, 0o640);
    assert_eq!(noted(&["open to others", "chmod 600"]), first);
    set_mode(&file, 0o600);
    let other_run = std::fs::File::open(&file).expect("opens");
    other_run.lock().expect("locks");
    assert_eq!(noted(&["another run of padan"]), first);
    drop(other_run);
    assert_eq!(shares(&json_of(&mut remembering(&faces, &cache))), (0, 6));
}

/// Copies of the samples, each another one to whoever looks at its bytes.
fn multiply(faces: &Faces, times: usize) {
    for (sample, _) in super::FACES {
        let bytes = std::fs::read(faces.sample(sample)).expect("readable");
        for number in 1..times {
            let copy = faces.sample(&sample.replace(".jpg", &format!("_{number}.jpg")));
            // Decoders read up to the end of the image.
            let bytes = [&bytes[..], number.to_string().as_bytes()].concat();
            std::fs::write(copy, bytes).expect("writes");
        }
    }
}

/// Waits until this many bytes are remembered, as long as the run goes on.
fn wait_until_remembered(cache: &Path, bytes: u64, run: &mut Child) {
    let begun = Instant::now();
    let length = |path: PathBuf| std::fs::metadata(path).map_or(0, |it| it.len());
    while files(cache).into_iter().map(length).sum::<u64>() < bytes {
        let ended = run.try_wait().expect("is our child");
        assert!(ended.is_none() && begun.elapsed() < WAIT_MAX, "{ended:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn an_interrupted_run_says_how_to_go_on_and_the_next_one_does() {
    let faces = Faces::new("evaluate-interrupted");
    multiply(&faces, 10);
    let cache = faces.path("cache");
    // Eleven times as much as it has to do before it is interrupted.
    let mut command = remembering(&faces, &cache);
    command.arg("--degradations");
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut first = piped.spawn().expect("starts");
    // Six records of 128 numbers each, or more.
    wait_until_remembered(&cache, 6 * 4 * 128, &mut first);
    kill_process(Pid::from_child(&first), Signal::INT).expect("is there");
    let ended = first.wait_with_output().expect("ends");
    let stderr = String::from_utf8(ended.stderr).expect("UTF-8");
    assert_eq!(ended.status.code(), Some(3), "{stderr}");
    assert_says(
        &stderr,
        &[
            "interrupted after",
            "of 60 samples",
            "run the same command again",
        ],
    );
    assert!(ended.stdout.is_empty(), "no result of a part");
    let answer = json_of(&mut remembering(&faces, &cache));
    let (computed, remembered) = shares(&answer);
    assert!(remembered >= 5, "{remembered}");
    assert_eq!(computed + remembered, 60);
}
