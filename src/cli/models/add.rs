//! `padan models add`: a network's entry, drafted from its file, and on demand its place in the
//! folder of models.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use bytes::Bytes;

use super::super::{Failure, Outcome};
use crate::app::AppError;
use crate::cli::print;
use crate::config::{Config, ModelAddArgs};
use crate::digest::sha256_hex;
use crate::model::graph::OnnxModel;
use crate::model::{Draft, Looked, MODEL_BYTES_MAX, Manifest, Runtime, Said, Trial, draft};

const MANIFEST: &str = "manifest.toml";

pub fn run(config: &Config, args: &ModelAddArgs) -> Outcome {
    let content = read_model(&args.file)?;
    let refused =
        |error: &dyn std::fmt::Display| Failure::Usage(format!("{}: {error}", args.file.display()));
    OnnxModel::read(content.clone()).map_err(|error| refused(&error))?;
    let runtime = Runtime::load(&config.runtime_library).map_err(AppError::from)?;
    let trial = Trial::load(&runtime, &content).map_err(|error| refused(&error))?;
    let stem = args.file.file_stem().unwrap_or_default();
    let looked = Looked {
        stem: stem.to_string_lossy().into_owned(),
        sha256: sha256_hex(&content),
        inputs: trial.inputs.clone(),
        outputs: trial.outputs.clone(),
    };
    drop(trial);
    let drafted = draft(&looked, &said(args)).map_err(|error| refused(&error))?;
    print(&drafted.text.trim_end());
    if args.write {
        install(&config.models, &content, &drafted)?;
        print(&format_args!(
            "# Added to {}. Confirm what is asked for there, then: padan models check {}",
            config.models.join(MANIFEST).display(),
            drafted.id
        ));
    } else {
        // The entry may be piped into a manifest: whatever follows it is a comment.
        print(&format_args!(
            "# Nothing was written. Put the entry into {} and the file beside it as {}, or add \
             --write",
            config.models.join(MANIFEST).display(),
            drafted.file
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn said(args: &ModelAddArgs) -> Said {
    Said {
        id: args.id.clone(),
        licence: args.licence.clone(),
        commercial_use: args.commercial_use,
        source: args.source.clone(),
        alignment: args.alignment.clone(),
        colour: args.colour,
        mean: args.mean,
        scale: args.scale,
        output: args.output.clone(),
    }
}

/// A model named on the command line.
pub fn read_model(path: &Path) -> Result<Bytes, Failure> {
    let unreadable = |cause: std::io::Error| {
        Failure::Usage(format!("cannot read the model {}: {cause}", path.display()))
    };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > MODEL_BYTES_MAX {
        return Err(Failure::Usage(format!(
            "{} is no file of at most 1 GiB: name one ONNX model",
            path.display()
        )));
    }
    std::fs::read(path).map(Bytes::from).map_err(unreadable)
}

/// Puts the file and the entry into the folder: both, or nothing.
fn install(models: &Path, content: &[u8], drafted: &Draft) -> Result<(), Failure> {
    let failed = |what: String| {
        move |cause: std::io::Error| Failure::Technical(format!("cannot write {what}: {cause}"))
    };
    let manifest = models.join(MANIFEST);
    let shown = manifest.display().to_string();
    // Whoever else adds a model waits: no entry is lost between reading and writing.
    let folder = File::open(models).and_then(|folder| folder.lock().map(|()| folder));
    let folder = folder.map_err(failed(models.display().to_string()))?;
    let old = std::fs::read_to_string(&manifest)
        .map_err(|cause| Failure::Technical(format!("cannot read {shown}: {cause}")))?;
    Manifest::parse(models, &old).map_err(|error| Failure::Technical(error.to_string()))?;
    let new = format!("{}\n\n{}", old.trim_end(), drafted.text);
    Manifest::parse(models, &new).map_err(|error| {
        Failure::Usage(format!(
            "{shown} cannot take the entry: {error}. Name another --id, or correct what was said \
             of the model"
        ))
    })?;
    let target = models.join(&drafted.file);
    let is_there = std::fs::read(&target).is_ok_and(|there| there == content);
    if !is_there {
        write_new(&target, content)?;
    }
    let replaced = replace(&manifest, new.as_bytes());
    if replaced.is_err() && !is_there {
        // A model that no manifest names would only be in the way of the next attempt.
        drop(std::fs::remove_file(&target));
    }
    replaced.map_err(failed(shown))?;
    drop(folder);
    Ok(())
}

/// Writes a file that does not exist yet: whole or not at all, and never over another.
pub fn write_new(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let written = written_beside(path, content);
    let persisted = written.and_then(|file| Ok(file.persist_noclobber(path)?));
    persisted.map(drop).map_err(|cause| {
        if cause.kind() == std::io::ErrorKind::AlreadyExists {
            let path = path.display();
            return Failure::Usage(format!(
                "{path} exists and is not overwritten: remove it, or name another"
            ));
        }
        Failure::Technical(format!("cannot write {}: {cause}", path.display()))
    })
}

fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    written_beside(path, content)?.persist(path)?;
    Ok(())
}

/// A temporary file in the folder of `path`, readable for whoever may read models.
fn written_beside(path: &Path, content: &[u8]) -> std::io::Result<tempfile::NamedTempFile> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    Ok(file)
}
