//! Files and kernel settings inside.

use super::SysctlOutcome;
use super::mount_targets::{Kind, MountTargets, refused};
use crate::FileEntry;
use crate::userns::{StageError, What as _};
use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use std::fs;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Replaces a file by a new one, never writing into the old one.
pub(super) fn write(targets: &mut MountTargets, entry: &FileEntry) -> Result<(), StageError> {
    let what = || format!("write {}", entry.path.display());
    let folder = entry.path.parent().unwrap_or(Path::new("/"));
    targets.ensure(folder, Kind::Folder)?;
    match put(entry) {
        Err(e) if refused(&e) => {
            targets.cover(folder)?;
            put(entry).what(what())
        }
        put => put.what(what()),
    }
}

fn put(entry: &FileEntry) -> io::Result<()> {
    let mut name = entry.path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = entry.path.with_file_name(name);
    let mut file = fs::File::options().write(true).create(true).truncate(true).mode(entry.mode).open(&new)?;
    file.write_all(entry.content.as_bytes())?;
    match fs::rename(&new, &entry.path) {
        // The host's file, bound into a private folder.
        Err(e) if e.raw_os_error() == Some(Errno::EBUSY as i32) => {
            umount2(&entry.path, MntFlags::MNT_DETACH)?;
            fs::rename(&new, &entry.path)
        }
        renamed => renamed,
    }
}

/// Names the tap's resolver and nothing else: it follows the host's changes by itself.
pub(super) fn resolv_conf(resolver: Ipv4Addr) -> FileEntry {
    FileEntry::public("/etc/resolv.conf", format!("nameserver {resolver}\n"))
}

/// Loopback and the node's own name.
pub(super) fn hosts(host_name: &str, addresses: &[std::net::IpAddr]) -> FileEntry {
    let mut lines = vec!["127.0.0.1\tlocalhost".to_owned(), "::1\tlocalhost ip6-localhost ip6-loopback".to_owned()];
    lines.extend(addresses.iter().map(|address| format!("{address}\t{host_name}")));
    if addresses.is_empty() {
        lines.push(format!("127.0.1.1\t{host_name}"));
    }
    FileEntry::public("/etc/hosts", lines.join("\n") + "\n")
}

/// Sets what can be set and tells about each.
pub(super) fn set_sysctls(wanted: &[(String, String)]) -> Vec<SysctlOutcome> {
    let outcome = |(name, value): &(String, String)| SysctlOutcome {
        name: name.clone(),
        value: value.clone(),
        failure: fs::write(sysctl_path(name), value).err().map(|e| e.to_string()),
    };
    wanted.iter().map(outcome).collect()
}

/// As in sysctl(8), a slash in a name stands for a dot: `net.ipv4.conf.eth0/1.rp_filter`.
fn sysctl_path(name: &str) -> String {
    let swap = |c| match c {
        '.' => '/',
        '/' => '.',
        c => c,
    };
    format!("/proc/sys/{}", name.chars().map(swap).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rendered_files() {
        insta::assert_snapshot!(resolv_conf(Ipv4Addr::new(10, 0, 2, 3)).content, @"nameserver 10.0.2.3");
        let address = [std::net::IpAddr::from([198, 51, 100, 11])];
        insta::assert_snapshot!(hosts("node1", &address).content, @r"
        127.0.0.1	localhost
        ::1	localhost ip6-localhost ip6-loopback
        198.51.100.11	node1
        ");
        assert!(hosts("node1", &[]).content.ends_with("127.0.1.1\tnode1\n"));
    }

    #[test]
    fn sysctl_names_become_paths() {
        assert_eq!(sysctl_path("net.ipv4.conf.eth0/1.rp_filter"), "/proc/sys/net/ipv4/conf/eth0.1/rp_filter");
    }
}
