//! Base folders after the XDG specification: a variable counts only when it is an absolute path.

use super::{EnvError, home};
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The user's base folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseFolders {
    /// `$XDG_CONFIG_HOME` or `~/.config`.
    pub config: PathBuf,
    /// `$XDG_DATA_HOME` or `~/.local/share`.
    pub data: PathBuf,
    /// `$XDG_CACHE_HOME` or `~/.cache`.
    pub cache: PathBuf,
    /// `$XDG_RUNTIME_DIR`, else `/run/user/UID`, else `usernetes/run` below `data`; always ours alone.
    pub runtime: PathBuf,
}

/// The user's base folders, from the environment.
pub fn xdg() -> Result<BaseFolders, EnvError> {
    let uid = nix::unistd::geteuid().as_raw();
    Ok(resolve(&home()?, |name| std::env::var_os(name), |path| is_private(path, uid), uid))
}

fn resolve(
    home: &Path,
    var: impl Fn(&str) -> Option<OsString>,
    private: impl Fn(&Path) -> bool,
    uid: u32,
) -> BaseFolders {
    let given = |name| var(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let or = |name, default| given(name).unwrap_or_else(|| home.join(default));
    let data = or("XDG_DATA_HOME", ".local/share");
    // After su, XDG_RUNTIME_DIR is often still the other user's.
    let runtime =
        given("XDG_RUNTIME_DIR").into_iter().chain([format!("/run/user/{uid}").into()]).find(|path| private(path));
    let runtime = runtime.unwrap_or_else(|| data.join("usernetes/run"));
    BaseFolders { config: or("XDG_CONFIG_HOME", ".config"), cache: or("XDG_CACHE_HOME", ".cache"), data, runtime }
}

/// A folder that is ours and that nobody else may enter.
fn is_private(path: &Path, uid: u32) -> bool {
    path.metadata().is_ok_and(|m| m.is_dir() && m.uid() == uid && m.mode() & 0o777 == 0o700)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn from(vars: &[(&str, &str)], private: &[&str]) -> BaseFolders {
        let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| v.into());
        resolve(Path::new("/home/a"), var, |path| private.iter().any(|p| Path::new(p) == path), 7)
    }

    #[test]
    fn variables_are_respected_when_absolute() {
        let folders = from(&[("XDG_CONFIG_HOME", "/c"), ("XDG_CACHE_HOME", "relative"), ("XDG_DATA_HOME", "")], &[]);
        assert_eq!(folders.config, Path::new("/c"));
        assert_eq!(folders.cache, Path::new("/home/a/.cache"));
        assert_eq!(folders.data, Path::new("/home/a/.local/share"));
        assert_eq!(folders.runtime, Path::new("/home/a/.local/share/usernetes/run"));
    }

    #[test]
    fn a_runtime_folder_is_taken_when_it_is_ours() {
        let given = [("XDG_RUNTIME_DIR", "/r")];
        assert_eq!(from(&given, &["/r", "/run/user/7"]).runtime, Path::new("/r"));
        assert_eq!(from(&given, &["/run/user/7"]).runtime, Path::new("/run/user/7"));
    }

    #[test]
    fn private_means_ours_and_0700() {
        let folder = tempfile::tempdir().expect("a folder");
        let uid = nix::unistd::geteuid().as_raw();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).expect("ours");
        assert!(is_private(folder.path(), uid));
        assert!(!is_private(folder.path(), uid + 1));
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("ours");
        assert!(!is_private(folder.path(), uid));
        assert!(!is_private(&folder.path().join("none"), uid));
    }
}
