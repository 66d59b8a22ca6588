//! A writable `/etc` that leaves the host's alone.

use super::mount_targets::{bind, refused};
use crate::userns::{StageError, What as _};
use nix::mount::{MsFlags, mount};
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

/// Larger files are bound instead of copied; such as the hardware database of udev.
const COPY_LIMIT: u64 = 1024 * 1024;

/// Replaces `/etc`; `scratch` is a folder of a tmpfs of ours.
pub(super) fn replace(scratch: &Path) -> Result<(), StageError> {
    let (upper, work) = (scratch.join("upper"), scratch.join("work"));
    for folder in [scratch, &upper, &work] {
        fs::DirBuilder::new().mode(0o755).create(folder).what(format!("make {}", folder.display()))?;
    }
    let options = format!("lowerdir=/etc,upperdir={},workdir={},userxattr", upper.display(), work.display());
    // Refused by older kernels, and wherever the host has something mounted below /etc.
    if mount(Some("overlay"), "/etc", Some("overlay"), MsFlags::empty(), Some(options.as_str())).is_ok() {
        return Ok(());
    }
    let copy = scratch.join("copy");
    copy_folder(Path::new("/etc"), &copy).what("copy /etc")?;
    bind(&copy, Path::new("/etc")).what("bind a copy on /etc")
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    let mode = fs::metadata(from)?.permissions().mode() & 0o777;
    fs::DirBuilder::new().mode(mode | 0o700).create(to)?;
    let entries = match fs::read_dir(from) {
        Err(e) if refused(&e) => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        match copy_entry(&entry, &to.join(entry.file_name())) {
            // What we may not read is of no use inside; what vanished meanwhile is no loss.
            Err(e) if refused(&e) || e.kind() == io::ErrorKind::NotFound => {}
            copied => copied?,
        }
    }
    Ok(())
}

fn copy_entry(entry: &fs::DirEntry, to: &Path) -> io::Result<()> {
    let (from, metadata) = (entry.path(), entry.metadata()?);
    if metadata.is_dir() {
        copy_folder(&from, to)
    } else if metadata.is_symlink() {
        std::os::unix::fs::symlink(fs::read_link(from)?, to)
    } else if metadata.is_file() && metadata.len() > COPY_LIMIT {
        fs::File::create(to)?;
        Ok(bind(&from, to)?)
    } else if metadata.is_file() {
        fs::copy(from, to).map(drop)
    } else {
        Ok(())
    }
}
