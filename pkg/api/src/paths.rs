//! Paths of everything: XDG directories of the user, one state directory per cluster, kubeadm's paths inside the node.

use crate::constants;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The user's base directories, each XDG variable respected; made by the caller from the environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Xdg {
    /// `$XDG_CONFIG_HOME` or `~/.config`.
    pub config: PathBuf,
    /// `$XDG_DATA_HOME` or `~/.local/share`.
    pub data: PathBuf,
    /// `$XDG_CACHE_HOME` or `~/.cache`.
    pub cache: PathBuf,
    /// `$XDG_RUNTIME_DIR`, `/run/user/UID` if it belongs to the user, else a directory below `data`.
    pub runtime: PathBuf,
}

/// Name of a cluster on this host: an RFC 1123 label, so that it can name a directory, a unit and an argument.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterName(String);

impl FromStr for ClusterName {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        if s.len() > 40 || !crate::names::is_label(s) {
            return Err(format!("cluster name {s:?} is not 1 to 40 of a-z, 0-9 and inner dashes"));
        }
        Ok(Self(s.to_owned()))
    }
}

impl TryFrom<String> for ClusterName {
    type Error = String;

    fn try_from(s: String) -> Result<Self, String> {
        s.parse()
    }
}

impl From<ClusterName> for String {
    fn from(name: ClusterName) -> Self {
        name.0
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Default for ClusterName {
    fn default() -> Self {
        Self(constants::DEFAULT_CLUSTER.to_owned())
    }
}

/// All paths of one cluster on this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paths {
    /// Base directories.
    pub xdg: Xdg,
    /// Which cluster.
    pub cluster: ClusterName,
}

impl Paths {
    /// Paths of `cluster` below the user's base directories.
    pub fn new(xdg: Xdg, cluster: ClusterName) -> Self {
        Self { xdg, cluster }
    }

    /// `~/.local/share/usernetes/<cluster>`: everything that is kept.
    pub fn state(&self) -> PathBuf {
        self.xdg.data.join("usernetes").join(self.cluster.to_string())
    }

    /// `$XDG_RUNTIME_DIR/usernetes/<cluster>`: the socket of a node that is started in this environment. One that runs
    /// may have been started in another: [`Paths::running`].
    pub fn runtime(&self) -> PathBuf {
        self.xdg.runtime.join("usernetes").join(self.cluster.to_string())
    }

    /// Whether `directory` is named as a runtime directory of this cluster: `…/usernetes/<cluster>`.
    pub fn is_runtime_name(&self, directory: &Path) -> bool {
        directory.is_absolute() && directory.ends_with(Path::new("usernetes").join(self.cluster.to_string()))
    }

    /// `~/.cache/usernetes/bundles`.
    pub fn bundles(&self) -> PathBuf {
        self.xdg.cache.join("usernetes/bundles")
    }

    /// The bundle that the node runs, whatever becomes of the imported ones.
    pub fn pinned_bundles(&self) -> PathBuf {
        self.state().join("bundle")
    }

    /// The configuration that `init` or `join` resolved: what every later command reads.
    pub fn config(&self) -> PathBuf {
        self.state().join("config.yaml")
    }

    /// The journal of phases.
    pub fn journal(&self) -> PathBuf {
        self.state().join("journal.json")
    }

    /// Ports that were published by hand, for the next start.
    pub fn published_ports(&self) -> PathBuf {
        self.state().join("ports.json")
    }

    /// Proxy variables of the shell that started the node last.
    pub fn proxies(&self) -> PathBuf {
        self.state().join("proxies.json")
    }

    /// Lock file of a workflow that changes the cluster.
    pub fn lock(&self) -> PathBuf {
        self.state().join("lock")
    }

    /// Lock file of the running node.
    pub fn node_lock(&self) -> PathBuf {
        self.state().join("node.lock")
    }

    /// A link to the runtime directory in which the node was started last.
    pub fn running(&self) -> PathBuf {
        self.state().join("running")
    }

    /// Logs of components.
    pub fn logs(&self) -> PathBuf {
        self.state().join("log")
    }

    /// `admin.conf` at the place that the closing words name; a link to the one in the node's `/etc/kubernetes`.
    pub fn admin_conf(&self) -> PathBuf {
        self.state().join("admin.conf")
    }

    /// This program, kept beside the state so that replacing or moving the original harms no running node.
    pub fn program(&self) -> PathBuf {
        self.state().join("bin/usernetes-rs")
    }

    /// The host's side of a path that persists inside the node, such as `/var/lib/etcd`.
    pub fn node(&self, inside: impl AsRef<Path>) -> PathBuf {
        let inside = inside.as_ref();
        self.state().join("node").join(inside.strip_prefix("/").unwrap_or(inside))
    }

    /// What the node keeps of a directory that it has in the state, with the host's entries in it. `/etc` is an overlay, whose
    /// upper directory is elsewhere than the directories that are mounted below it.
    pub fn kept_directory(&self, inside: &str) -> PathBuf {
        if inside == "/etc" { self.state().join("node/.etc") } else { self.node(inside) }
    }

    /// Path inside the node of the link that the kubelet keeps to its current client certificate and key.
    pub fn kubelet_certificate() -> PathBuf {
        Path::new(constants::KUBELET_DIR).join("pki/kubelet-client-current.pem")
    }

    /// Whether the kubelet of a joined node has its client certificate. Seen from the host, the link is dangling.
    pub fn has_joined(&self) -> bool {
        self.node(Self::kubelet_certificate()).symlink_metadata().is_ok()
    }

    /// Maps of the subordinate ids with which the node was started.
    pub fn subids(&self) -> PathBuf {
        self.state().join("subids.json")
    }

    /// Everything that this program writes into a state directory, beside temporary files ([`Paths::is_state_entry`]): what
    /// `reset` removes, in this order. Marks come last, so that an interrupted `reset` can be repeated.
    pub const STATE_ENTRIES: [&'static str; 15] = [
        "node",
        "log",
        "bin",
        "bundle",
        "admin.conf",
        "plan.json",
        "ports.json",
        "proxies.json",
        "running",
        "control.sock",
        "subids.json",
        "node.lock",
        "journal.json",
        "config.yaml",
        "lock",
    ];

    /// Files by which a directory is known as the state of a node. Every workflow begins with one of them.
    pub const STATE_MARKS: [&'static str; 4] = ["node.lock", "journal.json", "config.yaml", "lock"];

    /// Whether this program writes an entry of this name into a state directory.
    pub fn is_state_entry(name: &str) -> bool {
        Self::STATE_ENTRIES.contains(&name)
            || [".new-", ".probe-", ".tmp"].iter().any(|prefix| name.starts_with(prefix))
    }

    /// Directories inside the node that are bind mounts of [`Paths::node`].
    pub const PERSISTENT: [&'static str; 10] = [
        constants::KUBERNETES_DIR,
        constants::ETCD_DATA_DIR,
        constants::KUBELET_DIR,
        constants::CONTAINERD_DIR,
        constants::CRIO_DIR,
        constants::CNI_STATE_DIR,
        constants::CNI_CONF_DIR,
        constants::CNI_BIN_DIR,
        constants::POD_LOG_DIR,
        constants::CONTAINER_LOG_DIR,
    ];
}
