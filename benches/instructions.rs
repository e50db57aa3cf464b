//! Instruction counts of the kernels, by callgrind: the same on a busy machine. Each is told as a
//! ratio to a yardstick counted in the same run, so that another processor, which takes other
//! kernels of ONNX Runtime, moves both.
//!
//! Callgrind's processor has at most AVX2, whatever the machine's has.

mod callgrind;

use std::ffi::CString;
use std::path::Path;
use std::process::{Command, Stdio};

use super::support::models::Models;
use super::support::report::machine;
use super::support::stage::{Stage, Stages, YARDSTICK, yardstick_detect};

/// Runs of a kernel that are counted together; a network is long enough alone.
const RUNS: u64 = 3;

/// A kernel and its instructions in a run.
pub struct Count {
    /// The kernel.
    pub name: String,
    /// Instructions of one run.
    pub instructions: u64,
    /// The same as a multiple of the yardstick's.
    pub ratio: f64,
}

/// What the runtime and the compiler were; another one counts otherwise.
pub fn made_with(models: &Models) -> Vec<(&'static str, String)> {
    vec![
        ("valgrind", version("valgrind", &["--version"])),
        ("rustc", version("rustc", &["--version"])),
        ("onnx_runtime", models.runtime.version().to_owned()),
        (
            "opencv",
            opencv::core::get_version_string().unwrap_or_default(),
        ),
        ("machine", machine()),
    ]
}

fn version(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| {
        panic!("{program} does not start ({error}); run `.setup/setup.sh valgrind`")
    });
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Counts every kernel: runs this program under callgrind.
pub fn count() -> Vec<Count> {
    let folder = std::env::temp_dir().join(format!("padan-callgrind-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    run_callgrind(&folder);
    let totals = totals(&folder);
    std::fs::remove_dir_all(&folder).expect("is ours");
    let yardstick = totals.iter().find(|(name, _)| name == YARDSTICK);
    let (_, yardstick) = *yardstick.expect("the yardstick is counted");
    let count = |(name, instructions): &(String, u64)| Count {
        name: name.clone(),
        instructions: *instructions,
        ratio: *instructions as f64 / yardstick as f64,
    };
    totals.iter().map(count).collect()
}

fn run_callgrind(folder: &Path) {
    println!("counting instructions under callgrind (a minute or two on an idle machine)");
    let program = std::env::current_exe().expect("this program");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--instr-atstart=no", "--quiet"])
        .arg(format!(
            "--callgrind-out-file={}",
            folder.join("out").display()
        ))
        .arg(program)
        .arg("kernels")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| {
            panic!("valgrind does not start ({error}); run `.setup/setup.sh valgrind`")
        });
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "callgrind failed: {told}");
}

/// Names and instructions of one run, from the files that callgrind left.
fn totals(folder: &Path) -> Vec<(String, u64)> {
    let mut numbered = Vec::new();
    for entry in std::fs::read_dir(folder).expect("callgrind left files") {
        let path = entry.expect("an entry").path();
        let number = path
            .extension()
            .and_then(|n| n.to_str()?.parse::<u32>().ok());
        // The file without a number is the rest, after the last kernel.
        let Some(number) = number else { continue };
        let text = std::fs::read_to_string(&path).expect("readable");
        numbered.push((number, total(&text)));
    }
    numbered.sort_by_key(|(number, _)| *number);
    assert!(!numbered.is_empty(), "callgrind counted nothing");
    numbered.into_iter().map(|(_, total)| total).collect()
}

/// The name is the reason of the dump: `RUNS name`.
fn total(text: &str) -> (String, u64) {
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
    let trigger = value("desc: Trigger: Client Request: ").expect("has a reason");
    let (runs, name) = trigger.split_once(' ').expect("runs and a name");
    let runs: u64 = runs.parse().expect("a number");
    let sum = value("totals:").or_else(|| value("summary:"));
    let sum: u64 = sum.and_then(|sum| sum.trim().parse().ok()).expect("a sum");
    (name.to_owned(), sum / runs)
}

/// Runs every kernel and has the runs counted.
pub fn run_kernels(models: &Models) {
    let stages = Stages::new(models);
    let kernels = [
        vec![yardstick_detect(models)],
        stages.each(models),
        stages.kernels(models),
    ];
    for kernel in kernels.into_iter().flatten() {
        run_kernel(kernel);
    }
}

fn run_kernel(mut kernel: Stage) {
    let runs = if kernel.is_network { 1 } else { RUNS };
    // Buffers grow in the first run; in that of a network, this is next to nothing.
    if !kernel.is_network {
        (kernel.run)();
    }
    callgrind::start();
    for _ in 0..runs {
        (kernel.run)();
    }
    let reason = CString::new(format!("{runs} {}", kernel.name)).expect("no zero byte");
    callgrind::dump(&reason);
}
