//! Opens logs for components, and rotates logs that have grown too large.

use super::{KEPT, LONGEST, generation_path};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Rotates a log if it is too large and opens it for appending; creates the directory if missing.
pub(crate) fn open_log(log: &Path) -> io::Result<File> {
    // The component may work on a full disk.
    if let Err(error) = rotate_log(log) {
        tracing::warn!(log = %log.display(), %error, "cannot rotate");
    }
    match open_to_append(log) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            std::fs::create_dir_all(log.parent().unwrap_or(Path::new("/")))?;
            open_to_append(log)
        }
        opened => opened,
    }
}

fn open_to_append(log: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(log)
}

/// If a log is too large, moves its old logs up by one, copies it to `.1` and truncates it. If the disk has no space for the
/// copy, the content is dropped.
pub(crate) fn rotate_log(log: &Path) -> io::Result<()> {
    match std::fs::metadata(log) {
        Ok(meta) if meta.len() > LONGEST => {}
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => return Ok(()),
    }
    for n in (1..KEPT).rev() {
        match std::fs::rename(generation_path(log, n), generation_path(log, n + 1)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    let copied = std::fs::copy(log, generation_path(log, 1));
    if copied.is_err() {
        // An incomplete copy.
        let _ = std::fs::remove_file(generation_path(log, 1));
    }
    OpenOptions::new().write(true).open(log)?.set_len(0)?;
    copied.map(drop)
}
