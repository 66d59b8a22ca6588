//! MountTargets to mount on and to write to: the host's own folders belong to somebody who has no id here, so a new
//! entry in one of them needs a private copy of that folder, with the host's entries bound into it.

use crate::userns::{StageError, What as _};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use std::fs::{self, DirEntry, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// What a mount's target must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    File,
}

/// Knows which folders are already ours.
pub(super) struct MountTargets {
    private: Vec<PathBuf>,
}

impl MountTargets {
    /// With folders that were replaced before.
    pub(super) fn new(private: impl IntoIterator<Item = &'static str>) -> Self {
        Self { private: private.into_iter().map(PathBuf::from).collect() }
    }

    /// Makes `target` if it is not there, without leaving anything on the host.
    pub(super) fn ensure(&mut self, target: &Path, kind: Kind) -> Result<(), StageError> {
        if target.exists() {
            return Ok(());
        }
        let parent = target.ancestors().skip(1).find(|p| p.is_dir()).unwrap_or(Path::new("/"));
        if parent == Path::new("/") {
            let first: PathBuf = target.components().take(2).collect();
            return Err(Errno::EROFS).what(format!("make {0}, which the host lacks (sudo mkdir {0})", first.display()));
        }
        if !self.private.iter().any(|private| parent.starts_with(private)) {
            self.cover(parent)?;
        }
        match make(target, kind) {
            // A folder of the host below a private one: nobody has written to it through us yet.
            Err(e) if refused(&e) => {
                self.cover(parent)?;
                make(target, kind).what(format!("make {}", target.display()))
            }
            made => made.what(format!("make {}", target.display())),
        }
    }

    /// Puts a tmpfs over `folder` and binds every entry of it into that.
    pub(super) fn cover(&mut self, folder: &Path) -> Result<(), StageError> {
        if self.private.iter().any(|private| private == folder) {
            return Ok(());
        }
        if folder == Path::new("/") {
            // A tmpfs over the root would be no root any more.
            return Err(Errno::EROFS).what("make a folder in / (make it on the host, or choose another path)");
        }
        let old = open_path(folder).what(format!("open {}", folder.display()))?;
        // A folder that we cannot list has nothing for us.
        let entries: Vec<DirEntry> =
            fs::read_dir(folder).map(|entries| entries.flatten().collect()).unwrap_or_default();
        mount_tmpfs(folder)?;
        for entry in entries {
            let source = through(&old).join(entry.file_name());
            if let Err(error) = bring(&source, &folder.join(entry.file_name())) {
                tracing::debug!(entry = %entry.path().display(), %error, "entry is not visible inside");
            }
        }
        self.private.push(folder.to_owned());
        Ok(())
    }
}

/// A fresh tmpfs, 0755.
pub(super) fn mount_tmpfs(target: &Path) -> Result<(), StageError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), target, Some("tmpfs"), flags, Some("mode=0755"))
        .what(format!("mount a tmpfs on {}", target.display()))
}

/// A bind mount with everything below it. (Without what is below it the kernel refuses: it would uncover things.)
pub(super) fn bind(source: &Path, target: &Path) -> nix::Result<()> {
    mount(Some(source), target, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
}

/// A handle that names a file or folder even after something was mounted over it.
pub(super) fn open_path(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(nix::libc::O_PATH | nix::libc::O_CLOEXEC).open(path)
}

/// The path that leads through such a handle.
pub(super) fn through(handle: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()))
}

/// Makes `target` the same thing as `source`.
fn bring(source: &Path, target: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(source)?;
    if metadata.is_symlink() {
        return std::os::unix::fs::symlink(fs::read_link(source)?, target);
    }
    make(target, if metadata.is_dir() { Kind::Folder } else { Kind::File })?;
    Ok(bind(source, target)?)
}

fn make(target: &Path, kind: Kind) -> io::Result<()> {
    let folders = |path: &Path| fs::DirBuilder::new().recursive(true).mode(0o755).create(path);
    match kind {
        Kind::Folder => folders(target),
        Kind::File => {
            folders(target.parent().unwrap_or(Path::new("/")))?;
            File::options().write(true).create(true).truncate(false).open(target).map(drop)
        }
    }
}

/// Whether the host's file system, or an overlay of it, does not let us write.
pub(super) fn refused(error: &io::Error) -> bool {
    let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
    matches!(errno, Errno::EACCES | Errno::EPERM | Errno::EROFS | Errno::EOVERFLOW)
}
