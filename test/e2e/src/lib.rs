//! A testbed for scenarios on real clusters: hosts that are namespaces of this machine, each with its own ordinary user.
//!
//! A host has its own mount, network, pid, uts and ipc namespace, so its `/etc`, `/home`, `/run` and `/dev/net` can be
//! changed at will, nothing of the machine is touched, and ending its first process ends everything that runs on it.

mod artifacts;
pub mod bench;
mod command;
pub mod flood;
pub mod kubelet_certificates;
mod kubernetes;
pub mod pod_checks;
mod program;
pub mod signals;
mod suite;
mod testbed;
pub mod vxlan;

pub use artifacts::install_crio;
pub use command::background::Background;
pub use command::output::Output;
pub use command::processes::Process;
pub use command::{At, Run};
pub use kubernetes::{Namespace, pod};
pub use program::{keep, program};
pub use suite::report::HostKind;
pub use suite::requirement::Requirement;
pub use suite::scenario::{Scenario, SharedCluster, Topology};
pub use suite::{main, plan, report};
pub use testbed::Testbed;
pub use testbed::guest::Guest;
pub use testbed::host::Host;
pub use testbed::machine::Machine;

/// Address of the switch: gateway and name server of every host.
pub const SWITCH: &str = "198.51.100.1";
/// An address beyond the switch, where the test's web server listens on port 8080.
pub const OUTSIDE: &str = "203.0.113.7";
/// Further addresses of the switch: clients that are no hosts.
pub const CLIENTS: [&str; 8] = [
    "203.0.113.21",
    "203.0.113.22",
    "203.0.113.23",
    "203.0.113.24",
    "203.0.113.25",
    "203.0.113.26",
    "203.0.113.27",
    "203.0.113.28",
];
/// A name that only the test's name server knows; it means [`OUTSIDE`].
pub const OUTSIDE_NAME: &str = "outside.example";
/// What the test's web server answers.
pub const OUTSIDE_BODY: &str = "greetings from outside";
/// The image that every bundle carries for pods.
pub const IMAGE: &str = "docker.io/library/busybox:1.35.0";
