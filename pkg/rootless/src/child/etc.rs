//! A writable `/etc` that leaves the host's alone.

use super::mount_targets::{bind_mount, fd_path, is_refused};
use crate::userns::{Action as _, StageError};
use nix::mount::{MsFlags, mount};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

/// Files larger than this many bytes are bound instead of copied, such as the hardware database of udev.
const COPY_LIMIT: u64 = 1024 * 1024;

/// Replaces `/etc`. What is written there is kept in `kept`, a directory of the state, where overlays can be mounted on that;
/// else in `scratch`, a directory that is made on a tmpfs of the node.
pub(super) fn replace_etc(scratch: &Path, kept: Option<&File>) -> Result<(), StageError> {
    fs::DirBuilder::new().mode(0o755).create(scratch).with_action(format!("make {}", scratch.display()))?;
    // Fails on older kernels, and if the host has a mount below /etc.
    for directory in [kept.map(fd_path), Some(scratch.to_owned())].into_iter().flatten() {
        match mount_overlay(&directory) {
            Ok(()) => return Ok(()),
            Err(error) => tracing::debug!(directory = %directory.display(), %error, "no overlay on /etc"),
        }
    }
    let copy = scratch.join("copy");
    copy_directory(Path::new("/etc"), &copy).with_action("copy /etc")?;
    bind_mount(&copy, Path::new("/etc")).with_action("bind a copy on /etc")
}

fn mount_overlay(directory: &Path) -> io::Result<()> {
    let [upper, work] = ["upper", "work"].map(|name| directory.join(name));
    for directory in [&upper, &work] {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
    }
    let options = format!("lowerdir=/etc,upperdir={},workdir={},userxattr", upper.display(), work.display());
    Ok(mount(Some("overlay"), "/etc", Some("overlay"), MsFlags::empty(), Some(options.as_str()))?)
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
        File::create(to)?;
        Ok(bind_mount(&from, to)?)
    } else if metadata.is_file() {
        fs::copy(from, to).map(drop)
    } else {
        Ok(())
    }
}
