//! A writable `/etc` that leaves the host's alone.

use super::mount_targets::{bind_mount, is_refused};
use crate::userns::{Action as _, StageError};
use nix::mount::{MsFlags, mount};
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

/// Files larger than this many bytes are bound instead of copied, such as the hardware database of udev.
const COPY_LIMIT: u64 = 1024 * 1024;

/// Replaces `/etc`; `scratch` is a directory that is made on a tmpfs of the node.
pub(super) fn replace_etc(scratch: &Path) -> Result<(), StageError> {
    let upper = scratch.join("upper");
    let work = scratch.join("work");
    for directory in [scratch, &upper, &work] {
        fs::DirBuilder::new().mode(0o755).create(directory).with_action(format!("make {}", directory.display()))?;
    }
    let options = format!("lowerdir=/etc,upperdir={},workdir={},userxattr", upper.display(), work.display());
    // Fails on older kernels, and if the host has a mount below /etc.
    if mount(Some("overlay"), "/etc", Some("overlay"), MsFlags::empty(), Some(options.as_str())).is_ok() {
        return Ok(());
    }
    let copy = scratch.join("copy");
    copy_directory(Path::new("/etc"), &copy).with_action("copy /etc")?;
    bind_mount(&copy, Path::new("/etc")).with_action("bind a copy on /etc")
}

fn copy_directory(from: &Path, to: &Path) -> io::Result<()> {
    let mode = fs::metadata(from)?.permissions().mode() & 0o777;
    fs::DirBuilder::new().mode(mode | 0o700).create(to)?;
    let entries = match fs::read_dir(from) {
        Err(e) if is_refused(&e) => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        match copy_entry(&entry, &to.join(entry.file_name())) {
            // Unreadable files would be unreadable inside, too; others may have been removed meanwhile.
            Err(e) if is_refused(&e) || e.kind() == io::ErrorKind::NotFound => {}
            copied => copied?,
        }
    }
    Ok(())
}

fn copy_entry(entry: &fs::DirEntry, to: &Path) -> io::Result<()> {
    let from = entry.path();
    let metadata = entry.metadata()?;
    if metadata.is_dir() {
        copy_directory(&from, to)
    } else if metadata.is_symlink() {
        std::os::unix::fs::symlink(fs::read_link(from)?, to)
    } else if metadata.is_file() && metadata.len() > COPY_LIMIT {
        fs::File::create(to)?;
        Ok(bind_mount(&from, to)?)
    } else if metadata.is_file() {
        fs::copy(from, to).map(drop)
    } else {
        Ok(())
    }
}
