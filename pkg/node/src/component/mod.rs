//! Components of a node as data: command line, environment, readiness, start conditions and stop order.

mod control_plane;
mod extra;
mod flags;
mod table;
#[cfg(test)]
mod tests;
mod worker;

pub use extra::Extra;
pub(crate) use extra::collect_extras;
pub use table::ComponentName;

use crate::NodePlan;
use crate::probe::Probe;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use usernetes_api::constants;

/// A component of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// Component name.
    pub name: ComponentName,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The whole environment: nothing is inherited (an inherited `NOTIFY_SOCKET` would report READY too early).
    pub env: BTreeMap<String, String>,
    /// What must hold before the process is started.
    pub start_after: Vec<Condition>,
    /// Readiness probe.
    pub ready: Probe,
    /// Liveness probe, as of kubeadm's static Pods.
    pub live: Option<Probe>,
    /// When the component is stopped.
    pub stop: StopStage,
    /// Time between SIGTERM and SIGKILL.
    pub grace: Duration,
}

/// What a component waits for before its process is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The other component is ready.
    Ready(ComponentName),
    /// The file exists.
    File(PathBuf),
}

/// When a component is stopped; the components of a stage stop in parallel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopStage {
    /// Before the pods: what would start pods again or writes to the API server.
    BeforePods,
    /// After the pods: the container runtime, which records how they ended, and the API server.
    AfterPods,
    /// Last: etcd, after its client.
    Last,
}

/// Grace of a component that has nothing to finish.
const GRACE: Duration = Duration::from_secs(5);
/// Grace of a component that drains requests or writes a snapshot.
const LONG_GRACE: Duration = Duration::from_secs(10);

impl Condition {
    /// One condition for each file: keys may still be written while the node starts.
    fn files(files: impl IntoIterator<Item = String>) -> Vec<Self> {
        files.into_iter().map(|file| Self::File(file.into())).collect()
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(name) => write!(f, "{name} ready"),
            Self::File(file) => write!(f, "{}", file.display()),
        }
    }
}

/// The components of a node, in start order.
pub fn components(plan: &NodePlan) -> Vec<Component> {
    ComponentName::ALL.into_iter().filter_map(|name| name.build(plan)).collect()
}

/// Path of a file in kubeadm's PKI directory.
fn pki_path(file: &str) -> String {
    format!("{}/{file}", constants::PKI_DIR)
}
