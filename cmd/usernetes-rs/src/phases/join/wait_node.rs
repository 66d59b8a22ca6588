//! `wait-node`: until the node is Ready and a packet has crossed the pod network.

use super::JoinData;
use crate::errors::Hinted;
use crate::phases::init::dns_request;
use crate::session::KUBELET_CONF;
use crate::workflow::Phase;
use anyhow::Result;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use usernetes_api::Config;
use usernetes_cluster::nodes::{NodeInfo, Reachability};
use usernetes_daemon::{DaemonError, Request};
use usernetes_rootless::control::ControlError;

/// From Ready to the first packet: flannel's pod starts in between, slowly on a loaded machine.
const POD_NETWORK_LIMIT: Duration = Duration::from_secs(90);
/// Longest wait for the control plane's report whether this host can be reached; it tries for three seconds.
const REACH_LIMIT: Duration = Duration::from_secs(10);

pub(super) const PHASE: Phase<JoinData> =
    Phase::new("wait-node", "Wait until the node is Ready and the pod network carries packets", run);

fn run(data: &mut JoinData, _: &[&'static str]) -> Result<String> {
    let config = &data.node.config;
    let limit = config.timeouts().kubelet_health_check.0;
    let name = config.node_name().to_owned();
    let kubelet = SocketAddr::new(config.host_ip(), config.rootless.ports.kubelet);
    let (peer, reach) = data.block_on(async {
        let cluster = data.node.session.api_server(KUBELET_CONF).await?;
        cluster.wait_node_ready(&name, data.node.started, limit).await?;
        // A control plane that usernetes-rs did not make shows a kubelet no other Node, and does not report reachability.
        let Ok(nodes) = cluster.list_nodes().await else { return Ok((None, None)) };
        let reach = cluster.wait_reachability(&name, kubelet, REACH_LIMIT).await;
        anyhow::Ok((control_plane_tunnel_ip(&nodes, &name), reach))
    })?;
    let mut results = vec!["node Ready"];
    if let Some(Reachability::Unreachable(reason)) = reach {
        return Err(unreachable_host(config, kubelet, &reason).into());
    }
    if let Some(peer) = peer {
        verify_pod_network(data, peer)?;
        results.push("packets cross to the control plane");
    }
    if !config.cluster.dns.disabled {
        verify_dns(data, peer.is_some())?;
        results.push("cluster DNS answers");
    }
    Ok(results.join(", "))
}

fn unreachable_host(config: &Config, kubelet: SocketAddr, reason: &str) -> Hinted {
    let hint = format!(
        "usernetes-rs reset, then join with --host-ip and the address of this host that the control plane's host can \
         reach, if {} is not that; else open TCP port {} and UDP port {} of this host",
        kubelet.ip(),
        kubelet.port(),
        config.rootless.ports.vxlan
    );
    Hinted::new(format!("the control plane cannot reach this host: {reason}"), hint)
}

/// Tunnel address of the control plane's node: flannel gives it the first address of the node's podCIDR. CoreDNS alone is
/// no proof, since it may run on this very node.
fn control_plane_tunnel_ip(nodes: &[NodeInfo], own: &str) -> Option<IpAddr> {
    let mut others = nodes.iter().filter(|node| node.name != own);
    Some(others.find(|node| node.roles.iter().any(|role| role == "control-plane"))?.pods?.network())
}

/// Asks the child. Only where flannel's interface is up and nothing comes back, the ports of VXLAN are the cause.
fn verify_pod_network(data: &JoinData, peer: IpAddr) -> Result<()> {
    data.node.session.instance.ask_unless_hopeless(&Request::PodNetwork { peer }, pod_network_limit(data)).map(drop).map_err(
        |error| match error {
            DaemonError::NoAnswer { .. } => {
                let hint = "usernetes-rs kubectl -n kube-system describe pods -l app=flannel (on the control-plane host) shows why";
                let message = format!("flannel has not made its interface on node {}", data.node.config.node_name());
                Hinted::new(message, hint).caused_by(error)
            }
            DaemonError::Control(ControlError::Refused { .. }) => blocked_vxlan(data).caused_by(error),
            error => error.into(),
        },
    )
}

fn verify_dns(data: &JoinData, packets_cross: bool) -> Result<()> {
    let request = dns_request(&data.node.config);
    data.node.session.instance.ask_unless_hopeless(&request, pod_network_limit(data)).map(drop).map_err(|error| {
        if !matches!(error, DaemonError::NoAnswer { .. }) {
            return error.into();
        }
        let crossing = if packets_cross { ", though packets cross to the control plane" } else { "" };
        let hint = "usernetes-rs kubectl -n kube-system describe pods -l k8s-app=kube-dns (on the control-plane host) shows why";
        Hinted::new(format!("CoreDNS does not answer{crossing}"), hint).caused_by(error)
    })
}

fn pod_network_limit(data: &JoinData) -> Duration {
    data.node.config.timeouts().kubelet_health_check.0.min(POD_NETWORK_LIMIT)
}

fn blocked_vxlan(data: &JoinData) -> Hinted {
    let config = &data.node.config;
    let port = config.rootless.ports.vxlan;
    let (server, _) = config.control_plane_endpoint();
    let hint = format!(
        "let UDP port {port} pass between this host and {server} in both directions (the API's TCP port is open, for the \
         node is Ready), then run join again"
    );
    Hinted::new(
        format!(
            "no packet comes back over the pod network, VXLAN on {port}/udp: the control plane's node does not answer"
        ),
        hint,
    )
}
