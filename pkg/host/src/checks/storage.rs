//! Paths and file systems that a node cannot run from.

use crate::Finding;
use nix::sys::statvfs::{FsFlags, statvfs};
use std::fs;
use std::path::{Path, PathBuf};

const HINT: &str = "export XDG_DATA_HOME=DIRECTORY, a directory of yours on a disk of this host";
/// Files of the images of a cluster without pods of the user, with room for some more.
const LEAST_FILES: u64 = 20_000;

/// Checks the path of the state directory, which may not exist yet.
pub fn state_path(path: &Path) -> Finding {
    const CHECK: &str = "StatePath";
    if let Some(link) = path.ancestors().find(|part| part.is_symlink() && !part.exists()) {
        let target = fs::read_link(link).unwrap_or_default();
        let absolute = link.parent().unwrap_or(Path::new("/")).join(&target);
        return Finding::error(
            CHECK,
            format!("{} is a link to {}, which does not exist", link.display(), target.display()),
            format!("mkdir -p {}, or export XDG_DATA_HOME=DIRECTORY, a directory of yours", absolute.display()),
        );
    }
    let real = nearest_real(path);
    if path.to_string_lossy().contains([':', '\n']) {
        let message =
            format!("{} has a colon or a line break, which search paths of programs cannot have", path.display());
        return Finding::error(CHECK, message, HINT);
    }
    if is_below_run(&real) {
        let message =
            format!("{} is below /run, which the node does not see and which ends with a reboot", path.display());
        return Finding::error(CHECK, message, HINT);
    }
    if ignores_case(&real) {
        let message = format!("{} does not tell upper case from lower case, as files of images need", real.display());
        return Finding::error(CHECK, message, HINT);
    }
    Finding::passed(CHECK)
}

/// Checks that programs may run from the file system of the state directory, and that it has room for many files.
pub fn state_mount(path: &Path) -> Finding {
    const CHECK: &str = "StateMount";
    let real = nearest_real(path);
    if is_noexec(&real) {
        let message =
            format!("the file system of {} is mounted noexec, and a node runs programs from there", real.display());
        return Finding::error(
            CHECK,
            message,
            format!("sudo mount -o remount,exec {}, or {HINT}", mount_point(&real).display()),
        );
    }
    match statvfs(&real) {
        // A file system without a fixed number of files has none.
        Ok(found) if found.files() > 0 && found.files_available() < LEAST_FILES => {
            let message =
                format!("{} more files fit in the file system of {}", found.files_available(), real.display());
            Finding::error(CHECK, message, format!("remove files (df -i {}), or {HINT}", real.display()))
        }
        _ => Finding::passed(CHECK),
    }
}

/// Why a node cannot run the bundle in `directory` there, in words; `None` if it can.
pub fn bundle_obstacle(directory: &Path) -> Option<&'static str> {
    let real = nearest_real(directory);
    if is_below_run(&real) {
        Some("is below /run, which a node does not see")
    } else if is_noexec(&real) {
        Some("is on a file system that is mounted noexec")
    } else if real.to_string_lossy().contains([':', '\n']) {
        Some("has a colon in its path, which search paths of programs cannot have")
    } else {
        None
    }
}

fn is_below_run(path: &Path) -> bool {
    path.starts_with("/run")
}

fn is_noexec(path: &Path) -> bool {
    statvfs(path).is_ok_and(|found| found.flags().contains(FsFlags::ST_NOEXEC))
}

/// The path, or its nearest existing parent, without links.
fn nearest_real(path: &Path) -> PathBuf {
    path.ancestors().find_map(|part| part.canonicalize().ok()).unwrap_or_else(|| path.to_owned())
}

/// The topmost directory on the file system of `path`.
fn mount_point(path: &Path) -> &Path {
    use std::os::unix::fs::MetadataExt as _;
    let device = path.metadata().map_or(0, |meta| meta.dev());
    path.ancestors().take_while(|part| part.metadata().is_ok_and(|meta| meta.dev() == device)).last().unwrap_or(path)
}

fn ignores_case(directory: &Path) -> bool {
    let Ok(probe) = tempfile::Builder::new().prefix(".probe-a").tempfile_in(directory) else { return false };
    let name = probe.path().file_name().unwrap_or_default().to_string_lossy().to_uppercase();
    directory.join(name).exists()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    #[test]
    fn paths_that_cannot_hold_a_state() {
        let top = tempfile::tempdir().expect("a directory");
        assert_eq!(state_path(&top.path().join("a b/ü,x")).level, Level::Passed);
        assert_eq!(state_path(&top.path().join("a:b")).level, Level::Error);
        std::os::unix::fs::symlink("gone", top.path().join("link")).expect("writable");
        let dangling = state_path(&top.path().join("link/usernetes/default"));
        assert!(dangling.message.ends_with("is a link to gone, which does not exist"), "{dangling:?}");
        assert!(dangling.hint.is_some_and(|hint| hint.contains("mkdir -p") && hint.contains("/gone, or")));
        assert_eq!(state_path(Path::new("/run/user/1000/d/usernetes/default")).level, Level::Error);
    }

    #[test]
    fn file_systems_without_programs() {
        assert_eq!(state_mount(&std::env::temp_dir().join("x/y")).level, Level::Passed);
        assert_eq!(mount_point(Path::new("/proc/self")), Path::new("/proc"));
        assert_eq!(bundle_obstacle(Path::new("/run/media/usb")), Some("is below /run, which a node does not see"));
    }
}
