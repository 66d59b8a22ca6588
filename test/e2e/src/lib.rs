//! The stage for scenarios on real clusters: hosts that are namespaces of this machine, each with its own ordinary user.
//!
//! A host has its own mount, network, pid, uts and ipc namespace, so its `/etc`, `/home`, `/run` and `/dev/net` can be
//! changed at will, nothing of the machine is touched, and ending its first process ends everything that runs on it.

mod background;
pub mod bench;
mod capability;
mod cpu;
mod evidence;
mod first_process;
mod guest;
mod host;
mod lan;
mod namespaces;
mod network;
pub mod plan;
mod processes;
mod product;
mod program;
pub mod report;
mod rig;
mod run;
mod slot;
mod space;
mod suite;

pub use background::{Background, Output};
pub use capability::Need;
pub use guest::Guest;
pub use host::Host;
pub use processes::Process;
pub use product::install_crio;
pub use program::{keep, program};
pub use report::HostKind;
pub use rig::Rig;
pub use run::{At, Run};
pub use space::{Space, pod};
pub use suite::{Crew, Scenario, Shared, main};

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
