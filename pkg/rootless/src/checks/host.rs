//! Checks of programs, ids and devices.

use crate::userns::SubIds;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use usernetes_host::{Finding, env};

/// newuidmap and newgidmap are installed and have their privilege.
pub(super) fn check_newuidmap() -> Finding {
    const CHECK: &str = "Newuidmap";
    const INSTALL_HINT: &str = "sudo apt-get install uidmap (Debian, Ubuntu) or sudo dnf install shadow-utils (Fedora)";
    if SubIds::needs_no_helpers() {
        return Finding::passed(CHECK);
    }
    for program in ["newuidmap", "newgidmap"] {
        let Some(path) = env::find_program(program) else {
            return Finding::error(CHECK, format!("{program} is not in PATH"), INSTALL_HINT);
        };
        if !has_privilege(&path) {
            let message = format!("{} is neither setuid root nor does it have capabilities", path.display());
            return Finding::error(CHECK, message, format!("sudo chmod u+s {}", path.display()));
        }
    }
    Finding::passed(CHECK)
}

fn has_privilege(path: &Path) -> bool {
    let setuid = fs::metadata(path).is_ok_and(|m| m.uid() == 0 && m.mode() & 0o4000 != 0);
    setuid || rustix::fs::getxattr(path, "security.capability", &mut [0_u8; 64]).is_ok_and(|length| length > 0)
}

/// The kernel allows ordinary users to make user namespaces.
pub(super) fn check_userns_sysctl() -> Finding {
    let [most, clone] = ["user/max_user_namespaces", "kernel/unprivileged_userns_clone"]
        .map(|name| fs::read_to_string(format!("/proc/sys/{name}")).unwrap_or_default());
    sysctl_finding(&most, &clone)
}

fn sysctl_finding(most: &str, clone: &str) -> Finding {
    const CHECK: &str = "UsernsSysctl";
    let (name, value) = match (most.trim(), clone.trim()) {
        ("0", _) => ("user.max_user_namespaces", 28633),
        (_, "0") => ("kernel.unprivileged_userns_clone", 1),
        _ => return Finding::passed(CHECK),
    };
    let hint = format!("echo {name}={value} | sudo tee /etc/sysctl.d/99-userns.conf && sudo sysctl --system");
    Finding::error(CHECK, format!("{name} is 0"), hint)
}

/// TUN and TAP interfaces can be made.
pub(super) fn check_tun_device() -> Finding {
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
