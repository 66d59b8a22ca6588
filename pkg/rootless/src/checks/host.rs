//! Programs, ids and devices.

use crate::userns::add_command;
use crate::userns::nested;
use crate::userns::{ENOUGH_IDS, SubIds};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use usernetes_host::{Finding, env};

/// newuidmap and newgidmap are there and have their privilege.
pub(super) fn newuidmap() -> Finding {
    const CHECK: &str = "Newuidmap";
    const CURE: &str = "sudo apt-get install uidmap (Debian, Ubuntu) or sudo dnf install shadow-utils (Fedora)";
    if SubIds::needs_no_helpers() {
        return Finding::passed(CHECK);
    }
    for program in ["newuidmap", "newgidmap"] {
        let Some(path) = env::find_program(program) else {
            return Finding::error(CHECK, format!("{program} is not in PATH"), CURE);
        };
        if !privileged(&path) {
            let message = format!("{} is neither setuid root nor has it capabilities", path.display());
            return Finding::error(CHECK, message, format!("sudo chmod u+s {}", path.display()));
        }
    }
    Finding::passed(CHECK)
}

fn privileged(path: &Path) -> bool {
    let setuid = fs::metadata(path).is_ok_and(|m| m.uid() == 0 && m.mode() & 0o4000 != 0);
    setuid || rustix::fs::getxattr(path, "security.capability", &mut [0_u8; 64]).is_ok_and(|length| length > 0)
}

/// There are enough subordinate ids.
pub(super) fn sub_id() -> Finding {
    const CHECK: &str = "SubID";
    let ids = match SubIds::current() {
        Ok(ids) => ids,
        Err(error) => {
            let user = std::env::var("USER").unwrap_or_else(|_| "$USER".to_owned());
            return Finding::error(CHECK, error.to_string(), add_command(&user, ENOUGH_IDS));
        }
    };
    if !ids.suffice() {
        let (uids, gids) = ids.totals();
        let message =
            format!("{} has {uids} subordinate uids and {gids} gids; {ENOUGH_IDS} of each are needed", ids.user);
        // A container's share may be smaller, and most images use few ids.
        let finding = if nested().is_some() { Finding::warning } else { Finding::error };
        return finding(CHECK, message, ids.add_command(ENOUGH_IDS));
    }
    Finding::passed(CHECK)
}

/// The kernel lets ordinary users make user namespaces.
pub(super) fn userns_sysctl() -> Finding {
    let value = |name: &str| fs::read_to_string(format!("/proc/sys/{name}")).unwrap_or_default();
    sysctl_finding(&value("user/max_user_namespaces"), &value("kernel/unprivileged_userns_clone"))
}

fn sysctl_finding(most: &str, clone: &str) -> Finding {
    const CHECK: &str = "UsernsSysctl";
    let wrong = |name: &str, value: &str, good: &str| {
        let cure = format!("echo {name}={good} | sudo tee /etc/sysctl.d/99-userns.conf && sudo sysctl --system");
        Finding::error(CHECK, format!("{name} is {value}"), cure)
    };
    match (most.trim(), clone.trim()) {
        ("0", _) => wrong("user.max_user_namespaces", "0", "28633"),
        (_, "0") => wrong("kernel.unprivileged_userns_clone", "0", "1"),
        _ => Finding::passed(CHECK),
    }
}

/// Interfaces of user programs can be made.
pub(super) fn tun_device() -> Finding {
    const CHECK: &str = "TunDevice";
    match File::options().read(true).write(true).open("/dev/net/tun") {
        Ok(_) => Finding::passed(CHECK),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Finding::error(CHECK, "/dev/net/tun does not exist", "sudo modprobe tun")
        }
        Err(e) => Finding::error(CHECK, format!("/dev/net/tun cannot be opened: {e}"), "sudo chmod 0666 /dev/net/tun"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use usernetes_host::Level;

    #[test]
    fn sysctls() {
        assert_eq!(sysctl_finding("28633\n", "").level, Level::Passed);
        let off = sysctl_finding("28633\n", "0\n");
        insta::assert_snapshot!(off.message, @"kernel.unprivileged_userns_clone is 0");
        insta::assert_snapshot!(
            off.hint.expect("a hint"),
            @"echo kernel.unprivileged_userns_clone=1 | sudo tee /etc/sysctl.d/99-userns.conf && sudo sysctl --system"
        );
        assert_eq!(sysctl_finding("0", "1").level, Level::Error);
    }
}
