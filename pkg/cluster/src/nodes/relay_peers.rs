//! Peers of the relay of VXLAN datagrams: the addresses that their hosts send from, and the networks of their pods.
//!
//! A Node's InternalIP and its annotation are written by its own kubelet, so they are checked: a worker cannot open the
//! relays of other hosts to addresses that cannot be its host's.

use super::addresses::{Addresses, Node, internal_addresses, watch_nodes};
use crate::watch::{Rows, Table, Update, watch_reconnecting};
use futures::StreamExt as _;
use futures::future::ready;
use ipnet::{IpNet, Ipv4Net};
use kube::ResourceExt as _;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::IpAddr;
use std::path::Path;
use usernetes_api::constants::{EGRESS_ADDRESSES_ANNOTATION, EGRESS_ADDRESSES_ANNOTATION_OLD};

/// Most egress addresses of a host.
pub(crate) const MAX_EGRESS_ADDRESSES: usize = 8;
/// Most addresses of a Node's status: one of each family.
const MAX_INTERNAL_ADDRESSES: usize = 2;

/// The node whose peers are followed.
#[derive(Clone, Debug)]
pub struct ThisNode {
    /// Name of its Node.
    pub name: String,
    /// HOST_IP.
    pub host_ip: IpAddr,
    /// Networks of pods and Services, in which no host has its address.
    pub cluster_networks: Vec<IpNet>,
}

/// Networks of pods, of this node and of its peers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodNetworks {
    /// Networks of this node's pods.
    pub own: BTreeSet<Ipv4Net>,
    /// Networks of each peer's pods, by the addresses that its host sends from.
    pub peers: BTreeMap<IpAddr, BTreeSet<Ipv4Net>>,
    /// Names of Nodes, with those of their addresses that cannot be their hosts'.
    pub refused: BTreeMap<String, Addresses>,
}

/// What a Node has to do with VXLAN.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct NodeNetwork {
    name: String,
    internal: Addresses,
    egress: Vec<IpAddr>,
    pods: BTreeSet<Ipv4Net>,
}

impl NodeNetwork {
    fn from_node(node: &Node) -> Option<Self> {
        let annotations = [EGRESS_ADDRESSES_ANNOTATION, EGRESS_ADDRESSES_ANNOTATION_OLD];
        let lists = annotations.iter().filter_map(|annotation| node.annotations().get(*annotation));
        Some(Self {
            name: node.name_any(),
            internal: internal_addresses(node)?,
            egress: lists.flat_map(|list| list.split(',')).filter_map(|address| address.parse().ok()).collect(),
            pods: node.spec.pod_networks().into_iter().collect(),
        })
    }

    /// The addresses of this Node that are too many, or no host's.
    fn split_addresses(&self, this: &ThisNode, all: &Rows<Self>) -> (Addresses, Addresses) {
        let taken = |address: &IpAddr| {
            *address == this.host_ip
                || all.values().any(|other| other.name != self.name && other.internal.contains(address))
        };
        let internal = self.internal.iter().enumerate();
        let internal = internal.map(|(n, address)| (n < MAX_INTERNAL_ADDRESSES && *address != this.host_ip, address));
        let egress = self.egress.iter().enumerate();
        let egress = egress.map(|(n, address)| (n < MAX_EGRESS_ADDRESSES && !taken(address), address));
        let (good, refused): (Vec<_>, Vec<_>) =
            internal.chain(egress).partition(|(good, address)| *good && this.may_be_a_host(**address));
        let addresses = |list: Vec<(bool, &IpAddr)>| list.into_iter().map(|(_, address)| *address).collect();
        (addresses(good), addresses(refused))
    }
}

