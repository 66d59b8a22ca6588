//! Entries of a directory in the state that is shown with the host's entries in it. A mount needs a file or directory to be
//! mounted on, which stays in the state; it is marked by being empty and without any permission.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Makes what an entry of the host is mounted on.
pub(super) fn make_mark(path: &Path, is_dir: bool) -> io::Result<()> {
    if is_dir {
        fs::DirBuilder::new().mode(0o0).create(path)
    } else {
        fs::OpenOptions::new().write(true).create_new(true).mode(0o0).open(path).map(drop)
    }
}

/// Removes what was made for entries that the host may not have any more: marks and links.
pub(super) fn remove_marks(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_symlink() {
            fs::remove_file(entry.path())?;
        } else if is_mark(&metadata) && metadata.is_dir() {
            // Not empty: a pod wrote it after all.
            let _ = fs::remove_dir(entry.path());
        } else if is_mark(&metadata) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn is_mark(metadata: &Metadata) -> bool {
    let permissions = metadata.permissions().mode() & 0o7777;
    permissions == 0 && (metadata.is_dir() || metadata.is_file() && metadata.len() == 0)
}

/// Names of the entries that pods have made in a directory of the state: no marks, and no links to files of the host. Empty if
/// the directory cannot be read.
pub fn list_own_entries(directory: &Path) -> Vec<OsString> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let is_own = |metadata: &Metadata| !metadata.is_symlink() && !is_mark(metadata);
    let own = entries.flatten().filter(|entry| entry.metadata().is_ok_and(|metadata| is_own(&metadata)));
    let mut names: Vec<_> = own.map(|entry| entry.file_name()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_removed_and_data_stays() {
        let top = tempfile::tempdir().expect("a directory");
        make_mark(&top.path().join("of-host"), true).expect("writable");
        make_mark(&top.path().join("file-of-host"), false).expect("writable");
        std::os::unix::fs::symlink("/run", top.path().join("run")).expect("writable");
        fs::create_dir(top.path().join("data")).expect("writable");
        fs::write(top.path().join("file"), "").expect("writable");
        assert_eq!(list_own_entries(top.path()), ["data", "file"]);
        remove_marks(top.path()).expect("writable");
        assert_eq!(fs::read_dir(top.path()).expect("readable").count(), 2);
    }
}
