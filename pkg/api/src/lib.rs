//! The documents that a user writes, and the paths, names and versions they imply.
//!
//! Types follow `kubeadm.k8s.io/v1beta4` field by field; what kubeadm has no word for lives in our own
//! [`RootlessConfiguration`]. This crate changes nothing on the host: reading and writing files
//! is done by its callers.

pub mod bundle;
mod causes;
pub mod constants;
mod cri;
mod defaults;
mod document;
mod duration;
mod error;
mod fields;
mod flags;
mod host_directories;
mod merge;
mod names;
mod network;
mod node_state;
mod parse;
mod paths;
mod reserved_ports;
mod rootless;
mod sources;
mod typed;
mod v1beta4;
mod validate;
mod yaml;

pub use causes::join_causes;
pub use cri::ContainerRuntime;
pub use defaults::HostFacts;
pub use duration::Duration;
pub use error::{ConfigError, FieldError, Place};
pub use fields::render_page;
pub use flags::field_flags;
pub use host_directories::{HOST_DIRECTORIES, KeptIn, find_host_directory, host_directories};
pub use merge::merge_yaml;
pub use network::{PortSpec, Protocol, ServiceNetwork, loopback_of};
pub use node_state::NodeState;
pub use parse::{ConfigFile, Reader};
pub use paths::{ClusterName, Paths, Xdg};
pub use reserved_ports::ReservedPorts;
pub use rootless::{
    CgroupMode, CgroupSelection, NetworkDriver, NetworkLimits, NetworkOptions, OciRuntime, PortOptions, PortShift,
    PublishSelection, RootlessConfiguration, Snapshotter,
};
pub use sources::Sources;
pub use v1beta4::*;
pub use yaml::{Config, Document};
