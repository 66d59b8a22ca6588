//! Why a node could not be found, started, asked or stopped.

use crate::control::describe_component;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use usernetes_api::{ClusterName, ConfigError};
use usernetes_host::systemd::SystemdError;
use usernetes_host::{EnvError, FsError, LockError, ProcessLockError};
use usernetes_node::bundle::BundleError;
use usernetes_node::cri::MissingProgramError;
use usernetes_node::{ComponentStatus, PlanError, PrepareError};
use usernetes_pki::{ParamsError, PkiError};
use usernetes_rootless::control::ControlError;

/// An error of the node of this host. Errors of libraries are passed on with their own message, sources and hint.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Neither `init` nor `join` has run for this cluster.
    #[error("this host has no node of a cluster {:?}", cluster.to_string())]
    NoNode {
        /// Name of the cluster.
        cluster: ClusterName,
        /// [`crate::Instance::cluster_flag`].
        flag: String,
    },
    /// The host path of a volume of a component is not there.
    #[error("volume {name} of extraVolumes: {} is not there", path.display())]
    NoVolume {
        /// Name of the volume.
        name: String,
        /// Path on the host.
        path: std::path::PathBuf,
    },
    /// There is a node, and it is stopped.
    #[error("the node is not running")]
    NotRunning {
        /// [`crate::Instance::cluster_flag`].
        flag: String,
        /// Answer of the control socket.
        source: ControlError,
    },
    /// Another process is the parent of this node.
    #[error("a node of this cluster runs on this host already")]
    AlreadyRunning {
        /// [`crate::Instance::cluster_flag`].
        flag: String,
        /// The lock and its holder.
        source: ProcessLockError,
    },
    /// Components were not ready in time.
    #[error("not ready after {limit:?}: {}", late.iter().map(describe_component).collect::<Vec<_>>().join("; "))]
    NotReady {
        /// [`crate::Instance::cluster_flag`].
        flag: String,
        /// How long was waited.
        limit: Duration,
        /// The components that are not ready.
        late: Vec<ComponentStatus>,
    },
    /// A component exits again and again with the same error.
    #[error("{} cannot start: {} ({} times in a row)", component.name, describe_exit(component), component.same_exits)]
    Hopeless {
        /// [`crate::Instance::cluster_flag`].
        flag: String,
        /// The component.
        component: Box<ComponentStatus>,
    },
    /// The node ended while components were waited for.
    #[error("the node ended")]
    NodeEnded {
        /// [`crate::Instance::cluster_flag`].
        flag: String,
        /// The components that were not ready then.
        late: Vec<ComponentStatus>,
    },
    /// The child did not answer a request in time.
    #[error("no answer within {limit:?}")]
    NoAnswer {
        /// How long was waited.
        limit: Duration,
    },
    /// The parent of a running node keeps its plan in the state directory.
    #[error("the running node has left no plan")]
    NoPlan,
    /// The parent reported a failure at its start.
    #[error("{message}")]
    StartFailed {
        /// The chain of causes.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The parent ended and reported nothing.
    #[error("the node's parent process ended without a report; its log is {}", log.display())]
    ParentEnded {
        /// The parent's log.
        log: PathBuf,
    },
    /// HOST_IP is gone and the node cannot choose another one by itself.
    #[error("HOST_IP {host_ip} is no longer an address of this host")]
    HostIpLost {
        /// The address.
        host_ip: IpAddr,
        /// What to do.
        hint: String,
    },
    /// Cgroups are required and not delegated to the user.
    #[error("cgroups cannot be delegated: {reason}")]
    Cgroups {
        /// What is missing.
        reason: String,
        /// What an administrator does about it.
        hint: String,
    },
    /// A program of the host that the configuration asks for is missing.
    #[error("{message}")]
    MissingProgram {
        /// What is missing.
        message: String,
        /// How to get it, or how to see more.
        hint: String,
    },
    /// A list that the last run kept cannot be read.
    #[error("{} is damaged", path.display())]
    DamagedList {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The user's ranges in /etc/subuid or /etc/subgid were changed after the node was made.
    #[error(
        "the subordinate ids of {user} were {old} when this node was made, and are {new} now: its files would belong to nobody"
    )]
    SubIdsChanged {
        /// [`crate::Instance::cluster_flag`].
        flag: String,
        /// Name of the user.
        user: String,
        /// Ranges of the node.
        old: String,
        /// Ranges of the user.
        new: String,
        /// Lines of `/etc/subuid` with the ranges of the node.
        entries: String,
    },
    /// flannel's VXLAN backend is IPv4 only.
    #[error("flannel's VXLAN carries IPv4 pods only, not {0}")]
    PodSubnetFamily(ipnet::IpNet),
    /// A system call failed.
    #[error("cannot {action}")]
    Io {
        /// Verb and object.
        action: &'static str,
        /// Errno.
        source: std::io::Error,
    },
    /// [`ConfigError`]
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// [`FsError`]
    #[error(transparent)]
    Fs(#[from] FsError),
    /// [`EnvError`]
    #[error(transparent)]
    Env(#[from] EnvError),
    /// [`LockError`]
    #[error(transparent)]
    Lock(#[from] LockError),
    /// [`ProcessLockError`]
    #[error(transparent)]
    ProcessLock(#[from] ProcessLockError),
    /// [`SystemdError`]
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    /// [`BundleError`]
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// [`MissingProgramError`]
    #[error(transparent)]
    Cri(#[from] MissingProgramError),
    /// [`PlanError`]
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// [`PrepareError`]
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// [`PkiError`]
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// [`ParamsError`]
    #[error(transparent)]
    CertParams(#[from] ParamsError),
    /// [`ControlError`]
    #[error(transparent)]
    Control(#[from] ControlError),
    /// [`usernetes_rootless::Error`]
    #[error(transparent)]
    Rootless(#[from] usernetes_rootless::Error),
    /// [`usernetes_rootless::IdMapError`]
    #[error(transparent)]
    IdMap(#[from] usernetes_rootless::IdMapError),
}

impl DaemonError {
    /// What to do, from the error itself or from the library's error in it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoNode { flag, .. } => Some(format!("usernetes-rs{flag} init, or usernetes-rs{flag} join -")),
            Self::NotRunning { flag, .. } => Some(format!("usernetes-rs{flag} start")),
            Self::AlreadyRunning { flag, .. } => Some(format!("usernetes-rs{flag} stop")),
            Self::NotReady { flag, late, .. } | Self::NodeEnded { flag, late } => {
                let name = late.first().map_or("COMPONENT".into(), |c| c.name.to_string());
                Some(format!("usernetes-rs{flag} logs {name} shows why"))
            }
            Self::Hopeless { flag, component } => Some(format!(
                "correct its settings (usernetes-rs{flag} logs {} shows all of its messages)",
                component.name
            )),
            Self::StartFailed { hint, .. } => hint.clone(),
            Self::SubIdsChanged { flag, entries, .. } => Some(format!(
                "let the administrator restore {entries} in /etc/subuid and /etc/subgid; or usernetes-rs{flag} reset, which deletes \
                 the cluster with all data of its pods"
            )),
            Self::ParentEnded { log } => Some(format!("tail {}", log.display())),
            Self::NoVolume { path, .. } => Some(format!("put it at {}, or correct hostPath", path.display())),
            Self::HostIpLost { hint, .. } | Self::Cgroups { hint, .. } | Self::MissingProgram { hint, .. } => {
                Some(hint.clone())
            }
            Self::DamagedList { path, .. } => Some(format!("rm {} to start without what it lists", path.display())),
            Self::Config(error) => error.hint(),
            Self::Fs(error) => error.hint(),
            Self::Env(error) => error.hint(),
            Self::Lock(error) => error.hint(),
            Self::ProcessLock(error) => error.hint(),
            Self::Systemd(error) => error.hint(),
            Self::Bundle(error) => error.hint(),
            Self::Cri(error) => error.hint(),
            Self::Plan(error) => error.hint(),
            Self::Prepare(error) => error.hint(),
            Self::Pki(error) => error.hint(),
            Self::Control(error) => error.hint(),
            Self::Rootless(error) => error.hint(),
            Self::IdMap(error) => error.hint(),
            Self::NoAnswer { .. } | Self::NoPlan | Self::PodSubnetFamily(_) | Self::CertParams(_) | Self::Io { .. } => {
                None
            }
        }
    }
}

/// The component's own words, or how it exited.
fn describe_exit(component: &ComponentStatus) -> &str {
    component.last_error.as_deref().or(component.last_exit.as_deref()).unwrap_or("it exits")
}
