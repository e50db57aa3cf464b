//! `padan models prepare`: a network in the form that padan serves fastest.

use std::path::Path;
use std::process::ExitCode;

use super::super::{Failure, Outcome};
use super::add::{read_model, write_new};
use crate::app::AppError;
use crate::cli::print;
use crate::config::Config;
use crate::digest::sha256_hex;
use crate::model::{COSINE_MIN, Prepared, Runtime, prepare};
use crate::report::table::new_table;

pub fn run(config: &Config, file: &Path, out: &Path) -> Outcome {
    let content = read_model(file)?;
    if out.exists() {
        return Err(Failure::Usage(format!(
            "{} exists and is not overwritten: remove it, or name another",
            out.display()
        )));
    }
    let runtime = Runtime::load(&config.runtime_library).map_err(AppError::from)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let before = content.len();
    let done = prepare(&runtime, &content, &name)
        .map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
    write_new(out, &done.content)?;
    show(&done, before, out);
    Ok(ExitCode::SUCCESS)
}

fn show(done: &Prepared, before: usize, out: &Path) {
    let mut table = new_table(&["step", "done"]);
    let batch = match done.batch_was {
        Some(was) => format!("was {was}, may vary"),
        None => "as it was".to_owned(),
    };
    for (step, result) in [
        (
            "weights taken out of the inputs",
            done.weight_inputs.to_string(),
        ),
        ("PRelu rewritten as convolutions", done.prelus.to_string()),
        ("batch", batch),
        ("reshapes to a fixed batch freed", done.reshapes.to_string()),
        ("unused weights dropped", done.dropped.to_string()),
        (
            "least cosine to the given file",
            format!("{:.7} (at least {COSINE_MIN})", done.cosine),
        ),
        (
            "size",
            format!("{before} bytes before, {} after", done.content.len()),
        ),
        ("SHA-256", sha256_hex(&done.content)),
        ("operators", done.operators.clone()),
    ] {
        table.add_row([step.to_owned(), result]);
    }
    print(&format_args!("{table}"));
    for note in &done.notes {
        print(&format_args!("note: {note}"));
    }
    print(&format_args!(
        "Written to {}. Next: padan models add {}",
        out.display(),
        out.display()
    ));
}
