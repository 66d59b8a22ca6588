//! The user's home, which base directories are in.

use crate::{Finding, env, fs};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Whether the home is a directory of the user, where `directories` are in it.
pub fn check_home(directories: &[&Path]) -> Finding {
    const CHECK: &str = "Home";
    let Ok(home) = env::home() else { return Finding::passed(CHECK) };
    if !directories.iter().any(|directory| directory.starts_with(&home)) {
        return Finding::passed(CHECK);
    }
    let Some(problem) = find_problem(&home) else { return Finding::passed(CHECK) };
    Finding::error(CHECK, format!("home {} {problem}", home.display()), choose_hint(&home))
}

/// Why `home` cannot hold the user's files.
fn find_problem(home: &Path) -> Option<String> {
    let meta = match home.metadata() {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some("does not exist".into()),
        Err(error) => return Some(format!("cannot be read: {error}")),
    };
    let uid = nix::unistd::geteuid().as_raw();
    if !meta.is_dir() {
        return Some("is not a directory".into());
    }
    if meta.uid() == uid || fs::is_writable(home) {
        return None;
    }
    let owner = env::user::by_uid(meta.uid()).map_or_else(|_| format!("uid {}", meta.uid()), |user| user.name);
    let user = env::user().map_or_else(|_| format!("uid {uid}"), |user| user.name);
    Some(format!("belongs to {owner}, not to {user}"))
}

/// Another home only where the account has one: after `sudo -u` without `-H`, or `su` without `-`.
fn choose_hint(home: &Path) -> String {
    let own = env::user().ok().filter(|user| user.home != home && find_problem(&user.home).is_none());
    match own {
        Some(user) => format!(
            "log in as {0} (su - {0}, ssh, or sudo -i -u {0}), or export HOME={1}",
            user.name,
            user.home.display()
        ),
        None => "set HOME or XDG_DATA_HOME, XDG_CACHE_HOME and XDG_CONFIG_HOME to directories of this user's".into(),
    }
}

/// Whether an administrator may give `directory` to the user: it is the user's home or in it.
pub(super) fn may_be_given(directory: &Path, user: &env::User) -> bool {
    user.home.file_name().is_some_and(|name| name == user.name.as_str()) && directory.starts_with(&user.home)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes() {
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(find_problem(directory.path()), None);
        assert_eq!(find_problem(Path::new("/nonexistent")).as_deref(), Some("does not exist"));
        assert_eq!(find_problem(Path::new("/dev/null")).as_deref(), Some("is not a directory"));
    }

    #[test]
    fn directories_of_the_system_are_not_given_away() {
        let of = |name: &str, home: &str| env::User { name: name.into(), uid: 1, gid: 1, home: home.into() };
        assert!(may_be_given(Path::new("/home/alice/.local"), &of("alice", "/home/alice")));
        for (user, directory) in [
            (of("alice", "/home/alice"), "/"),
            (of("alice", "/home/alice"), "/home/bob"),
            (of("alice", "/root"), "/root"),
            (of("svc", "/"), "/"),
            (of("daemon", "/usr/sbin"), "/usr/sbin"),
        ] {
            assert!(!may_be_given(Path::new(directory), &user), "{directory}");
        }
    }
}
