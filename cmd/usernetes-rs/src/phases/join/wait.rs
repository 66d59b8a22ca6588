//! `kubelet-wait-bootstrap` and `wait-node`: until the kubelet has its certificate, the node is Ready, and a packet
//! has crossed the pod network.

use super::JoinData;
use crate::daemon::{self, Request};
use crate::errors::Hinted;
use crate::workflow::Phase;
use anyhow::Result;
use std::net::SocketAddr;
use usernetes_api::constants::KUBERNETES_DIR;
use usernetes_cluster::Cluster;
use usernetes_host::fs;
use usernetes_node::ComponentName;

/// The TLS bootstrap.
pub(super) struct KubeletWaitBootstrap;

impl Phase<JoinData> for KubeletWaitBootstrap {
    fn name(&self) -> &'static str {
        "kubelet-wait-bootstrap"
    }

    fn short(&self) -> &'static str {
        "Wait until the kubelet has its certificate"
    }

    fn run(&self, data: &mut JoinData, _: &[&'static str]) -> Result<String> {
        let limit = data.node.config.timeouts().tls_bootstrap.0;
        let folder = data.node.session.paths.node(KUBERNETES_DIR);
        let path = folder.join("kubelet.conf");
        if !usernetes_node::appears_within(&path, limit)? {
            let flag = data.node.session.cluster_flag();
            let message = format!("the kubelet got no certificate within {limit:?}");
            return Err(Hinted::new(message, format!("usernetes-rs{flag} logs kubelet shows why")).into());
        }
        daemon::process::wait_for_components(&data.node.session, &[ComponentName::Kubelet], limit)?;
        fs::remove_if_exists(folder.join("bootstrap-kubelet.conf"))?;
        Ok("certificate signed; bootstrap credentials removed".into())
    }
}

/// What `join` promises when it returns.
pub(super) struct WaitNode;

impl Phase<JoinData> for WaitNode {
    fn name(&self) -> &'static str {
        "wait-node"
    }

    fn short(&self) -> &'static str {
        "Wait until the node is Ready and the pod network carries packets"
    }

    fn run(&self, data: &mut JoinData, _: &[&'static str]) -> Result<String> {
        let config = &data.node.config;
        let limit = config.timeouts().kubelet_health_check.0;
        let kubeconfig = data.node.session.paths.node(KUBERNETES_DIR).join("kubelet.conf");
        let name = config.node_name().to_owned();
        data.block_on(async {
            let cluster = Cluster::connect(&kubeconfig).await?;
            cluster.wait_node_ready(&name, data.node.started(), limit).await
        })?;
        if config.cluster.dns.disabled {
            return Ok("node Ready".into());
        }
        let request = Request::Dns {
            server: SocketAddr::new(config.service_network().dns(), 53),
            name: format!("kubernetes.default.svc.{}", config.cluster.networking.dns_domain),
        };
        daemon::process::ask(&data.node.session, &request, limit).map_err(|error| {
            let port = config.rootless.ports.vxlan;
            let cure = format!("let UDP port {port} pass between the hosts, both ways: the API's port is open, or the node were not Ready");
            Hinted::new("no packet comes back from the pod network: CoreDNS does not answer", cure).because(error)
        })?;
        Ok("node Ready, cluster DNS answers over the pod network".into())
    }
}
