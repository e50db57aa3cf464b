//! padan's stages against OpenCV's, run by run: the machine's speed changes from second to second,
//! so only what alternates within milliseconds compares.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use super::{floor_row, milliseconds};
use crate::guard::{Row, has_fast_products};
use crate::support::models::Models;
use crate::support::pictures::repository;
use crate::support::stage::Stage;
use crate::support::statistics::median;

/// `make bench-guard` sets it up.
const PYTHON: &str = ".runtime/peers/opencv/bin/python";
const STAGES: &str = "benches/peers/opencv_stages.py";

/// Runs of each side.
const RUNS: usize = 60;

/// Runs before those that count.
const WARM_UP: usize = 3;

/// How many times as long OpenCV takes for the same.
pub fn floors(stages: &mut [Stage], models: &Models) -> Vec<Row> {
    let is_fast = |id: &&str| !id.contains("int8") || has_fast_products();
    let mut pairs: Vec<(String, String, &str, f64)> = models
        .embedder_ids()
        .into_iter()
        .filter(is_fast)
        .map(|id| {
            let floor = if id.contains("int8") { 2.0 } else { 1.2 };
            let name = format!("OpenCV's FaceRecognizerSF / embed, {id}");
            (name, format!("embed, {id}"), "feature_112x112", floor)
        })
        .collect();
    let name = "OpenCV's FaceDetectorYN, 320x320 / detect selfie".to_owned();
    pairs.push((name, "detect selfie".to_owned(), "detect_320x320", 2.0));
    let mut opencv = OpenCv::start();
    let mut rows = Vec::new();
    for (name, ours, theirs, floor) in pairs {
        println!("in turn: {ours}, OpenCV's {theirs}");
        let stage = stages.iter_mut().find(|stage| stage.name == ours);
        let stage = stage.expect("is a stage");
        rows.push(match &mut opencv {
            Ok(opencv) => measured_row(name, ratio_of(stage, opencv, theirs), floor),
            Err(cause) => floor_row(name, Err(cause.clone()), floor),
        });
    }
    rows
}

/// OpenCV is there: that it fails is no reason to let the guard hold.
fn measured_row(name: String, ratio: Result<f64, String>, floor: f64) -> Row {
    let failed = ratio.as_ref().err().cloned();
    let mut row = floor_row(name, Ok(ratio.unwrap_or(f64::NAN)), floor);
    if let Some(cause) = failed {
        row.note = cause;
    }
    row
}

/// OpenCV's median time to padan's, the two in turn.
fn ratio_of(stage: &mut Stage, opencv: &mut OpenCv, theirs: &str) -> Result<f64, String> {
    let (mut ours, mut opencvs) = (Vec::new(), Vec::new());
    for run in 0..WARM_UP + RUNS {
        let started = Instant::now();
        (stage.run)();
        let (our, their) = (milliseconds(started.elapsed()), opencv.run(theirs)?);
        if run >= WARM_UP {
            ours.push(our);
            opencvs.push(their);
        }
    }
    Ok(median(&opencvs) / median(&ours))
}

/// A Python process that runs one of OpenCV's stages when told to.
struct OpenCv {
    child: Child,
    orders: ChildStdin,
    times: BufReader<ChildStdout>,
}

impl OpenCv {
    fn start() -> Result<Self, String> {
        let python = repository().join(PYTHON);
        if !python.exists() {
            return Err("OpenCV is not set up: run `make bench-guard`".to_owned());
        }
        let mut child = Command::new(python)
            .args(["-B", STAGES])
            .current_dir(repository())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It warns of its own graph engine.
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let orders = child.stdin.take().expect("is piped");
        let times = BufReader::new(child.stdout.take().expect("is piped"));
        Ok(Self {
            child,
            orders,
            times,
        })
    }

    /// Milliseconds of one run.
    fn run(&mut self, stage: &str) -> Result<f64, String> {
        let ended = |error: std::io::Error| format!("{STAGES} ended: {error}");
        writeln!(self.orders, "{stage}").map_err(ended)?;
        let mut line = String::new();
        self.times.read_line(&mut line).map_err(ended)?;
        let time = line.trim().parse();
        time.map_err(|_| format!("{STAGES} failed at {stage}: run it by hand to see why"))
    }
}

impl Drop for OpenCv {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
