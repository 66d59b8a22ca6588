//! slirp4netns: its addresses, arguments, versions and checks.

use super::driver::{Driver, TapAddresses};
use ipnet::Ipv4Net;
use std::io;
use std::net::Ipv4Addr;
use std::process::Command;
use usernetes_api::{NetworkOptions, constants::TAP_INTERFACE};
use usernetes_host::{CommandExt as _, Finding, fs};

const PROGRAM: &str = "slirp4netns";
const INSTALL_HINT: &str = "sudo apt-get install slirp4netns (Debian, Ubuntu) or sudo dnf install slirp4netns (Fedora)";
/// First version with every option that is used here.
const FIRST_VERSION: (u32, u32) = (1, 0);

pub(super) static DRIVER: Driver = Driver {
    program: PROGRAM,
    install_hint: INSTALL_HINT,
    addresses: plan_addresses,
    arguments: read_arguments,
    checks: run_checks,
};

/// The gateway and the resolver are built in; the node has the address that slirp4netns recommends.
fn plan_addresses(range: Ipv4Net) -> TapAddresses {
    TapAddresses { node: nth_address(range, 100), gateway: nth_address(range, 2), resolver: nth_address(range, 3) }
}

fn nth_address(range: Ipv4Net, n: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(range.network()) + n)
}

/// Arguments for what the installed version and this process can do.
fn read_arguments(network: &NetworkOptions, child: i32) -> io::Result<Vec<String>> {
    let output = Command::new(PROGRAM).arg("--version").output()?;
    let has_seccomp = String::from_utf8_lossy(&output.stdout).contains("libseccomp:");
    let is_root = nix::unistd::geteuid().is_root();
    let has_sandbox = !is_root || has_sys_admin(&fs::read_of_system("/proc/self/status").unwrap_or_default());
    Ok(render_arguments(network, child, has_sandbox, has_seccomp))
}

/// Whether a `/proc/PID/status` has CAP_SYS_ADMIN. An ordinary user's slirp4netns has it in the child's user namespace,
/// which it enters for its sandbox; root's makes the sandbox where it is, and a container's root often lacks it.
fn has_sys_admin(status: &str) -> bool {
    const CAP_SYS_ADMIN: u32 = 21;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    effective.is_some_and(|set| set >> CAP_SYS_ADMIN & 1 == 1)
}

/// The child configures the interface, so that it outlives slirp4netns; hence no `--configure`.
/// The child's pid names the namespaces: given as paths, version 1.2 forgets the user namespace when it builds its
/// sandbox, and fails.
fn render_arguments(network: &NetworkOptions, child: i32, has_sandbox: bool, has_seccomp: bool) -> Vec<String> {
    let mut args = vec![
        "--ready-fd=0".to_owned(),
        "--exit-fd=1".to_owned(),
        format!("--mtu={}", network.mtu),
        format!("--cidr={}", network.tap_range()),
        "--disable-host-loopback".to_owned(),
    ];
    if has_sandbox {
        args.push("--enable-sandbox".to_owned());
    }
    if has_seccomp {
        args.push("--enable-seccomp".to_owned());
    }
    args.extend([child.to_string(), TAP_INTERFACE.to_owned()]);
    args
}

fn run_checks() -> Vec<Finding> {
    vec![check_version()]
}

/// The program is installed and new enough.
fn check_version() -> Finding {
    const CHECK: &str = "Slirp4netns";
    let Ok(output) = Command::new(PROGRAM).arg("--version").run() else {
        return Finding::error(CHECK, "slirp4netns is not in PATH, or does not run", INSTALL_HINT);
    };
    match parse_version(&output) {
        Some(version) if version >= FIRST_VERSION => Finding::passed(CHECK),
        Some(_) => {
            let found = version_word(&output).unwrap_or_default();
            let (major, minor) = FIRST_VERSION;
            let message = format!("slirp4netns {found} is too old; {major}.{minor} is needed");
            Finding::error(CHECK, message, INSTALL_HINT)
        }
        None => Finding::error(CHECK, "slirp4netns does not report its version", INSTALL_HINT),
    }
}

/// Version in the output of `slirp4netns --version`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = version_word(text)?.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The version as slirp4netns writes it.
fn version_word(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("slirp4netns version ")).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn command_line() {
        insta::assert_snapshot!(render_arguments(&NetworkOptions::default(), 42, true, true).join("\n"), @r"
        --ready-fd=0
        --exit-fd=1
        --mtu=65520
        --cidr=10.0.2.0/24
        --disable-host-loopback
        --enable-sandbox
        --enable-seccomp
        42
        tap0
        ");
    }

    #[test]
    fn roots_of_containers() {
        assert!(has_sys_admin("Name:\tx\nCapEff:\t000001ffffffffff\n"));
        // Podman's default.
        assert!(!has_sys_admin("CapEff:\t00000000800405fb\n"));
    }

    #[test]
    fn versions() {
        assert_eq!(parse_version("slirp4netns version 1.2.0\ncommit: 656041d\n"), Some((1, 2)));
        assert_eq!(parse_version("slirp4netns version 1.3.1+dev\n"), Some((1, 3)));
        assert_eq!(parse_version("no such option"), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(slirp4netns version )?\\PC*") {
            let _ = parse_version(&text);
        }
    }
}
