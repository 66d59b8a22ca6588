//! `kubelet-wait-bootstrap` and `wait-node`: until the kubelet works with its certificate, the node is Ready, and a packet
//! has crossed the pod network.

use super::JoinData;
use crate::daemon::{self, Request};
use crate::errors::Hinted;
use crate::phases::common;
use crate::workflow::Phase;
use anyhow::Result;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use usernetes_api::Config;
use usernetes_api::constants::KUBERNETES_DIR;
use usernetes_cluster::nodes::{NodeInfo, Reachability};
use usernetes_host::fs;
use usernetes_node::ComponentName;

/// From Ready to the first packet: flannel's pod starts in between, on a loaded machine in a while.
const OVERLAY_LIMIT: Duration = Duration::from_secs(90);

/// How long the control plane may take to ask and to say so; it asks for three seconds.
const REACH_LIMIT: Duration = Duration::from_secs(10);

/// The TLS bootstrap.
pub(super) struct KubeletWaitBootstrap;

impl Phase<JoinData> for KubeletWaitBootstrap {
    fn name(&self) -> &'static str {
        "kubelet-wait-bootstrap"
    }

    fn short(&self) -> &'static str {
        "Wait until the kubelet works, and remove the bootstrap credentials"
    }

    fn run(&self, data: &mut JoinData, _: &[&'static str]) -> Result<String> {
        let limit = data.node.config.timeouts().tls_bootstrap.0;
        let folder = data.node.session.paths.node(KUBERNETES_DIR);
        daemon::process::wait_for_components(&data.node.session, &[ComponentName::Kubelet], limit)?;
        fs::remove_if_exists(folder.join("bootstrap-kubelet.conf"))?;
        Ok("the kubelet works with its own certificate; bootstrap credentials removed".into())
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
        let name = config.node_name().to_owned();
        let kubelet = SocketAddr::new(config.host_ip(), config.rootless.ports.kubelet);
        let (peer, reach) = data.block_on(async {
            let cluster = common::connect(&data.node.session, "kubelet.conf").await?;
            cluster.wait_node_ready(&name, data.node.started(), limit).await?;
            // A cluster that is not ours shows a kubelet no other Node, and says nothing of the way to ours.
            let Ok(nodes) = cluster.list_nodes().await else { return Ok((None, None)) };
            let reach = cluster.wait_reachability(&name, kubelet, REACH_LIMIT).await;
            anyhow::Ok((other_end(&nodes, &name), reach))
        })?;
        let mut proof = Vec::new();
        if let Some(Reachability::Unreachable(why)) = reach {
            return Err(unreachable_host(config, kubelet, &why).into());
        }
        if let Some(peer) = peer {
            crosses(data, Request::Overlay { peer }, "the control plane's node does not answer")?;
            proof.push("packets cross to the control plane");
        }
        if !config.cluster.dns.disabled {
            let server = SocketAddr::new(config.service_network().dns(), 53);
            let name = format!("kubernetes.default.svc.{}", config.cluster.networking.dns_domain);
            crosses(data, Request::Dns { server, name }, "CoreDNS does not answer")?;
            proof.push("cluster DNS answers");
        }
        proof.insert(0, "node Ready");
        Ok(proof.join(", "))
    }
}

fn unreachable_host(config: &Config, kubelet: SocketAddr, why: &str) -> Hinted {
    let cure = format!(
        "usernetes-rs reset, then join with --host-ip and the address of this host that the control plane's host can \
         reach, if {} is not that; else let TCP port {} and UDP port {} in",
        kubelet.ip(),
        kubelet.port(),
        config.rootless.ports.vxlan
    );
    Hinted::new(format!("the control plane cannot reach this host: {why}"), cure)
}

/// The control plane's end of the tunnel: flannel gives it the first address of the node's pods. CoreDNS alone would
/// not do as a proof, since it may run on this very node.
fn other_end(nodes: &[NodeInfo], own: &str) -> Option<IpAddr> {
    let control_plane = |node: &&NodeInfo| node.name != own && node.roles.iter().any(|role| role == "control-plane");
    Some(nodes.iter().find(control_plane)?.pods?.network())
}

fn crosses(data: &JoinData, request: Request, silence: &str) -> Result<()> {
    let config = &data.node.config;
    let limit = config.timeouts().kubelet_health_check.0.min(OVERLAY_LIMIT);
    daemon::process::ask(&data.node.session, &request, limit).map(drop).map_err(|error| {
        let port = config.rootless.ports.vxlan;
        let (server, _) = config.control_plane_endpoint();
        let cure = format!(
            "let UDP port {port} pass between this host and {server} in both directions (the API's TCP port is open, \
             for the node is Ready), then run join again"
        );
        Hinted::new(format!("no packet comes back over the pod network, VXLAN on {port}/udp: {silence}"), cure)
            .because(error)
    })
}
