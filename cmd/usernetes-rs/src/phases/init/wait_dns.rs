//! `wait-dns`: until CoreDNS answers through its ClusterIP, asked from inside the node.

use super::InitData;
use crate::errors::Hinted;
use crate::workflow::Phase;
use anyhow::Result;
use std::net::SocketAddr;
use std::time::Duration;
use usernetes_api::Config;
use usernetes_cluster::addons::coredns;
use usernetes_daemon::Request;

pub(super) const PHASE: Phase<InitData> = Phase::new("wait-dns", "Wait until cluster DNS answers", run);

/// Limit of the question why CoreDNS does not answer.
const REASON_LIMIT: Duration = Duration::from_secs(1);

fn run(data: &mut InitData, _: &[&'static str]) -> Result<String> {
    let cluster = data.cluster()?;
    let config = &data.node.config;
    if config.cluster.dns.disabled {
        return Ok("CoreDNS is disabled".into());
    }
    let limit = config.timeouts().kubelet_health_check.0;
    if let Err(error) = data.node.session.instance.ask_unless_hopeless(&dns_request(config), limit) {
        // The API server knows the reason: images, sandboxes, scheduling.
        let available = cluster.wait_deployment_available(coredns::NAMESPACE, coredns::DEPLOYMENT, REASON_LIMIT);
        let reason = data.block_on(available).err().map_or("its Deployment is available".into(), |e| e.to_string());
        let flag = data.node.session.cluster_flag();
        let hint = format!("usernetes-rs{flag} kubectl -n kube-system describe pods");
        return Err(Hinted::new(format!("CoreDNS does not answer: {reason}"), hint).caused_by(error));
    }
    Ok("CoreDNS answers through its ClusterIP".into())
}

/// The address of the API server's Service, asked from cluster DNS.
pub(in crate::phases) fn dns_request(config: &Config) -> Request {
    Request::Dns {
        server: SocketAddr::new(config.service_network().dns(), 53),
        name: format!("kubernetes.default.svc.{}", config.cluster.networking.dns_domain),
    }
}
