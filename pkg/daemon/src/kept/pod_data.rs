//! What pods wrote to hostPaths that the node keeps in its state.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use usernetes_api::{KeptIn, Paths, host_directories};
use usernetes_rootless::list_own_entries;

/// Entries of kept directories that the node and its components make themselves.
const OF_NODE: [&str; 11] = [
    "/etc/group",
    "/etc/hosts",
    "/etc/kube-flannel",
    "/etc/mtab",
    "/etc/passwd",
    "/etc/resolv.conf",
    "/etc/subgid",
    "/etc/subuid",
    "/opt/containerd",
    "/var/lib/cni",
    "/var/lib/nfs",
];

/// Paths inside the node, such as `/opt/local-path-provisioner`.
pub fn list(paths: &Paths) -> Vec<PathBuf> {
    host_directories(KeptIn::State).flat_map(|directory| list_directory(paths, directory)).collect()
}

fn list_directory(paths: &Paths, directory: &str) -> Vec<PathBuf> {
    let kept = paths.kept_directory(directory);
    let kept = if directory == "/etc" { kept.join("upper") } else { kept };
    let names = list_own_entries(&kept);
    names.iter().map(|name| join(directory, name)).filter(|path| !is_of_node(path)).collect()
}

fn join(directory: &str, name: &OsStr) -> PathBuf {
    Path::new(directory).join(name)
}

fn is_of_node(path: &Path) -> bool {
    OF_NODE.iter().chain(&Paths::PERSISTENT).any(|own| Path::new(own).starts_with(path))
}
