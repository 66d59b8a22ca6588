//! Requests to the API server: waits, kubeadm's objects, bootstrap tokens, addons, discovery, and the controllers of a node.
//!
//! Everything is asynchronous, prints nothing and owns no runtime. [`Cluster`] is a client with credentials; [`discovery`] is
//! for a host that has only a token. Controllers run for as long as the node does: [`host_ports`], [`write_load_balancers`],
//! [`nodes::follow_pod_networks`], [`nodes::write_reachability`], [`approve_serving_certificates`], [`warn_about_volumes`].

pub mod addons;
mod apply;
mod bundle;
mod cause;
mod client;
pub mod discovery;
mod error;
mod events;
pub mod host_ports;
mod kubeadm;
mod load_balancers;
mod network_policies;
pub mod nodes;
mod pod_identities;
mod pod_priorities;
mod serving;
mod tls_bootstrap;
pub mod tokens;
mod volumes;
mod wait;
mod watch;

pub use bundle::BundleOffer;
pub use client::Cluster;
pub use error::{Error, Verb};
pub use events::ObjectRef;
pub use kubeadm::{ensure_cluster_admins, rbac::SYSTEM_NODES};
pub use load_balancers::write_load_balancers;
pub use network_policies::warn_about_network_policies;
pub use pod_identities::warn_about_ids;
pub use pod_priorities::follow_pod_priorities;
pub use serving::{ServingPolicy, approve_serving_certificates};
pub use volumes::warn_about_volumes;
pub use wait::{BlockedPod, HostLimit};
pub use watch::Update;

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::time::Duration;

    fn sends<T: Send>(_: &T) {}

    /// Callers spawn these on a multi-threaded runtime, which the compiler alone can check.
    #[expect(dead_code, reason = "compiled, not run")]
    fn futures_can_be_spawned(
        cluster: &Cluster,
        policy: &host_ports::Policy,
        this: &nodes::ThisNode,
        serving: &ServingPolicy,
        endpoints: &[usernetes_pki::Endpoint],
    ) {
        let (path, limit) = (Path::new(""), Duration::ZERO);
        let token = usernetes_pki::BootstrapToken::generate();
        sends(&host_ports::follow_desired_ports(path, "", policy, |_| ()));
        sends(&nodes::follow_pod_networks(path, this, |_| ()));
        sends(&approve_serving_certificates(path, serving, |_| ()));
        sends(&warn_about_volumes(path, "", |_| ()));
        sends(&warn_about_ids(path, "", 0, |_| ()));
        sends(&write_load_balancers(path, policy, |_| ()));
        sends(&nodes::write_reachability(path, &serving.rules, |_| ()));
        sends(&nodes::answer_leaving_nodes(path, |_| ()));
        sends(&warn_about_network_policies(path, |_| ()));
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
