//! The user of the tool, the state directory and the name of the host.

use super::home::may_be_given;
use crate::{Finding, env};
use std::io::Write as _;
use std::path::Path;

/// The reverse of kubeadm's check: the tool is made to run without root.
pub fn not_root(allowed: bool) -> Finding {
    check_root(env::is_root(), allowed)
}

fn check_root(root: bool, allowed: bool) -> Finding {
    const NAME: &str = "IsPrivilegedUser";
    match (root, allowed) {
        (false, _) => Finding::passed(NAME),
        (true, true) => Finding::warning(
            NAME,
            "running as root: an escape from a pod leads to root's own files",
            "run as an ordinary user",
        ),
        (true, false) => Finding::error(NAME, "running as root", "run as an ordinary user, or pass --allow-root"),
    }
}

/// Whether the user's services stay after the last logout. Without systemd they are not ended.
pub fn linger() -> Finding {
    let user = env::user();
    let name = user.as_ref().map_or("$USER", |user| user.name.as_str());
    check_linger(name, systemd_runs(), crate::systemd::lingers(name))
}

fn check_linger(user: &str, systemd: bool, lingers: bool) -> Finding {
    if !systemd || lingers {
        return Finding::passed("Linger");
    }
    Finding::warning("Linger", "the cluster stops when you log out", format!("loginctl enable-linger {user}"))
}

/// Whether the user's service manager answers (`found`), where systemd runs.
pub fn user_manager(found: bool) -> Finding {
    let user = env::user();
    check_user_manager(user.as_ref().map_or("$USER", |user| user.name.as_str()), systemd_runs(), found)
}

fn check_user_manager(user: &str, systemd: bool, found: bool) -> Finding {
    if !systemd || found {
        return Finding::passed("UserManager");
    }
    Finding::warning(
        "UserManager",
        "this user's service manager does not respond: the node is not restarted after a failure or a reboot, and \
         its pods have no limits",
        format!("sudo loginctl enable-linger {user}, or log in by ssh or on a console instead of su or sudo"),
    )
}

fn systemd_runs() -> bool {
    Path::new("/run/systemd/system").exists()
}

/// Whether a file can be written in the state directory, or its nearest existing parent. Only a write detects a full disk.
pub fn state_dir(path: &Path) -> Finding {
    const NAME: &str = "StateDirWritable";
    let Some(directory) = path.ancestors().find(|directory| directory.exists()) else {
        return Finding::error(
            NAME,
            format!("no part of {} exists", path.display()),
            "set XDG_DATA_HOME to an absolute path",
        );
    };
    match write_probe(directory) {
        Ok(()) => Finding::passed(NAME),
        Err(error) => Finding::error(
            NAME,
            format!("cannot write to {}: {error}", directory.display()),
            write_hint(&error, directory, env::user().ok().as_ref()),
        ),
    }
}

fn write_probe(directory: &Path) -> std::io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".probe-").tempfile_in(directory)?;
    file.write_all(&vec![0x5a; 64 * 1024])?;
    file.as_file().sync_data()
}

fn write_hint(error: &std::io::Error, path: &Path, user: Option<&env::User>) -> String {
    use std::io::ErrorKind as K;
    let directory = path.display();
    match error.kind() {
        K::StorageFull | K::QuotaExceeded => {
            format!("free space (df -h {directory}), or set XDG_DATA_HOME to a directory on another disk")
        }
        K::ReadOnlyFilesystem => "set XDG_DATA_HOME to a directory on a disk that is mounted writable".into(),
        _ => match user.filter(|user| may_be_given(path, user)) {
            Some(user) => {
                format!("sudo chown {} {directory}, or set XDG_DATA_HOME to a directory of yours", user.name)
            }
            None => "set XDG_DATA_HOME to a directory of yours".into(),
        },
    }
}

/// RFC 1123 label in lower case; its length is not checked.
fn is_label(label: &str) -> bool {
    let valid = label.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
    valid && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
}

/// Whether the host's name can be the node's.
pub fn hostname(name: &str) -> Finding {
    if name.len() <= 63 && name.to_lowercase().split('.').all(is_label) {
        return Finding::passed("Hostname");
    }
    Finding::error(
        "Hostname",
        format!("the host's name {name:?} cannot be a node's name"),
        "--node-name NAME, of a-z, 0-9, '-' and '.'",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    #[test]
    fn root_is_refused_unless_allowed() {
        assert_eq!(check_root(false, false).level, Level::Passed);
        assert_eq!(check_root(true, true).level, Level::Warning);
        assert_eq!(check_root(true, false).level, Level::Error);
    }

    #[test]
    fn lingering_matters_only_with_systemd() {
        assert_eq!(check_linger("alice", false, false).level, Level::Passed);
        assert_eq!(check_linger("alice", true, true).level, Level::Passed);
        assert_eq!(check_linger("alice", true, false).hint.as_deref(), Some("loginctl enable-linger alice"));
    }

    #[test]
    fn a_service_manager_is_missed_only_with_systemd() {
        assert_eq!(check_user_manager("alice", false, false).level, Level::Passed);
        assert_eq!(check_user_manager("alice", true, true).level, Level::Passed);
        let hint = check_user_manager("alice", true, false).hint.expect("a hint");
        assert!(hint.starts_with("sudo loginctl enable-linger alice"), "{hint}");
    }

    #[test]
    fn names_of_hosts() {
        assert_eq!(hostname("Host-A.example").level, Level::Passed);
        for wrong in ["", "a_b", "-a", "a..b", "localhost."] {
            assert_eq!(hostname(wrong).level, Level::Error, "{wrong}");
        }
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_named() {
        let top = tempfile::tempdir().expect("a directory");
        assert_eq!(state_dir(&top.path().join("not/yet")).level, Level::Passed);
        assert_eq!(std::fs::read_dir(top.path()).expect("there").count(), 0, "the probe is gone");
        // Not even root can make files here.
        let finding = state_dir(Path::new("/proc/self/none"));
        assert_eq!(finding.level, Level::Error);
        assert!(finding.message.starts_with("cannot write to /proc/self: "), "{finding:?}");
    }

    #[test]
    fn hints_fit_the_error() {
        let alice = env::User { name: "alice".into(), uid: 1, gid: 1, home: "/home/alice".into() };
        let hint_of = |errno: nix::errno::Errno| write_hint(&errno.into(), Path::new("/d"), Some(&alice));
        assert!(hint_of(nix::errno::Errno::ENOSPC).starts_with("free space (df -h /d)"));
        assert!(hint_of(nix::errno::Errno::EROFS).contains("mounted writable"));
        assert_eq!(hint_of(nix::errno::Errno::EACCES), "set XDG_DATA_HOME to a directory of yours");
        let own = write_hint(&nix::errno::Errno::EACCES.into(), Path::new("/home/alice/.local"), Some(&alice));
        assert!(own.starts_with("sudo chown alice /home/alice/.local"), "{own}");
    }
}