impl ThisNode {
    fn may_be_a_host(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let special = match address {
            IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        !special
            && !address.is_loopback()
            && !address.is_multicast()
            && !address.is_unspecified()
            && !self.cluster_networks.iter().any(|network| network.contains(&address))
    }

    fn collect_networks(&self, nodes: &Rows<NodeNetwork>) -> PodNetworks {
        let mut networks = PodNetworks::default();
        for node in nodes.values() {
            if node.name == self.name {
                networks.own.extend(&node.pods);
                continue;
            }
            let (addresses, refused) = node.split_addresses(self, nodes);
            if !refused.is_empty() {
                networks.refused.insert(node.name.clone(), refused);
            }
            // Before the controller manager has given it a network it has no pods.
            for address in addresses.into_iter().filter(|_| !node.pods.is_empty()) {
                networks.peers.entry(address).or_default().extend(&node.pods);
            }
        }
        networks
    }
}

/// Reports the networks of pods and the addresses of their hosts, at once and after every change. Never ends; drop it to
/// stop.
pub async fn follow_pod_networks(
    kubeconfig: &Path,
    this: &ThisNode,
    mut report: impl FnMut(Update<PodNetworks>),
) -> Infallible {
    watch_reconnecting(kubeconfig, &mut report, |cluster| {
        let mut nodes = Table::default();
        let this = this.clone();
        let networks = watch_nodes(&cluster, NodeNetwork::from_node).filter_map(move |change| {
            let change = change.map(|change| nodes.apply_change(change));
            ready(change.map(|()| nodes.complete.then(|| this.collect_networks(&nodes.rows))).transpose())
        });
        networks.boxed()
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn node(name: &str, addresses: &[&str], pods: &str, annotations: &Value) -> (String, NodeNetwork) {
        let internal = addresses.iter().map(|address| json!({ "type": "InternalIP", "address": address }));
        let node = json!({
            "metadata": { "name": name, "annotations": annotations },
            "spec": { "podCIDR": pods, "podCIDRs": [pods] },
            "status": { "addresses": internal.collect::<Vec<_>>() },
        });
        let node = NodeNetwork::from_node(&serde_json::from_value(node).expect("a Node")).expect("a row");
        (format!("/{name}"), node)
    }

    fn this() -> ThisNode {
        let network = |text: &str| text.parse().expect("a network");
        ThisNode {
            name: "one".to_owned(),
            host_ip: "198.51.100.11".parse().expect("an address"),
            cluster_networks: vec![network("10.244.0.0/16"), network("10.96.0.0/12")],
        }
    }

    fn one() -> (String, NodeNetwork) {
        node("one", &["198.51.100.11"], "10.244.0.0/24", &json!({}))
    }

    fn show_peers(networks: &PodNetworks) -> Vec<String> {
        let show = |(address, pods): (&IpAddr, &BTreeSet<Ipv4Net>)| {
            format!("{address} {}", pods.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
        };
        networks.peers.iter().map(show).collect()
    }

    #[test]
    fn peers_send_from_host_ip_and_annotated_addresses() {
        let both =
            json!({ EGRESS_ADDRESSES_ANNOTATION: "198.51.100.57", EGRESS_ADDRESSES_ANNOTATION_OLD: "198.51.100.58" });
        let networks = this().collect_networks(&Rows::from([
            one(),
            node("two", &["198.51.100.12"], "10.244.1.0/24", &both),
            node("three", &["198.51.100.13"], "10.244.2.0/24", &json!({ EGRESS_ADDRESSES_ANNOTATION: "nonsense," })),
            node("new", &["198.51.100.14"], "", &json!({})),
        ]));
        assert_eq!(networks.own, ["10.244.0.0/24".parse().expect("a network")].into());
        assert_eq!(
            show_peers(&networks),
            [
                "198.51.100.12 10.244.1.0/24",
                "198.51.100.13 10.244.2.0/24",
                "198.51.100.57 10.244.1.0/24",
                "198.51.100.58 10.244.1.0/24"
            ]
        );
        assert_eq!(networks.refused, BTreeMap::new());
    }

    #[test]
    fn addresses_that_are_no_hosts_are_refused() {
        let bad = "127.0.0.1,0.0.0.0,224.0.0.1,169.254.169.254,10.244.1.7,10.96.0.1,198.51.100.13,198.51.100.11";
        let networks = this().collect_networks(&Rows::from([
            one(),
            node("two", &["198.51.100.12"], "10.244.1.0/24", &json!({ EGRESS_ADDRESSES_ANNOTATION: bad })),
            node("three", &["198.51.100.13"], "10.244.2.0/24", &json!({})),
            node("liar", &["127.0.0.1", "198.51.100.11", "fe80::1"], "10.244.3.0/24", &json!({})),
        ]));
        assert_eq!(show_peers(&networks), ["198.51.100.12 10.244.1.0/24", "198.51.100.13 10.244.2.0/24"]);
        assert_eq!(networks.refused["two"].len(), 8);
        assert_eq!(networks.refused["liar"].len(), 3);
    }

    #[test]
    fn more_addresses_than_a_host_has_are_refused() {
        let many: Vec<_> = (1..=20).map(|n| format!("203.0.113.{n}")).collect();
        let networks = this().collect_networks(&Rows::from([
            one(),
            node("two", &["198.51.100.12"], "10.244.1.0/24", &json!({ EGRESS_ADDRESSES_ANNOTATION: many.join(",") })),
        ]));
        assert_eq!(networks.peers.len(), 1 + MAX_EGRESS_ADDRESSES);
        assert_eq!(networks.refused["two"].len(), 20 - MAX_EGRESS_ADDRESSES);
    }
}
