//! hostPath volumes that cannot be there: what the kubelet says of them is true, and does not say why.

use serde::Deserialize;
use std::path::Path;
use usernetes_api::{KeptIn, find_host_directory};

/// A path of the host, as this process sees it: the node's own view.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct HostPath {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

impl HostPath {
    /// Why the path is missing and will not be made; `None` where it exists or can be made.
    pub(super) fn describe_obstacle(&self) -> Option<String> {
        let path = Path::new(&self.path);
        if path.exists() || !path.is_absolute() {
            return None;
        }
        let is_made = matches!(&*self.kind, "" | "DirectoryOrCreate" | "FileOrCreate");
        let parent = path.ancestors().skip(1).find(|parent| parent.exists()).unwrap_or(Path::new("/"));
        match find_host_directory(path) {
            (directory, KeptIn::Memory) if !is_made => Some(format!(
                "hostPath {} is not there: {directory} is the node's own, in memory, and shows nothing of the host's \
                 {directory}, sockets included; use a path of the host that is not below {directory}",
                self.path
            )),
            _ if is_made && !is_writable(parent) => Some(format!(
                "hostPath {0} cannot be made: {1} is the host's, where the node's user may not write; have the administrator \
                 make it (sudo mkdir -p {0}; sudo chown USER {0}), or use a path below /opt or /var/lib, which the node \
                 keeps in its state",
                self.path,
                parent.display()
            )),
            _ => None,
        }
    }
}

/// Root of a user namespace may write where the owner has an id in it.
fn is_writable(directory: &Path) -> bool {
    rustix::fs::access(directory, rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn obstacle(path: &str, kind: &str) -> Option<String> {
        HostPath { path: path.to_owned(), kind: kind.to_owned() }.describe_obstacle()
    }

    #[test]
    fn missing_paths_are_explained() {
        let socket = obstacle("/run/user/4000000000/s", "Socket").expect("it is not there");
        assert!(socket.contains("/run is the node's own"), "{socket}");
        let made = obstacle("/proc/data", "DirectoryOrCreate");
        assert_eq!(made, None, "root may try");
        assert_eq!(obstacle("/tmp", ""), None);
        assert_eq!(obstacle("/nowhere/file", "File"), None, "the kubelet's words suffice");
    }
}
