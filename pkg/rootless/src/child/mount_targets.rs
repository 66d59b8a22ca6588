//! Targets of mounts and files. The host's directories belong to users without an id inside, so a new entry in one of
//! them needs a private copy of the directory, with the host's entries bound into it.

use super::kept_entries;
use crate::userns::{Action as _, StageError};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::statvfs::{FsFlags, statvfs};
use std::fs::{self, DirEntry, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Type of a mount's target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File,
}

/// Keeps the list of private directories.
pub(super) struct MountTargets {
    private: Vec<PathBuf>,
}

impl MountTargets {
    /// With directories that were replaced before.
    pub(super) fn new(private: impl IntoIterator<Item = &'static str>) -> Self {
        Self { private: private.into_iter().map(PathBuf::from).collect() }
    }

    /// Makes `target` if it is missing, without changing the host.
    pub(super) fn ensure_target(&mut self, target: &Path, kind: Kind) -> Result<(), StageError> {
        if target.exists() {
            return Ok(());
        }
        let parent = target.ancestors().skip(1).find(|p| p.is_dir()).unwrap_or(Path::new("/"));
        if parent == Path::new("/") {
            let first: PathBuf = target.components().take(2).collect();
            return Err(Errno::EROFS)
                .with_action(format!("make {0}, which the host lacks (sudo mkdir {0})", first.display()));
        }
        if !self.private.iter().any(|private| parent.starts_with(private)) {
            self.cover_directory(parent)?;
        }
        match make_target(target, kind) {
            // A directory of the host below a private one, not covered yet.
            Err(e) if is_refused(&e) => {
                self.cover_directory(parent)?;
                make_target(target, kind).with_action(format!("make {}", target.display()))
            }
            made => made.with_action(format!("make {}", target.display())),
        }
    }

    /// Mounts a tmpfs over `directory` and binds every entry of it into that.
    pub(super) fn cover_directory(&mut self, directory: &Path) -> Result<(), StageError> {
        if self.private.iter().any(|private| private == directory) {
            return Ok(());
        }
        if directory == Path::new("/") {
            // A tmpfs over the root would not become the root of the processes.
            return Err(Errno::EROFS)
                .with_action("make a directory in / (make it on the host, or choose another path)");
        }
        let old = open_path(directory).with_action(format!("open {}", directory.display()))?;
        // The entries of an unreadable directory are invisible inside, too.
        let entries: Vec<DirEntry> =
            fs::read_dir(directory).map(|entries| entries.flatten().collect()).unwrap_or_default();
        mount_tmpfs(directory)?;
        for entry in entries {
            show_entry(&old, &entry, directory);
        }
        self.private.push(directory.to_owned());
        Ok(())
    }

    /// Binds `kept`, a directory of the state, over `directory`, and every entry of that into it. An entry that `kept` has of
    /// its own is shown instead of the host's; one that is a mark for an entry of the host is not its own.
    pub(super) fn keep_directory(&mut self, kept: &File, directory: &Path) -> Result<(), StageError> {
        if !directory.is_dir() {
            return Ok(());
        }
        let old = open_path(directory).with_action(format!("open {}", directory.display()))?;
        let entries: Vec<DirEntry> =
            fs::read_dir(directory).map(|entries| entries.flatten().collect()).unwrap_or_default();
        kept_entries::remove_marks(&fd_path(kept)).with_action(format!("read {}", directory.display()))?;
        bind_mount(&fd_path(kept), directory).with_action(format!("bind a directory on {}", directory.display()))?;
        // Where the state directory is visible, the host's entries shall not appear in it as well.
        set_propagation(directory, MsFlags::MS_PRIVATE)?;
        for entry in entries {
            if directory.join(entry.file_name()).symlink_metadata().is_err() {
                show_entry(&old, &entry, directory);
            }
        }
        set_propagation(directory, MsFlags::MS_SHARED)?;
        self.private.push(directory.to_owned());
        Ok(())
    }
}

fn set_propagation(directory: &Path, flag: MsFlags) -> Result<(), StageError> {
    mount(None::<&str>, directory, None::<&str>, flag, None::<&str>)
        .with_action(format!("set the propagation of {}", directory.display()))
}

/// Binds an entry of `old` into the directory that covers it.
fn show_entry(old: &File, entry: &DirEntry, directory: &Path) {
    let source = fd_path(old).join(entry.file_name());
    if let Err(error) = bind_entry(&source, &directory.join(entry.file_name())) {
        tracing::debug!(entry = %entry.path().display(), %error, "entry is not visible inside");
    }
}

/// A fresh tmpfs, 0755.
pub(super) fn mount_tmpfs(target: &Path) -> Result<(), StageError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), target, Some("tmpfs"), flags, Some("mode=0755"))
        .with_action(format!("mount a tmpfs on {}", target.display()))
}

/// Makes a recursive bind mount. The kernel refuses one that is not recursive, since it would uncover files.
pub(super) fn bind_mount(source: &Path, target: &Path) -> nix::Result<()> {
    mount(Some(source), target, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
}

/// Makes a bind mount read-only. The kernel keeps the flags of the host's mount, so they are named again.
pub(super) fn make_read_only(target: &Path) -> Result<(), StageError> {
    const KEPT: [(FsFlags, MsFlags); 4] = [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
    ];
    let action = || format!("make {} read-only", target.display());
    let now = statvfs(target).with_action(action())?.flags();
    let kept = KEPT.iter().filter(|(flag, _)| now.contains(*flag)).map(|(_, flag)| *flag);
    let flags = kept.fold(MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, |all, flag| all | flag);
    mount(None::<&str>, target, None::<&str>, flags, None::<&str>).with_action(action())
}

/// Opens a handle of a file or directory that stays valid after something was mounted over it.
pub(crate) fn open_path(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(nix::libc::O_PATH | nix::libc::O_CLOEXEC).open(path)
}

/// Path of an open file, through its handle.
pub(super) fn fd_path(handle: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()))
}

/// Makes `target` and binds `source` on it; links are copied.
fn bind_entry(source: &Path, target: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(source)?;
    if metadata.is_symlink() {
        return std::os::unix::fs::symlink(fs::read_link(source)?, target);
    }
    if !target.exists() {
        kept_entries::make_mark(target, metadata.is_dir())?;
    }
    Ok(bind_mount(source, target)?)
}

fn make_target(target: &Path, kind: Kind) -> io::Result<()> {
    match kind {
        Kind::Directory => make_directories(target),
        Kind::File => {
            make_directories(target.parent().unwrap_or(Path::new("/")))?;
            File::options().write(true).create(true).truncate(false).open(target).map(drop)
        }
    }
}

fn make_directories(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(path)
}

/// Whether permissions of the host's file system, or of an overlay on it, prevent an access.
pub(super) fn is_refused(error: &io::Error) -> bool {
    let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
    matches!(errno, Errno::EACCES | Errno::EPERM | Errno::EROFS | Errno::EOVERFLOW)
}
