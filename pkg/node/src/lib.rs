//! A node: its plan, its files, the command lines of its components, and their supervision.
//!
//! A [`NodePlan`] is made on the host from the configuration and what was found out about the host. [`prepare()`]
//! writes the node's files from it; the child, PID 1 of the namespaces, gets it as JSON and runs [`supervise`].

pub mod bundle;
pub mod checks;
pub mod cni_front;
pub mod component;
pub mod config;
pub mod cri;
mod file_watch;
pub mod image_store;
pub mod images;
pub mod logs;
pub mod oci_runtime;
pub mod plan;
pub mod prepare;
pub mod probe;
mod runtime_api;
mod shortage;
mod status;
pub mod supervise;

pub use component::{Component, ComponentName, components};
pub use cri::{Cri, CrioPrograms};
pub use file_watch::wait_for_file;
pub use plan::{ClusterSettings, ImageArchive, KubeletServing, NodePlan, PlanError, ResolvedHost, Role, Software};
pub use prepare::{PrepareError, prepare};
pub use status::{ComponentStatus, ImagesStatus, NodeStatus, State};
pub use supervise::{PodPriorities, PodStop, run};
