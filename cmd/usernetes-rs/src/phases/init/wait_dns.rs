//! `wait-dns`: until CoreDNS answers through its ClusterIP, asked from inside the node.

use super::InitData;
use crate::daemon::{self, Request};
use crate::errors::Hinted;
use crate::workflow::Phase;
use anyhow::Result;
use std::net::SocketAddr;
use usernetes_cluster::addons::coredns;

/// Waits for what the user wants to use.
pub(super) struct WaitDns;

impl Phase<InitData> for WaitDns {
    fn name(&self) -> &'static str {
        "wait-dns"
    }

    fn short(&self) -> &'static str {
        "Wait until CoreDNS answers"
    }

    fn run(&self, data: &mut InitData, _: &[&'static str]) -> Result<String> {
        let cluster = data.cluster()?;
        let limit = data.node.config.init.timeouts.kubelet_health_check.0;
        if data.node.config.cluster.dns.disabled {
            return Ok("CoreDNS is disabled".into());
        }
        let request = Request::Dns {
            server: SocketAddr::new(data.node.config.service_network().dns(), 53),
            name: format!("kubernetes.default.svc.{}", data.node.config.cluster.networking.dns_domain),
        };
        if let Err(error) = daemon::process::ask(&data.node.session, &request, limit) {
            // Why, the API server knows: images, sandboxes, scheduling.
            let patience = std::time::Duration::from_secs(1);
            let available = cluster.wait_deployment_available(coredns::NAMESPACE, coredns::DEPLOYMENT, patience);
            let why = data.block_on(available).err().map_or("its Deployment is available".into(), |e| e.to_string());
            let flag = data.node.session.cluster_flag();
            let cure = format!("usernetes-rs{flag} kubectl -n kube-system describe pods");
            return Err(Hinted::new(format!("CoreDNS does not answer: {why}"), cure).because(error));
        }
        Ok("CoreDNS answers through its ClusterIP".into())
    }
}
