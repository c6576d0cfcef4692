//! Files with secrets: only their owner may read them.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use uuid::Uuid;

/// What a file holds; `None` when there is no file. Refused with `PermissionDenied` when others could read it.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if file.metadata()?.mode() & 0o077 != 0 {
        let why = "other users of this machine can use this file; replace the secret, or chmod 600 if none did";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Writes a file for its owner alone: wholly, durably, or not at all.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (folder, unfinished) = (made_folder_of(path)?, path.with_extension(Uuid::now_v7().simple().to_string()));
    if let Err(error) = write_new(&unfinished, bytes).and_then(|()| std::fs::rename(&unfinished, path)) {
        remove(&unfinished)?;
        return Err(error);
    }
    File::open(folder)?.sync_all()
}

/// The same unless there is a file already: of several that try at once one does it, and the others leave it as it is.
pub fn make(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (folder, unfinished) = (made_folder_of(path)?, path.with_extension(Uuid::now_v7().simple().to_string()));
    let linked = write_new(&unfinished, bytes).and_then(|()| link(&unfinished, path, bytes));
    remove(&unfinished)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(folder)?.sync_all(),
    }
}

/// Gives a finished file its name. Where the file system has no links, it is written under its name.
fn link(finished: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    match std::fs::hard_link(finished, path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) => {
            write_new(path, bytes)
        }
        linked => linked,
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn made_folder_of(path: &Path) -> io::Result<&Path> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    Ok(folder)
}

/// Removes a file; one that is not there is removed already.
pub fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
