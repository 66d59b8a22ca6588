//! Labels and taints of control-plane nodes.

use crate::client::{describe, patch_params};
use crate::{Cluster, Error, Verb};
use k8s_openapi::api::core::v1::{Node, Taint};
use kube::api::Patch;
use serde_json::json;
use usernetes_api::constants::{CONTROL_PLANE_LABEL, EXCLUDE_LB_LABEL};

const NO_SCHEDULE: &str = "NoSchedule";

impl Cluster {
    /// Marks a node as control plane; `taint` keeps ordinary workloads off it, and its absence removes the taint.
    pub async fn mark_control_plane(&self, node: &str, taint: bool) -> Result<(), Error> {
        let api = self.all::<Node>();
        loop {
            let found = api.get(node).await.map_err(Error::request(Verb::Get, describe::<Node>(None, node)))?;
            let old = found.spec.and_then(|spec| spec.taints).unwrap_or_default();
            let taints = set_taint(&old, taint);
            // The version makes it an error if another client changed the list of taints meanwhile.
            let patch = json!({
                "metadata": {
                    "resourceVersion": found.metadata.resource_version,
                    "labels": { CONTROL_PLANE_LABEL: "", EXCLUDE_LB_LABEL: "" },
                },
                "spec": { "taints": taints },
            });
            match api.patch(node, &patch_params(), &Patch::Merge(patch)).await {
                Err(kube::Error::Api(status)) if status.is_conflict() => {}
                result => {
                    return result.map(drop).map_err(Error::request(Verb::Apply, describe::<Node>(None, node)));
                }
            }
        }
    }
}

/// The same taints with or without ours.
fn set_taint(old: &[Taint], taint: bool) -> Vec<Taint> {
    let ours = Taint { key: CONTROL_PLANE_LABEL.to_owned(), effect: NO_SCHEDULE.to_owned(), ..Taint::default() };
    let mut taints = old.to_vec();
    taints.retain(|taint| (&taint.key, &taint.effect) != (&ours.key, &ours.effect));
    if taint {
        taints.push(ours);
    }
    taints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taint(key: &str, effect: &str) -> Taint {
        Taint { key: key.to_owned(), effect: effect.to_owned(), ..Taint::default() }
    }

    #[test]
    fn only_our_taint_is_set_and_removed() {
        let not_ready = taint("node.kubernetes.io/not-ready", NO_SCHEDULE);
        let ours = taint(CONTROL_PLANE_LABEL, NO_SCHEDULE);
        let evict = taint(CONTROL_PLANE_LABEL, "NoExecute");
        let both = [not_ready.clone(), ours.clone(), evict.clone()];
        assert_eq!(set_taint(&both, false), [not_ready.clone(), evict.clone()]);
        assert_eq!(set_taint(&both, true), [not_ready.clone(), evict, ours.clone()]);
        assert_eq!(set_taint(std::slice::from_ref(&not_ready), true), [not_ready, ours]);
        assert_eq!(set_taint(&[], false), []);
    }
}
