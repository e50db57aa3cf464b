//! Keys from the standard output of a command, for example the client of a vault.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::error::KeyError;
use super::source::{TEXT_BYTES_MAX, read_text};

/// How often an ending command is looked at.
const POLL: Duration = Duration::from_millis(10);

/// What `argv` writes within `time_max`. Its standard error is padan's: there it can say what is
/// wrong.
pub fn output(argv: &[String], time_max: Duration) -> Result<Zeroizing<String>, KeyError> {
    let (program, arguments) = argv.split_first().ok_or_else(|| KeyError::Command {
        program: String::new(),
        cause: "no command was named".to_owned(),
    })?;
    let failed = |cause: String| KeyError::Command {
        program: program.clone(),
        cause,
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("it does not start: {error}")))?;
    let text = read_and_wait(&mut child, time_max);
    if text.is_err() {
        // It may have ended by itself meanwhile.
        drop(child.kill());
        drop(child.wait());
    }
    text.map_err(failed)
}

fn read_and_wait(child: &mut Child, time_max: Duration) -> Result<Zeroizing<String>, String> {
    let deadline = Instant::now() + time_max;
    let too_slow = || format!("it did not end within {time_max:?}");
    let mut stdout = child.stdout.take().ok_or("it has no standard output")?;
    let (sender, receiver) = mpsc::sync_channel(1);
    // A thread of its own: reading has no time limit. It ends with the command's output.
    std::thread::spawn(move || drop(sender.send(read_text(&mut stdout))));
    let text = receiver
        .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        .map_err(|_| too_slow())?
        .map_err(|error| error.to_string())?
        .ok_or_else(|| format!("it wrote more than {TEXT_BYTES_MAX} bytes"))?;
    let status = wait(child, deadline)?.ok_or_else(too_slow)?;
    if status.success() {
        Ok(text)
    } else {
        Err(format!("it failed ({status})"))
    }
}

/// How `child` ended; none when it had not at the deadline.
fn wait(child: &mut Child, deadline: Instant) -> Result<Option<ExitStatus>, String> {
    loop {
        let status = child.try_wait().map_err(|error| error.to_string())?;
        if status.is_some() || Instant::now() >= deadline {
            return Ok(status);
        }
        std::thread::sleep(POLL);
    }
}
