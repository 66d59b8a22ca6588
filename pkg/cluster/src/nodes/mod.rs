//! Nodes as objects: listing, marking, draining, deleting; the addresses of their hosts, and whether those are reachable; the networks
//! of their pods.

mod address_rules;
mod addresses;
mod drain;
mod kept_marks;
mod leaving;
mod reachability;
mod registered;
mod relay_peers;

pub(crate) use address_rules::AddressRefusal;
pub use address_rules::AddressRules;
pub(crate) use addresses::{Addresses, NodeIdentity, watch_identities, watch_internal_addresses};
pub use leaving::answer_leaving_nodes;
pub use reachability::{Reachability, write_reachability};
pub(crate) use registered::RegisteredAddresses;
pub use relay_peers::{PodNetworks, ThisNode, follow_pod_networks};

use crate::client::{describe, get_opt, patch_params};
use crate::{Cluster, Error, Verb};
use ipnet::IpNet;
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::IpAddr;
use usernetes_api::constants::{EGRESS_ADDRESSES_ANNOTATION, EGRESS_ADDRESSES_ANNOTATION_OLD};

const ROLE_PREFIX: &str = "node-role.kubernetes.io/";

/// A summary of a Node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// Name of the Node.
    pub name: String,
    /// Roles by its labels, such as `control-plane`; empty for a worker.
    pub roles: Vec<String>,
    /// HOST_IP of its host.
    pub addresses: Vec<IpAddr>,
    /// `podCIDR`, once the controller manager has allocated it.
    pub pods: Option<IpNet>,
    /// Version of its kubelet.
    pub version: String,
    /// Whether the condition Ready is true by the last report of its kubelet.
    pub ready: bool,
    /// Whether it is unschedulable (`kubectl cordon`).
    pub cordoned: bool,
    /// Conditions of pressure that are true: `DiskPressure`, `MemoryPressure`, `PIDPressure`.
    pub pressure: Vec<String>,
}

impl Cluster {
    /// All nodes, by name.
    pub async fn list_nodes(&self) -> Result<Vec<NodeInfo>, Error> {
        let list =
            self.all::<Node>().list(&ListParams::default()).await.map_err(Error::request(Verb::List, "Nodes"))?;
        let mut nodes: Vec<_> = list.iter().map(NodeInfo::from_node).collect();
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(nodes)
    }

    /// One node; `None` where there is none of that name.
    pub async fn node(&self, name: &str) -> Result<Option<NodeInfo>, Error> {
        Ok(get_opt(&self.all::<Node>(), None, name).await?.as_ref().map(NodeInfo::from_node))
    }

    /// Marks a node as unschedulable, or as schedulable again.
    pub async fn cordon_node(&self, name: &str, cordoned: bool) -> Result<(), Error> {
        let patch = Patch::Merge(json!({ "spec": { "unschedulable": cordoned } }));
        let result = self.all::<Node>().patch(name, &patch_params(), &patch).await;
        result.map(drop).map_err(Error::request(Verb::Apply, describe::<Node>(None, name)))
    }

    /// Sets a label of a node, or removes it with `None`. Waits until the node is registered.
    pub async fn label_node(&self, name: &str, label: &str, value: Option<&str>) -> Result<(), Error> {
        self.patch_node_metadata(name, &json!({ "labels": { label: value } })).await
    }

    /// Annotates a node with the addresses besides HOST_IP that its host sends from; none removes the annotation.
    ///
    /// The annotation of earlier versions is removed: its value would be out of date. Other hosts accept eight addresses.
    pub async fn write_egress_addresses(&self, name: &str, addresses: &BTreeSet<IpAddr>) -> Result<(), Error> {
        let list = addresses
            .iter()
            .take(relay_peers::MAX_EGRESS_ADDRESSES)
            .map(IpAddr::to_string)
            .collect::<Vec<_>>()
            .join(",");
        let value = (!list.is_empty()).then_some(list);
        let annotations = json!({ EGRESS_ADDRESSES_ANNOTATION: value, EGRESS_ADDRESSES_ANNOTATION_OLD: null });
        self.patch_node_metadata(name, &json!({ "annotations": annotations })).await
    }

    async fn patch_node_metadata(&self, name: &str, metadata: &Value) -> Result<(), Error> {
        self.wait_node_registered(name).await?;
        let patch = Patch::Merge(json!({ "metadata": metadata }));
        let result = self.all::<Node>().patch_metadata(name, &patch_params(), &patch).await;
        result.map(drop).map_err(Error::request(Verb::Apply, describe::<Node>(None, name)))
    }

    /// Deletes a Node object, if there is one.
    pub async fn delete_node(&self, name: &str) -> Result<(), Error> {
        match self.all::<Node>().delete(name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            result => result.map(drop).map_err(Error::request(Verb::Delete, describe::<Node>(None, name))),
        }
    }
}

impl NodeInfo {
    fn from_node(node: &Node) -> Self {
        let status = node.status.as_ref();
        let addresses = status.and_then(|status| status.addresses.as_deref()).unwrap_or_default();
        let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        Self {
            name: node.name_any(),
            roles: node.labels().keys().filter_map(|key| Some(key.strip_prefix(ROLE_PREFIX)?.to_owned())).collect(),
            addresses: addresses
                .iter()
                .filter(|a| a.type_ == "InternalIP")
                .filter_map(|a| a.address.parse().ok())
                .collect(),
            pods: node.spec.as_ref().and_then(|spec| spec.pod_cidr.as_ref()?.parse().ok()),
            version: status.and_then(|s| Some(s.node_info.as_ref()?.kubelet_version.clone())).unwrap_or_default(),
            ready: conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True"),
            cordoned: node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false),
            pressure: conditions
                .iter()
                .filter(|c| c.type_.ends_with("Pressure") && c.status == "True")
                .map(|c| c.type_.clone())
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary() {
        let node: Node = serde_json::from_value(json!({
            "metadata": { "name": "one", "labels": { "node-role.kubernetes.io/control-plane": "", "a": "b" } },
            "spec": { "unschedulable": true, "podCIDR": "10.244.0.0/24" },
            "status": {
                "addresses": [{ "type": "InternalIP", "address": "198.51.100.11" }, { "type": "Hostname", "address": "one" }],
                "conditions": [{ "type": "Ready", "status": "Unknown" }, { "type": "DiskPressure", "status": "True" },
                    { "type": "PIDPressure", "status": "False" }],
                "nodeInfo": { "kubeletVersion": "v1.36.3", "architecture": "", "bootID": "", "containerRuntimeVersion": "",
                    "kernelVersion": "", "kubeProxyVersion": "", "machineID": "", "operatingSystem": "", "osImage": "", "systemUUID": "" },
            },
        }))
        .expect("a Node");
        assert_eq!(
            NodeInfo::from_node(&node),
            NodeInfo {
                name: "one".to_owned(),
                roles: vec!["control-plane".to_owned()],
                addresses: vec!["198.51.100.11".parse().expect("an address")],
                pods: Some("10.244.0.0/24".parse().expect("a network")),
                version: "v1.36.3".to_owned(),
                ready: false,
                cordoned: true,
                pressure: vec!["DiskPressure".to_owned()],
            }
        );
    }
}
