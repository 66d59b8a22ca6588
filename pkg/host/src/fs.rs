//! Files and directories: atomic writes with a mode, and the path in every error.

use nix::unistd::{AccessFlags, access};
use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// An operation on a path that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub struct FsError {
    /// What failed: `write`, `read`, …
    pub action: &'static str,
    /// Its path.
    pub path: PathBuf,
    /// Underlying error.
    pub source: io::Error,
}

impl FsError {
    /// What to do about the error, if its kind determines that.
    pub fn hint(&self) -> Option<String> {
        use io::ErrorKind as K;
        let path = self.path.display();
        match self.source.kind() {
            K::StorageFull | K::QuotaExceeded => Some(format!(
                "free space (df -h {}), or set XDG_DATA_HOME to a directory on another disk",
                self.nearest_directory()
            )),
            K::ReadOnlyFilesystem => Some(format!(
                "mount the file system of {} writable, or set XDG_DATA_HOME to a directory on one that is",
                self.nearest_directory()
            )),
            K::PermissionDenied => Some(format!("check owner and mode: ls -ld {path}")),
            _ => None,
        }
    }

    /// The nearest existing directory, for `df`.
    fn nearest_directory(&self) -> std::path::Display<'_> {
        self.path.ancestors().find(|directory| directory.is_dir()).unwrap_or(&self.path).display()
    }
}

/// Names the path and the action in an I/O error.
pub trait Context<T> {
    /// `cannot <action> <path>: …`
    fn context(self, action: &'static str, path: impl AsRef<Path>) -> Result<T, FsError>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, action: &'static str, path: impl AsRef<Path>) -> Result<T, FsError> {
        self.map_err(|source| FsError { action, path: path.as_ref().to_owned(), source })
    }
}

/// Permission of a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// 0600: keys, tokens, kubeconfigs.
    Secret,
    /// 0644.
    Public,
    /// 0755.
    Program,
}

impl Mode {
    /// The bits.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Secret => 0o600,
            Self::Public => 0o644,
            Self::Program => 0o755,
        }
    }
}

/// Replaces `path` in one step: readers see the old content or all of the new one, never a part, also after a power cut;
/// missing directories are created.
pub fn write(path: impl AsRef<Path>, content: impl AsRef<[u8]>, mode: Mode) -> Result<(), FsError> {
    let path = path.as_ref();
    let directory = path.parent().unwrap_or(Path::new("."));
    create_dir(directory)?;
    let permissions = Permissions::from_mode(mode.bits());
    replace_file(path, directory, content.as_ref(), permissions).context("write", path)
}

pub(crate) fn replace_file(path: &Path, directory: &Path, content: &[u8], permissions: Permissions) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".new-").permissions(permissions.clone()).tempfile_in(directory)?;
    file.write_all(content)?;
    // A umask may have taken bits away.
    file.as_file().set_permissions(permissions)?;
    // A file system may write the new name before the content: after a power cut the file would be empty.
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Brings all that was written to the file system of `path` to its disk, against a power cut.
pub fn sync_all(path: impl AsRef<Path>) -> Result<(), FsError> {
    let path = path.as_ref();
    let synced = std::fs::File::open(path).and_then(|file| Ok(rustix::fs::syncfs(file)?));
    synced.context("bring to the disk", path)
}

/// Whether this user can read a file or list a directory.
pub fn is_readable(path: impl AsRef<Path>) -> bool {
    access(path.as_ref(), AccessFlags::R_OK).is_ok()
}

/// Whether this user can write a file, or make files in a directory.
pub fn is_writable(path: impl AsRef<Path>) -> bool {
    access(path.as_ref(), AccessFlags::W_OK).is_ok()
}

/// Creates a directory and its parents; new ones get mode 0700.
pub fn create_dir(path: impl AsRef<Path>) -> Result<(), FsError> {
    let path = path.as_ref();
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).context("create directory", path)
}

/// Copies a file to `to` in one step unless its content and mode are there already; returns whether it did.
pub fn copy_if_changed(from: impl AsRef<Path>, to: impl AsRef<Path>, mode: Mode) -> Result<bool, FsError> {
    let (from, to) = (from.as_ref(), to.as_ref());
    let content = std::fs::read(from).context("read", from)?;
    let same_mode = to.metadata().is_ok_and(|m| m.permissions().mode() & 0o7777 == mode.bits());
    if same_mode && std::fs::read(to).is_ok_and(|old| old == content) {
        return Ok(false);
    }
    write(to, content, mode).map(|()| true)
}

/// Makes `link` lead to `target`, replacing in one step what was there: a reader finds the old or the new, never nothing.
pub fn symlink(target: impl AsRef<Path>, link: impl AsRef<Path>) -> Result<(), FsError> {
    let (target, link) = (target.as_ref(), link.as_ref());
    if std::fs::read_link(link).is_ok_and(|old| old == target) {
        return Ok(());
    }
    let directory = link.parent().unwrap_or(Path::new("."));
    create_dir(directory)?;
    replace_link(target, link, directory).context("make link", link)
}

