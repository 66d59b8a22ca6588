//! What an administrator has set on the Nodes of workers that left: taints, and labels that kubelets may not set. ConfigMap
//! `kube-system/usernetes-left-nodes`, which kubelets cannot write.
//!
//! A worker that is kept away from pods may leave and join again, or start its kubelet again after its Node was deleted. Its new
//! Node gets them back.

use crate::client::{describe, get_opt};
use crate::kubeadm::KUBE_SYSTEM;
use crate::{Cluster, Error, Verb};
use k8s_openapi::api::core::v1::{ConfigMap, Node, Taint};
use kube::ResourceExt;
use kube::api::{ObjectMeta, PostParams};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the ConfigMap.
const NAME: &str = "usernetes-left-nodes";
/// Prefix of labels that kubelets may not set.
const RESTRICTED_PREFIX: &str = "node-restriction.kubernetes.io/";
/// Prefixes of taints that the cluster sets and removes by itself.
const LIFECYCLE_PREFIXES: [&str; 2] = ["node.kubernetes.io/", "node.cloudprovider.kubernetes.io/"];

/// Taints and restricted labels of one Node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Marks {
    pub(super) taints: Vec<Taint>,
    pub(super) labels: BTreeMap<String, String>,
}

impl Marks {
    pub(super) fn from_node(node: &Node) -> Self {
        let taints = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
        let is_set = |taint: &Taint| !LIFECYCLE_PREFIXES.iter().any(|prefix| taint.key.starts_with(prefix));
        let labels = node.labels().iter().filter(|(key, _)| key.starts_with(RESTRICTED_PREFIX));
        Self {
            taints: taints.into_iter().filter(is_set).collect(),
            labels: labels.map(|(key, value)| (key.clone(), value.clone())).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.taints.is_empty() && self.labels.is_empty()
    }

    /// The taints of a Node with those that it lacks.
    pub(super) fn merge_taints(&self, node: &Node) -> Vec<Taint> {
        let mut taints = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
        for kept in &self.taints {
            if !taints.iter().any(|taint| taint.key == kept.key && taint.effect == kept.effect) {
                taints.push(kept.clone());
            }
        }
        taints
    }
}

/// Marks by the names of Nodes that have left.
#[derive(Debug, Default)]
pub(super) struct KeptMarks {
    by_node: BTreeMap<String, Marks>,
    /// `None` where there is no ConfigMap yet.
    resource_version: Option<String>,
}

impl KeptMarks {
    pub(super) fn get(&self, node: &str) -> Option<&Marks> {
        self.by_node.get(node)
    }

    /// Keeps the marks of a Node; returns whether there are any that were not kept before.
    pub(super) fn insert(&mut self, node: &str, marks: Marks) -> bool {
        if marks.is_empty() || self.by_node.get(node) == Some(&marks) {
            return false;
        }
        self.by_node.insert(node.to_owned(), marks);
        true
    }

    /// Returns whether there was an entry.
    pub(super) fn remove(&mut self, node: &str) -> bool {
        self.by_node.remove(node).is_some()
    }
}

impl Cluster {
    pub(super) async fn kept_marks(&self) -> Result<KeptMarks, Error> {
        let map = get_opt(&self.namespaced::<ConfigMap>(KUBE_SYSTEM), Some(KUBE_SYSTEM), NAME).await?;
        let Some(map) = map else { return Ok(KeptMarks::default()) };
        let data = map.data.unwrap_or_default().into_iter();
        let by_node = data.filter_map(|(node, marks)| Some((node, serde_json::from_str(&marks).ok()?))).collect();
        Ok(KeptMarks { by_node, resource_version: map.metadata.resource_version })
    }

    /// Writes them, unless the map has changed since it was read: that is an error.
    pub(super) async fn write_kept_marks(&self, kept: &mut KeptMarks) -> Result<(), Error> {
        let json = |marks| serde_json::to_string(marks).expect("our types have string keys");
        let data = kept.by_node.iter().map(|(node, marks)| (node.clone(), json(marks))).collect();
        let metadata = ObjectMeta {
            name: Some(NAME.to_owned()),
            namespace: Some(KUBE_SYSTEM.to_owned()),
            resource_version: kept.resource_version.clone(),
            ..ObjectMeta::default()
        };
        let map = ConfigMap { metadata, data: Some(data), ..ConfigMap::default() };
        let api = self.namespaced::<ConfigMap>(KUBE_SYSTEM);
        let written = match &kept.resource_version {
            None => api.create(&PostParams::default(), &map).await,
            Some(_) => api.replace(NAME, &PostParams::default(), &map).await,
        };
        let object = describe::<ConfigMap>(Some(KUBE_SYSTEM), NAME);
        kept.resource_version = written.map_err(Error::request(Verb::Apply, object))?.metadata.resource_version;
        Ok(())
    }

    /// Forgets what was set on a Node that has left; returns whether there was anything.
    pub async fn forget_left_node(&self, name: &str) -> Result<bool, Error> {
        let mut kept = self.kept_marks().await?;
        let is_kept = kept.remove(name);
        if is_kept {
            self.write_kept_marks(&mut kept).await?;
        }
        Ok(is_kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_an_administrator_has_set_is_kept_and_put_back() {
        let node = |taints: serde_json::Value| -> Node {
            let labels = json!({ "node-restriction.kubernetes.io/zone": "a", "kubernetes.io/hostname": "host2" });
            serde_json::from_value(json!({ "metadata": { "labels": labels }, "spec": { "taints": taints } }))
                .expect("a Node")
        };
        let left = node(json!([
            { "key": "quarantine", "effect": "NoExecute" },
            { "key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule" },
        ]));
        let marks = Marks::from_node(&left);
        assert_eq!(marks.taints.iter().map(|taint| &*taint.key).collect::<Vec<_>>(), ["quarantine"]);
        assert_eq!(
            marks.labels.keys().map(String::as_str).collect::<Vec<_>>(),
            ["node-restriction.kubernetes.io/zone"]
        );
        let back = node(json!([{ "key": "own", "effect": "NoSchedule" }]));
        assert_eq!(marks.merge_taints(&back).len(), 2);
        assert_eq!(marks.merge_taints(&left).len(), 2, "none is there twice");
        let mut kept = KeptMarks::default();
        assert!(kept.insert("host2", marks.clone()) && !kept.insert("host2", marks));
        assert!(!kept.insert("host3", Marks::default()));
    }
}
