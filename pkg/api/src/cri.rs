//! The container runtime of a node. kubeadm names it by its socket. The node starts its runtime itself, so only known sockets are accepted.

use crate::constants::{CONTAINERD_SOCKET, CRIO_SOCKET};
use serde::{Deserialize, Serialize};

/// What the kubelet asks for containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContainerRuntime {
    /// The bundle's containerd.
    Containerd,
    /// The host's CRI-O.
    CriO,
}

impl ContainerRuntime {
    /// The runtime that a `criSocket` names: a path, perhaps with `unix://` before it and `/var` before `/run`.
    pub fn of_socket(socket: &str) -> Option<Self> {
        let path = socket.strip_prefix("unix://").unwrap_or(socket);
        let path = path.strip_prefix("/var").filter(|rest| rest.starts_with("/run/")).unwrap_or(path);
        match path {
            "" | CONTAINERD_SOCKET => Some(Self::Containerd),
            CRIO_SOCKET => Some(Self::CriO),
            _ => None,
        }
    }

    /// Its socket inside the node.
    pub const fn socket(self) -> &'static str {
        match self {
            Self::Containerd => CONTAINERD_SOCKET,
            Self::CriO => CRIO_SOCKET,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sockets_name_their_runtimes() {
        let containerd = [
            "",
            "/run/containerd/containerd.sock",
            "unix:///run/containerd/containerd.sock",
            "unix:///var/run/containerd/containerd.sock",
        ];
        for socket in containerd {
            assert_eq!(ContainerRuntime::of_socket(socket), Some(ContainerRuntime::Containerd), "{socket}");
        }
        for socket in ["/var/run/crio/crio.sock", "unix:///run/crio/crio.sock", "unix:///var/run/crio/crio.sock"] {
            assert_eq!(ContainerRuntime::of_socket(socket), Some(ContainerRuntime::CriO), "{socket}");
        }
        for socket in
            ["unix:///run/cri-dockerd.sock", "crio", "tcp:///run/crio/crio.sock", "unix:///var/crio/crio.sock"]
        {
            assert_eq!(ContainerRuntime::of_socket(socket), None, "{socket}");
        }
    }
}
