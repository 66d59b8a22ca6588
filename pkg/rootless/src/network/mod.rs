//! The node's way out: interfaces inside, the program that carries their traffic, and the host's own network.

mod host_watch;
pub(crate) mod interfaces;
pub(crate) mod slirp4netns;

pub use host_watch::follow_host_network;
pub use slirp4netns::NetworkError;
