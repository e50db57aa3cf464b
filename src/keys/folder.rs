//! Keys in a folder: `nik.key`, `audit.key`, `token.key`, `master-ID.key`.

use std::fs::{File, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::error::KeyError;
use super::id::{KeyId, KeyKind};
use super::line::{KeyLine, read_lines};
use super::source::read_text;

/// Only the owner may list, read and write.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Most key files of one folder.
const FILES_MAX: usize = 1000;

/// The keys in the files `*.key` of `folder`.
pub fn read(folder: &Path) -> Result<Vec<KeyLine>, KeyError> {
    let unreadable = |cause: std::io::Error| match cause.kind() {
        ErrorKind::NotFound => KeyError::NoFolder(folder.to_owned()),
        _ => KeyError::Unreadable {
            path: folder.to_owned(),
            cause,
        },
    };
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let metadata = std::fs::metadata(folder).map_err(unreadable)?;
    // Whoever may write there can put other keys in place of these.
    refuse_owner(folder, metadata.uid())?;
    refuse_mode(
        folder,
        metadata.permissions().mode(),
        0o022,
        "write in",
        FOLDER_MODE,
    )?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "key") {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            return Err(KeyError::TooLong(format!(
                "the folder {}",
                folder.display()
            )));
        }
    }
    files.sort();
    let keys: Result<Vec<_>, _> = files.iter().map(|path| read_file(path)).collect();
    Ok(keys?.into_iter().flatten().collect())
}

fn read_file(path: &Path) -> Result<Vec<KeyLine>, KeyError> {
    let unreadable = |cause| KeyError::Unreadable {
        path: path.to_owned(),
        cause,
    };
    // Asked before it is opened, since opening a pipe waits for its writer; and of the open file
    // again, since the name may mean another one by then.
    let named = std::fs::metadata(path).map_err(unreadable)?;
    if !named.is_file() {
        return Err(KeyError::NotAFile(path.to_owned()));
    }
    let mut file = File::open(path).map_err(unreadable)?;
    let opened = file.metadata().map_err(unreadable)?;
    if !opened.is_file() {
        return Err(KeyError::NotAFile(path.to_owned()));
    }
    refuse_owner(path, opened.uid())?;
    refuse_mode(path, opened.permissions().mode(), 0o077, "read", FILE_MODE)?;
    let origin = path.display().to_string();
    let text = read_text(&mut file).map_err(unreadable)?;
    read_lines(
        &text.ok_or_else(|| KeyError::TooLong(origin.clone()))?,
        &origin,
    )
}

/// Keys belong to root or to whom padan runs as: their owner can change them whatever their mode.
fn refuse_owner(path: &Path, owner: u32) -> Result<(), KeyError> {
    if owner == 0 || owner == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(KeyError::OtherOwner {
        path: path.to_owned(),
        owner,
    })
}

fn refuse_mode(
    path: &Path,
    mode: u32,
    refused: u32,
    may: &'static str,
    wanted: u32,
) -> Result<(), KeyError> {
    if mode & refused == 0 {
        return Ok(());
    }
    Err(KeyError::TooOpen {
        path: path.to_owned(),
        may,
        mode: mode & 0o7777,
        wanted,
    })
}

/// Makes one key of each kind in `folder`, which must not exist or be empty: all of them or, when
/// anything fails or somebody else was first, none.
///
/// # Errors
/// [`KeyError::AlreadyThere`], or what the system said.
pub fn create_keys(folder: &Path, now: OffsetDateTime) -> Result<(), KeyError> {
    let parent = parent_of(folder);
    let unwritable = |cause| KeyError::Unwritable {
        path: folder.to_owned(),
        cause,
    };
    // Filled beside its place and then renamed: the rename is the one moment in which the keys
    // appear, and it fails over a folder that has something in it.
    let made = tempfile::Builder::new()
        .prefix(".padan-keys-")
        .permissions(Permissions::from_mode(FOLDER_MODE))
        .tempdir_in(parent)
        .map_err(unwritable)?;
    for kind in KeyKind::ALL {
        let key = KeyLine::random(kind, now)?;
        write_new(&made.path().join(file_name(&key)), key.text().as_bytes()).map_err(unwritable)?;
    }
    sync_folder(made.path()).map_err(unwritable)?;
    std::fs::rename(made.path(), folder).map_err(|cause| match cause.kind() {
        ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
            KeyError::AlreadyThere(folder.to_owned())
        }
        _ => unwritable(cause),
    })?;
    // It has another name now: nothing is left to remove.
    drop(made.keep());
    sync_folder(parent).map_err(unwritable)
}

/// Adds a master key to `folder`, active from `active_from` on; without it, at once, or in the
/// second after the one in which the active key began.
///
/// # Errors
/// When the folder has no keys that can be read, when the key would never be active, or what the
/// system said.
pub fn add_master_key(
    folder: &Path,
    active_from: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Result<KeyId, KeyError> {
    let keys = read(folder)?;
    let masters = keys.iter().filter(|key| key.kind == KeyKind::Master);
    let begun = |time| masters.clone().filter(move |key| key.from <= time);
    let Some(first) = masters.clone().map(|key| key.from).min() else {
        return Err(KeyError::Missing {
            kind: KeyKind::Master,
            places: format!("the folder {}", folder.display()),
        });
    };
    let wanted = active_from.unwrap_or(now);
    let newest = begun(wanted.max(now)).map(|key| key.from).max();
    // Times of keys are whole seconds.
    let least = newest.unwrap_or(first) + time::Duration::SECOND;
    let from = match active_from {
        Some(from) if newest.is_some() && from < least => {
            return Err(KeyError::NeverActive { from, least });
        }
        Some(from) => from,
        None if newest.is_some() => now.max(least),
        None => now,
    };
    let key = KeyLine::random(KeyKind::Master, from)?;
    let path = folder.join(file_name(&key));
    let unwritable = |cause| KeyError::Unwritable {
        path: path.clone(),
        cause,
    };
    let mut file = tempfile::Builder::new()
        .prefix(".new-key-")
        .permissions(Permissions::from_mode(FILE_MODE))
        .tempfile_in(folder)
        .map_err(unwritable)?;
    file.write_all(key.text().as_bytes()).map_err(unwritable)?;
    file.as_file().sync_all().map_err(unwritable)?;
    file.persist_noclobber(&path)
        .map_err(|error| match error.error.kind() {
            ErrorKind::AlreadyExists => KeyError::AlreadyThere(path.clone()),
            _ => unwritable(error.error),
        })?;
    sync_folder(folder).map_err(unwritable)?;
    Ok(key.id)
}

fn file_name(key: &KeyLine) -> String {
    match key.kind {
        KeyKind::Master => format!("master-{}.key", key.id),
        kind => format!("{kind}.key"),
    }
}

/// The folder in which `path` is.
fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Writes a file that does not exist yet, to the disk.
fn write_new(path: &PathBuf, content: &[u8]) -> std::io::Result<()> {
    let mut options = File::options();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Makes names durable: those of new files are in the folder, not in the files.
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
