//! `extraVolumes` of the control plane's components. The components share one file tree, the node's, so a volume is a bind
//! mount in it.
//!
//! A host path is looked for on the host first, and then in the node's own directories, which the state directory holds: what
//! is `/etc/kubernetes` for a component is a directory there.

use crate::DaemonError;
use std::path::{Path, PathBuf};
use usernetes_api::{Config, HostPathMount, Paths};
use usernetes_host::{Finding, fs};
use usernetes_rootless::Mount;

/// Name of the check.
const CHECK: &str = "ExtraVolumes";

/// Where the content of a volume is.
enum Source {
    /// On the host.
    Host(PathBuf),
    /// In the state directory.
    State(PathBuf),
    /// Nowhere yet; it is made in the state directory.
    Missing(PathBuf),
}

/// The mounts of all volumes; directories and files that may be made are made.
pub(crate) fn prepare_mounts(config: &Config, paths: &Paths) -> Result<Vec<Mount>, DaemonError> {
    let mut mounts = Vec::new();
    for volume in config.extra_volumes() {
        let source = match find_source(&volume, paths) {
            Source::Missing(path) => {
                make_source(&volume, &path)?;
                Source::State(path)
            }
            found => found,
        };
        mounts.extend(describe_mount(&volume, &source));
    }
    Ok(mounts)
}

/// An error for each volume whose host path is not there or cannot be used; `None` without volumes.
pub fn check_volumes(config: &Config, paths: &Paths) -> Option<Finding> {
    let volumes = config.extra_volumes();
    let faults: Vec<String> = volumes.iter().filter_map(|volume| find_fault(volume, paths)).collect();
    match (volumes.is_empty(), faults.is_empty()) {
        (true, _) => None,
        (_, true) => Some(Finding::passed(CHECK)),
        _ => Some(Finding::error(CHECK, faults.join("\n"), "put the files there, or correct hostPath of extraVolumes")),
    }
}

/// An error where the directory of etcd's data cannot be made or written; `None` for the node's own.
pub fn check_etcd_data_dir(config: &Config, paths: &Paths) -> Option<Finding> {
    const CHECK: &str = "EtcdDataDir";
    let data = config.etcd_data_dir(paths);
    if data.starts_with(paths.state()) {
        return None;
    }
    let found = data.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    if found.is_dir() && fs::is_writable(found) {
        return Some(Finding::passed(CHECK));
    }
    let message = format!("etcd.local.dataDir {}: {} is not writable for this user", data.display(), found.display());
    let hint = format!("sudo mkdir -p {0} && sudo chown $USER {0}", data.display());
    Some(Finding::error(CHECK, message, hint))
}

fn find_fault(volume: &HostPathMount, paths: &Paths) -> Option<String> {
    let (name, path) = (&volume.name, &volume.host_path);
    match find_source(volume, paths) {
        Source::Missing(_) if may_make(volume) => None,
        Source::Missing(own) => {
            let own = if is_own(Path::new(path)) { format!(", nor is {}", own.display()) } else { String::new() };
            Some(format!("volume {name}: {path} is not there or not readable{own}"))
        }
        Source::Host(found) | Source::State(found) => {
            let wrong = match volume.path_type.as_str() {
                "File" | "FileOrCreate" => found.is_dir(),
                "Directory" | "DirectoryOrCreate" => !found.is_dir(),
                _ => false,
            };
            let unwritable = !volume.read_only && found.is_dir() && !fs::is_writable(&found);
            match (wrong, unwritable) {
                (true, _) => Some(format!("volume {name}: {} is no {}", found.display(), volume.path_type)),
                (_, true) => {
                    Some(format!("volume {name}: {} is not writable for this user, and not readOnly", found.display()))
                }
                _ => None,
            }
        }
    }
}

fn find_source(volume: &HostPathMount, paths: &Paths) -> Source {
    let host = PathBuf::from(&volume.host_path);
    let own = paths.node(&volume.host_path);
    if fs::is_readable(&host) {
        Source::Host(host)
    } else if own.exists() {
        Source::State(own)
    } else {
        Source::Missing(own)
    }
}

/// The mount, where the component does not find the content at its path anyway.
fn describe_mount(volume: &HostPathMount, source: &Source) -> Option<Mount> {
    let target = Path::new(&volume.mount_path);
    let is_same = volume.host_path == volume.mount_path && !volume.read_only;
    let (Source::Host(path) | Source::State(path) | Source::Missing(path)) = source;
    let is_there = match source {
        Source::Host(_) => !is_own(target) && !target.starts_with("/run"),
        Source::State(_) | Source::Missing(_) => is_own(target),
    };
    let mount = Mount::bind(path, target);
    (!(is_same && is_there)).then(|| if volume.read_only { mount.read_only() } else { mount })
}

/// Whether a path inside is one of the node's own directories.
fn is_own(inside: &Path) -> bool {
    Paths::PERSISTENT.iter().any(|own| inside.starts_with(own))
}

/// Whether the volume may be made, as a container runtime makes a missing directory.
fn may_make(volume: &HostPathMount) -> bool {
    matches!(volume.path_type.as_str(), "" | "DirectoryOrCreate" | "FileOrCreate")
}

fn make_source(volume: &HostPathMount, path: &Path) -> Result<(), DaemonError> {
    if !may_make(volume) {
        return Err(DaemonError::NoVolume { name: volume.name.clone(), path: volume.host_path.clone().into() });
    }
    if volume.path_type == "FileOrCreate" {
        fs::create_dir(path.parent().unwrap_or(path))?;
        return Ok(fs::write(path, "", fs::Mode::Secret)?);
    }
    Ok(fs::create_dir(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(host_path: &str, mount_path: &str, path_type: &str) -> HostPathMount {
        HostPathMount {
            name: "a".into(),
            host_path: host_path.into(),
            mount_path: mount_path.into(),
            path_type: path_type.into(),
            read_only: false,
        }
    }

    #[test]
    fn what_is_at_its_path_needs_no_mount() {
        let host = |path: &str| Source::Host(path.into());
        let own = |path: &str| Source::State(path.into());
        assert_eq!(describe_mount(&volume("/srv/a", "/srv/a", ""), &host("/srv/a")), None);
        assert_eq!(describe_mount(&volume("/etc/kubernetes/a", "/etc/kubernetes/a", ""), &own("/s/a")), None);
        let mount = describe_mount(&volume("/etc/kubernetes/a", "/etc/kubernetes/a", ""), &host("/etc/kubernetes/a"));
        assert_eq!(mount, Some(Mount::bind("/etc/kubernetes/a", "/etc/kubernetes/a")), "the node's own is another");
        let mount = describe_mount(&volume("/var/log/a", "/var/log/a", "DirectoryOrCreate"), &own("/s/var/log/a"));
        assert_eq!(mount, Some(Mount::bind("/s/var/log/a", "/var/log/a")));
        assert_eq!(describe_mount(&volume("/srv/a", "/b", ""), &host("/srv/a")), Some(Mount::bind("/srv/a", "/b")));
        let read_only = HostPathMount { read_only: true, ..volume("/srv/a", "/srv/a", "") };
        assert_eq!(describe_mount(&read_only, &host("/srv/a")), Some(Mount::bind("/srv/a", "/srv/a").read_only()));
    }
}