fn replace_link(target: &Path, link: &Path, directory: &Path) -> io::Result<()> {
    let new =
        tempfile::Builder::new().prefix(".new-").make_in(directory, |path| std::os::unix::fs::symlink(target, path))?;
    new.into_temp_path().persist(link)?;
    Ok(())
}

/// The whole text of a file.
pub fn read(path: impl AsRef<Path>) -> Result<String, FsError> {
    std::fs::read_to_string(path.as_ref()).context("read", path)
}

/// The whole text of a file, `None` where there is none.
pub fn read_if_exists(path: impl AsRef<Path>) -> Result<Option<String>, FsError> {
    match std::fs::read_to_string(path.as_ref()) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).context("read", path),
    }
}

/// The text of a file of the system, empty when there is none. Others write there too, in any encoding: what is no UTF-8 is
/// replaced.
pub fn read_of_system(path: impl AsRef<Path>) -> Result<String, FsError> {
    match std::fs::read(path.as_ref()) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(e) => Err(e).context("read", path),
    }
}

/// Removes a file; one that is not there is no error.
pub fn remove_if_exists(path: impl AsRef<Path>) -> Result<(), FsError> {
    match std::fs::remove_file(path.as_ref()) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e).context("remove", path),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn mode(path: &Path) -> u32 {
        path.symlink_metadata().expect("there").permissions().mode() & 0o7777
    }

    #[test]
    fn files_and_directories_have_their_modes() {
        let top = tempfile::tempdir().expect("a directory");
        let file = top.path().join("a/b/file");
        for m in [Mode::Public, Mode::Secret, Mode::Program] {
            write(&file, "x", m).expect("writable");
            assert_eq!(mode(&file), m.bits());
        }
        assert_eq!(mode(&top.path().join("a/b")), 0o700);
        assert_eq!(std::fs::read_dir(top.path().join("a/b")).expect("there").count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_reader_sees_all_of_the_old_or_all_of_the_new() {
        let top = tempfile::tempdir().expect("a directory");
        let (file, done) = (top.path().join("file"), AtomicBool::new(false));
        let texts = ["a".repeat(100_000), "b".repeat(50_000)];
        write(&file, &texts[0], Mode::Public).expect("writable");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..50 {
                    write(&file, &texts[n % 2], Mode::Public).expect("writable");
                }
                done.store(true, Ordering::Release);
            });
            while !done.load(Ordering::Acquire) {
                assert!(texts.contains(&read(&file).expect("always there")));
            }
        });
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let top = tempfile::tempdir().expect("a directory");
        let directory = top.path().join("file");
        create_dir(directory.join("inner")).expect("writable");
        let error = write(&directory, "x", Mode::Public).expect_err("a directory is in the way");
        assert_eq!(error.to_string(), format!("cannot write {}", directory.display()));
        assert_eq!(std::fs::read_dir(top.path()).expect("there").count(), 1);
    }

    #[test]
    fn reasons_with_a_hint() {
        let hint = |errno: nix::errno::Errno| {
            FsError { action: "write", path: "/proc/none".into(), source: errno.into() }.hint()
        };
        assert!(hint(nix::errno::Errno::ENOSPC).expect("one").starts_with("free space (df -h /proc)"));
        assert!(hint(nix::errno::Errno::EROFS).expect("one").contains("file system of /proc writable"));
        assert_eq!(hint(nix::errno::Errno::EACCES).as_deref(), Some("check owner and mode: ls -ld /proc/none"));
        assert_eq!(hint(nix::errno::Errno::EISDIR), None);
    }

    #[test]
    fn copies_only_what_changed() {
        let top = tempfile::tempdir().expect("a directory");
        let (from, to) = (top.path().join("from"), top.path().join("to/file"));
        write(&from, "1", Mode::Public).expect("writable");
        assert!(copy_if_changed(&from, &to, Mode::Program).expect("copied"));
        assert!(!copy_if_changed(&from, &to, Mode::Program).expect("compared"));
        assert!(copy_if_changed(&from, &to, Mode::Secret).expect("another mode"));
        write(&from, "2", Mode::Public).expect("writable");
        assert!(copy_if_changed(&from, &to, Mode::Secret).expect("copied"));
        assert_eq!((read(&to).expect("there").as_str(), mode(&to)), ("2", 0o600));
    }

    #[test]
    fn links_are_replaced() {
        let top = tempfile::tempdir().expect("a directory");
        let link = top.path().join("a/link");
        for target in ["one", "two", "two"] {
            symlink(target, &link).expect("made");
            assert_eq!(std::fs::read_link(&link).expect("a link"), Path::new(target));
        }
        assert_eq!(std::fs::read_dir(top.path().join("a")).expect("there").count(), 1);
    }

    #[test]
    fn what_is_not_there_is_none() {
        assert_eq!(read_if_exists("/nonexistent").expect("no error"), None);
        remove_if_exists("/nonexistent").expect("no error");
        assert_eq!(read("/nonexistent").expect_err("missing").to_string(), "cannot read /nonexistent");
    }
}
