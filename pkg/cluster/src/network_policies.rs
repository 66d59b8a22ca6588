//! Events on NetworkPolicies, which flannel does not enforce: all traffic passes, whatever they say.
//!
//! There are none where the admission policy of the addon `network-policies` is gone: an administrator who installs another pod
//! network deletes it.

use crate::client::get_opt;
use crate::watch::{Change, Update, page_config, skip_object_error, watch_changes, watch_reconnecting};
use crate::{Cluster, Error, ObjectRef};
use futures::StreamExt;
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicyBinding;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use std::convert::Infallible;
use std::path::Path;

/// Name of the binding of the admission policy.
const BINDING: &str = "usernetes-network-policies";
/// Reason of the event.
const REASON: &str = "NetworkPolicyNotEnforced";
const MESSAGE: &str =
    "this NetworkPolicy has no effect: the cluster's pod network (flannel) enforces none, and all traffic passes";

/// Records an event on every NetworkPolicy. Never ends; drop it to stop.
pub async fn warn_about_network_policies(kubeconfig: &Path, mut report: impl FnMut(Update<()>)) -> Infallible {
    watch_reconnecting(kubeconfig, &mut report, move |cluster| {
        let changes = watch_changes(cluster.all(), page_config(), "NetworkPolicies", |policy| Some(policy_ref(policy)));
        changes.then(move |change| warn(cluster.clone(), change)).boxed()
    })
    .await
}

fn policy_ref(policy: &NetworkPolicy) -> ObjectRef {
    ObjectRef::new("networking.k8s.io/v1", "NetworkPolicy", policy)
}

async fn warn(cluster: Cluster, change: Result<Change<ObjectRef>, Error>) -> Result<(), Error> {
    let Change::Set(_, Some(policy)) = change? else { return Ok(()) };
    if get_opt(&cluster.all::<ValidatingAdmissionPolicyBinding>(), None, BINDING).await?.is_none() {
        return Ok(());
    }
    skip_object_error(cluster.record_event(&policy, "", REASON, MESSAGE).await)
}
