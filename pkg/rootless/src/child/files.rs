//! Files and kernel settings inside.

use super::SysctlOutcome;
use super::mount_targets::{Kind, MountTargets, is_refused};
use crate::FileEntry;
use crate::userns::{Action as _, StageError};
use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use std::fs;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Replaces a file by a new one; the old one, which may be the host's, stays unchanged.
pub(super) fn write_file(targets: &mut MountTargets, entry: &FileEntry) -> Result<(), StageError> {
    let directory = entry.path.parent().unwrap_or(Path::new("/"));
    targets.ensure_target(directory, Kind::Directory)?;
    let action = format!("write {}", entry.path.display());
    match write_new_file(entry) {
        Err(e) if is_refused(&e) => {
            targets.cover_directory(directory)?;
            write_new_file(entry).with_action(action)
        }
        put => put.with_action(action),
    }
}

fn write_new_file(entry: &FileEntry) -> io::Result<()> {
    let mut name = entry.path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = entry.path.with_file_name(name);
    let mut file = fs::File::options().write(true).create(true).truncate(true).mode(entry.mode).open(&new)?;
    file.write_all(entry.content.as_bytes())?;
    match fs::rename(&new, &entry.path) {
        // The host's file is bound into a private directory.
        Err(e) if e.raw_os_error() == Some(Errno::EBUSY as i32) => {
            umount2(&entry.path, MntFlags::MNT_DETACH)?;
            fs::rename(&new, &entry.path)
        }
        renamed => renamed,
    }
}

/// Names the node's own name server alone, which follows changes of the host's; search domains and options are the host's.
pub(super) fn render_resolv_conf(resolver: Ipv4Addr, search_lines: &[String]) -> FileEntry {
    let mut content = format!("nameserver {resolver}\n");
    for line in search_lines {
        content.push_str(line);
        content.push('\n');
    }
    FileEntry::public("/etc/resolv.conf", content)
}

/// Names of loopback and of the node.
pub(super) fn render_hosts(host_name: &str, addresses: &[std::net::IpAddr]) -> FileEntry {
    let mut lines = vec!["127.0.0.1\tlocalhost".to_owned(), "::1\tlocalhost ip6-localhost ip6-loopback".to_owned()];
    lines.extend(addresses.iter().map(|address| format!("{address}\t{host_name}")));
    if addresses.is_empty() {
        lines.push(format!("127.0.1.1\t{host_name}"));
    }
    FileEntry::public("/etc/hosts", lines.join("\n") + "\n")
}

/// Sets each sysctl and returns the results.
pub(super) fn set_sysctls(sysctls: &[(String, String)]) -> Vec<SysctlOutcome> {
    sysctls.iter().map(|(name, value)| set_sysctl(name, value)).collect()
}

fn set_sysctl(name: &str, value: &str) -> SysctlOutcome {
    let failure = fs::write(sysctl_path(name), value).err().map(|error| error.to_string());
    SysctlOutcome { name: name.to_owned(), value: value.to_owned(), failure }
}

/// As in sysctl(8), a slash in a name means a dot: `net.ipv4.conf.eth0/1.rp_filter`.
fn sysctl_path(name: &str) -> String {
    let mut path = "/proc/sys/".to_owned();
    path.extend(name.chars().map(|c| match c {
        '.' => '/',
        '/' => '.',
        c => c,
    }));
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rendered_files() {
        insta::assert_snapshot!(render_resolv_conf(Ipv4Addr::new(10, 0, 2, 3), &["search lab".into()]).content, @r"
        nameserver 10.0.2.3
        search lab
        ");
        let address = [std::net::IpAddr::from([198, 51, 100, 11])];
        insta::assert_snapshot!(render_hosts("node1", &address).content, @r"
        127.0.0.1	localhost
        ::1	localhost ip6-localhost ip6-loopback
        198.51.100.11	node1
        ");
        assert!(render_hosts("node1", &[]).content.ends_with("127.0.1.1\tnode1\n"));
    }

    #[test]
    fn sysctl_names_become_paths() {
        assert_eq!(sysctl_path("net.ipv4.conf.eth0/1.rp_filter"), "/proc/sys/net/ipv4/conf/eth0.1/rp_filter");
    }
}
