//! The address that each Node had when the control plane first saw it, in ConfigMap `kube-system/usernetes-nodes`.
//!
//! Kubelets may write their Nodes and not this map. A Node's entry changes when its host has proved that it is at another
//! address, and goes with the Node. An administrator may delete an entry: the address of the moment is then registered.

use super::AddressRules;
use super::addresses::NodeIdentity;
use crate::client::{describe, get_opt};
use crate::kubeadm::KUBE_SYSTEM;
use crate::{Cluster, Error, Verb};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ObjectMeta, PostParams};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Name of the ConfigMap.
const NAME: &str = "usernetes-nodes";

/// Addresses by the names of Nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RegisteredAddresses {
    by_node: BTreeMap<String, IpAddr>,
    /// `None` where there is no ConfigMap yet.
    resource_version: Option<String>,
}

impl RegisteredAddresses {
    #[cfg(test)]
    pub(crate) fn from_pairs<const N: usize>(pairs: [(&str, IpAddr); N]) -> Self {
        let by_node = pairs.into_iter().map(|(node, address)| (node.to_owned(), address)).collect();
        Self { by_node, resource_version: None }
    }

    /// The address of a Node.
    pub(crate) fn address(&self, node: &str) -> Option<IpAddr> {
        self.by_node.get(node).copied()
    }

    /// The Node that has an address.
    pub(crate) fn owner(&self, address: IpAddr) -> Option<&str> {
        self.by_node.iter().find(|(_, registered)| **registered == address).map(|(node, _)| node.as_str())
    }

    pub(crate) fn set(&mut self, node: &str, address: IpAddr) {
        self.by_node.insert(node.to_owned(), address);
    }

    /// Removes what Nodes that are gone had, and registers those that are new; an address that a Node may not have is not
    /// registered. Returns whether anything has changed.
    pub(crate) fn reconcile(&mut self, nodes: &[&NodeIdentity], rules: &AddressRules) -> bool {
        let before = self.by_node.clone();
        self.by_node.retain(|name, _| nodes.iter().any(|node| node.name == *name));
        for node in nodes {
            let Some(address) = node.address.filter(|_| self.address(&node.name).is_none()) else { continue };
            if rules.check(&node.name, address, self).is_ok() {
                self.set(&node.name, address);
            }
        }
        self.by_node != before
    }

    fn from_map(map: ConfigMap) -> Self {
        let data = map.data.unwrap_or_default().into_iter();
        Self {
            by_node: data.filter_map(|(node, address)| Some((node, address.parse().ok()?))).collect(),
            resource_version: map.metadata.resource_version,
        }
    }

    fn to_map(&self) -> ConfigMap {
        let data = self.by_node.iter().map(|(node, address)| (node.clone(), address.to_string())).collect();
        let metadata = ObjectMeta {
            name: Some(NAME.to_owned()),
            namespace: Some(KUBE_SYSTEM.to_owned()),
            resource_version: self.resource_version.clone(),
            ..ObjectMeta::default()
        };
        ConfigMap { metadata, data: Some(data), ..ConfigMap::default() }
    }
}

impl Cluster {
    /// The addresses that are registered; none where nothing has registered any.
    pub(crate) async fn registered_addresses(&self) -> Result<RegisteredAddresses, Error> {
        let map = get_opt(&self.namespaced::<ConfigMap>(KUBE_SYSTEM), Some(KUBE_SYSTEM), NAME).await?;
        Ok(map.map(RegisteredAddresses::from_map).unwrap_or_default())
    }

    /// Writes them, unless the map has changed since it was read: that is an error.
    pub(crate) async fn write_registered_addresses(&self, registered: &mut RegisteredAddresses) -> Result<(), Error> {
        let api = self.namespaced::<ConfigMap>(KUBE_SYSTEM);
        let map = registered.to_map();
        let written = match &registered.resource_version {
            None => api.create(&PostParams::default(), &map).await,
            Some(_) => api.replace(NAME, &PostParams::default(), &map).await,
        };
        let object = describe::<ConfigMap>(Some(KUBE_SYSTEM), NAME);
        registered.resource_version = written.map_err(Error::request(Verb::Apply, object))?.metadata.resource_version;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::address_rules::tests::rules;
    use super::*;

    fn node(name: &str, address: &str) -> NodeIdentity {
        NodeIdentity { name: name.to_owned(), address: address.parse().ok(), kubelet_port: 10250 }
    }

    #[test]
    fn the_first_address_is_kept() {
        let mut registered = RegisteredAddresses::default();
        let first = [node("host1", "198.51.100.11"), node("host2", "198.51.100.12"), node("host3", "10.96.0.1")];
        assert!(registered.reconcile(&first.each_ref(), &rules()));
        let later = [node("host1", "198.51.100.11"), node("host2", "198.51.100.77"), node("host4", "198.51.100.12")];
        assert!(!registered.reconcile(&later.each_ref(), &rules()), "another Node's address is not registered twice");
        assert_eq!(registered.address("host2"), "198.51.100.12".parse().ok());
        assert_eq!(registered.address("host3"), None);
        assert!(registered.reconcile(&[&later[2]], &rules()));
        assert_eq!(registered.address("host4"), "198.51.100.12".parse().ok(), "its owner is gone");
        assert_eq!(RegisteredAddresses::from_map(registered.to_map()), registered);
    }
}
