//! Base directories after the XDG specification: a variable counts only when it is an absolute path.

use super::{EnvError, home};
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The user's base directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseDirectories {
    /// `$XDG_CONFIG_HOME` or `~/.config`.
    pub config: PathBuf,
    /// `$XDG_DATA_HOME` or `~/.local/share`.
    pub data: PathBuf,
    /// `$XDG_CACHE_HOME` or `~/.cache`.
    pub cache: PathBuf,
    /// `$XDG_RUNTIME_DIR`, else `/run/user/UID`, else `usernetes/.run` below `data`; accessible to the user only.
    pub runtime: PathBuf,
}

/// The user's base directories, from the environment.
pub fn xdg() -> Result<BaseDirectories, EnvError> {
    let uid = nix::unistd::geteuid().as_raw();
    Ok(resolve_directories(&home()?, |name| std::env::var_os(name), |path| is_private(path, uid), uid))
}

fn resolve_directories(
    home: &Path,
    var: impl Fn(&str) -> Option<OsString>,
    private: impl Fn(&Path) -> bool,
    uid: u32,
) -> BaseDirectories {
    let data = absolute(var("XDG_DATA_HOME")).unwrap_or_else(|| home.join(".local/share"));
    // After su, XDG_RUNTIME_DIR is often still the other user's.
    let candidates = absolute(var("XDG_RUNTIME_DIR")).into_iter().chain([format!("/run/user/{uid}").into()]);
    let runtime = candidates.into_iter().find(|path| private(path));
    BaseDirectories {
        config: absolute(var("XDG_CONFIG_HOME")).unwrap_or_else(|| home.join(".config")),
        cache: absolute(var("XDG_CACHE_HOME")).unwrap_or_else(|| home.join(".cache")),
        // No cluster's state directory: a cluster's name has no dot.
        runtime: runtime.unwrap_or_else(|| data.join("usernetes/.run")),
        data,
    }
}

/// The specification ignores paths that are not absolute.
fn absolute(value: Option<OsString>) -> Option<PathBuf> {
    value.map(PathBuf::from).filter(|path| path.is_absolute())
}

/// Whether a directory belongs to the user and is closed to all others.
fn is_private(path: &Path, uid: u32) -> bool {
    path.metadata().is_ok_and(|m| m.is_dir() && m.uid() == uid && m.mode() & 0o777 == 0o700)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn from(vars: &[(&str, &str)], private: &[&str]) -> BaseDirectories {
        let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| v.into());
        resolve_directories(Path::new("/home/a"), var, |path| private.iter().any(|p| Path::new(p) == path), 7)
    }

    #[test]
    fn variables_are_respected_when_absolute() {
        let directories =
            from(&[("XDG_CONFIG_HOME", "/c"), ("XDG_CACHE_HOME", "relative"), ("XDG_DATA_HOME", "")], &[]);
        assert_eq!(directories.config, Path::new("/c"));
        assert_eq!(directories.cache, Path::new("/home/a/.cache"));
        assert_eq!(directories.data, Path::new("/home/a/.local/share"));
        assert_eq!(directories.runtime, Path::new("/home/a/.local/share/usernetes/.run"));
    }

    #[test]
    fn a_runtime_directory_is_taken_when_it_is_ours() {
        let given = [("XDG_RUNTIME_DIR", "/r")];
        assert_eq!(from(&given, &["/r", "/run/user/7"]).runtime, Path::new("/r"));
        assert_eq!(from(&given, &["/run/user/7"]).runtime, Path::new("/run/user/7"));
    }

    #[test]
    fn private_means_ours_and_0700() {
        let directory = tempfile::tempdir().expect("a directory");
        let uid = nix::unistd::geteuid().as_raw();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o700)).expect("ours");
        assert!(is_private(directory.path(), uid));
        assert!(!is_private(directory.path(), uid + 1));
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).expect("ours");
        assert!(!is_private(directory.path(), uid));
        assert!(!is_private(&directory.path().join("none"), uid));
    }
}
