//! Environment of the process: user, directories, name, addresses and capacity of the host.

mod interfaces;
mod net;
mod sources;
pub(crate) mod user;
mod xdg;

pub use interfaces::used_ranges;
pub use net::{Candidate, Obstacle, Route, default_host_ip, host_ips, mtu, mtu_to_outside, routed_host_ip, routes};
pub use sources::sources;
pub use user::{User, current as user};
pub use xdg::{BaseDirectories, xdg};

use crate::FsError;
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::{AccessFlags, access};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

/// A fact of the user or the host that cannot be determined.
#[derive(Debug, thiserror::Error)]
pub enum EnvError {
    /// Neither `/etc/passwd` nor `getent` has the uid of this process.
    #[error("no user has the uid {uid}, neither in /etc/passwd nor for getent")]
    NoUser {
        /// Uid of this process.
        uid: u32,
    },
    /// A file with the fact cannot be read.
    #[error(transparent)]
    File(#[from] FsError),
    /// The interfaces cannot be listed.
    #[error("cannot list this host's addresses")]
    Interfaces {
        /// Underlying error.
        source: io::Error,
    },
    /// More than one address may be meant.
    #[error("this host has several addresses, and no default route tells which one other hosts use: {}", list_candidates(.candidates))]
    AmbiguousHostIp {
        /// All of them.
        candidates: Vec<Candidate>,
    },
    /// The address of the default route is one that no other host reaches.
    #[error(
        "{address}, the address of the default route, is behind the NAT of a virtual machine, where no other host reaches it; this host has {}",
        list_candidates(.candidates)
    )]
    HostIpBehindNat {
        /// The address.
        address: IpAddr,
        /// All addresses.
        candidates: Vec<Candidate>,
    },
}

fn list_candidates(candidates: &[Candidate]) -> String {
    candidates.iter().map(|c| format!("{} ({})", c.address, c.interface)).collect::<Vec<_>>().join(", ")
}

impl EnvError {
    /// What to do about the error.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::AmbiguousHostIp { candidates } | Self::HostIpBehindNat { candidates, .. } => {
                let first = candidates.iter().find(|c| c.obstacle.is_none()).or(candidates.first());
                first.map(|c| format!("choose one, such as --host-ip {}", c.address))
            }
            Self::NoUser { .. } => Some("set HOME and USER".into()),
            Self::File(error) => error.hint(),
            Self::Interfaces { .. } => Some("--host-ip ADDRESS".into()),
        }
    }
}

/// Whether this process has root's rights on the host.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Home directory of the user.
pub fn home() -> Result<PathBuf, EnvError> {
    let given = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    given.map_or_else(|| user().map(|user| user.home), Ok)
}

/// The host's name as the kernel has it.
pub fn hostname() -> Result<String, FsError> {
    Ok(crate::fs::read("/proc/sys/kernel/hostname")?.trim().to_owned())
}

/// Most files that a process of the user may open: the hard limit, which any process may set as its soft one.
pub fn open_files_limit() -> u64 {
    // The kernel's own default, for a kernel that does not return one.
    getrlimit(Resource::RLIMIT_NOFILE).map_or(4096, |(_, hard)| hard)
}

/// The first port that this process may bind.
pub fn first_free_port() -> u16 {
    if is_root() {
        return 0;
    }
    let text = crate::fs::read_if_exists("/proc/sys/net/ipv4/ip_unprivileged_port_start").ok().flatten();
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(1024)
}

/// First and last group whose members may send echo requests, as the kernel has them.
pub fn ping_groups() -> Option<(u32, u32)> {
    let text = crate::fs::read_if_exists("/proc/sys/net/ipv4/ping_group_range").ok().flatten()?;
    let (first, last) = text.trim().split_once(char::is_whitespace)?;
    Some((first.parse().ok()?, last.trim().parse().ok()?))
}

/// First and last of the ports from which the kernel chooses those of outgoing connections.
pub fn outgoing_ports() -> Option<(u16, u16)> {
    let text = crate::fs::read_if_exists("/proc/sys/net/ipv4/ip_local_port_range").ok().flatten()?;
    let (first, last) = text.trim().split_once(char::is_whitespace)?;
    Some((first.parse().ok()?, last.trim().parse().ok()?))
}

/// The proxy variables that are set, in both spellings.
pub fn proxy_variables() -> Vec<(String, String)> {
    let names =
        ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"];
    names
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
        .filter(|(_, v)| !v.is_empty())
        .collect()
}

/// The file of a program, found as a shell finds it.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|p| access(p, AccessFlags::X_OK).is_ok())
}

/// Number of processors that this process may use: affinity and cgroup quota respected.
pub fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The machine's memory in bytes.
pub fn memory() -> Result<u64, FsError> {
    Ok(parse_meminfo(&crate::fs::read("/proc/meminfo")?).unwrap_or_default())
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn parse_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_in_bytes() {
        assert_eq!(parse_meminfo("MemTotal:        8048956 kB\nMemFree: 1 kB\n"), Some(8_048_956 * 1024));
        assert_eq!(parse_meminfo("MemFree: 1 kB\n"), None);
        assert!(memory().expect("readable") > 1 << 20);
    }

    #[test]
    fn the_machine_answers() {
        assert!(!hostname().expect("readable").is_empty());
        assert!(cpus() > 0 && open_files_limit() > 0);
    }
}
