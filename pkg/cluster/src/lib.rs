//! What is said to the API server: waits that watch, kubeadm's objects, tokens, addons, published ports, discovery.
//!
//! Everything is asynchronous, prints nothing and owns no runtime. [`Cluster`] is the door to a cluster whose
//! credentials are at hand; [`discovery`] is for a host that has only a token; [`services`] runs for as long as a node
//! does and says which ports its host has to publish.

pub mod addons;
mod apply;
mod bundle;
mod cause;
mod client;
pub mod discovery;
mod error;
mod events;
mod kubeadm;
pub mod nodes;
pub mod services;
mod serving;
mod tls_bootstrap;
pub mod tokens;
mod volumes;
mod wait;

pub use client::Cluster;
pub use error::{Error, Verb};
pub use events::Involved;
pub use kubeadm::{ensure_cluster_admins, rbac::SYSTEM_NODES};
pub use serving::approve_serving;
pub use volumes::warn_of_volumes;
pub use wait::{Held, HostLimit};

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::time::Duration;

    fn sends<T: Send>(_: &T) {}

    /// Callers spawn these on a multi-threaded runtime; whether they can is seen by the compiler alone.
    #[expect(dead_code, reason = "compiled, not run")]
    fn futures_can_be_spawned(cluster: &Cluster, policy: &services::Policy, endpoints: &[usernetes_pki::Endpoint]) {
        let (path, limit) = (Path::new(""), Duration::ZERO);
        let token = usernetes_pki::BootstrapToken::generate();
        sends(&services::follow(path, "", policy, |_| ()));
        sends(&services::follow_hosts(path, std::net::Ipv4Addr::LOCALHOST.into(), |_| ()));
        sends(&approve_serving(path, |_| ()));
        sends(&warn_of_volumes(path, "", |_| ()));
        sends(&services::write_load_balancers(path, policy, |_| ()));
        sends(&discovery::discover(endpoints, &token, &[], &discovery::Limits::default()));
        sends(&ensure_cluster_admins(path, path));
        sends(&cluster.apply(&[]));
        sends(&cluster.drain_node("", limit));
        sends(&cluster.list_tokens());
        sends(&cluster.wait_api(limit));
        sends(&cluster.wait_daemonset_ready_on("", "", "", limit));
        sends(&cluster.wait_deployment_available("", "", limit));
        sends(&cluster.wait_node_ready("", jiff::Timestamp::now(), limit));
        sends(&cluster.upload_cluster_info("", ""));
    }
}
