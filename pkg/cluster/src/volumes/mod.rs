//! Volumes that a rootless node cannot mount. A pod with one stays Pending, and the kubelet only reports a failed mount.
//!
//! Network file systems and block devices are mounted with the rights of root in the initial user namespace, and a hostPath may
//! be one that the node does not show, or may not make. An event on the pod says so, and what to do instead.

mod host_path;
mod source;

use crate::watch::{Change, Update, watch_node_pods, watch_reconnecting};
use crate::{Cluster, Error, ObjectRef, Verb};
use futures::{Stream, StreamExt};
use kube::core::{ApiResource, Object};
use kube::{Api, ResourceExt};
use serde::Deserialize;
use source::Source;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Reason of the event.
const REASON: &str = "VolumeNotSupported";
/// How often a claim is read. The authorizer learns of a new pod later than its kubelet does, a claim of a pod with
/// `nodeName` may still be unbound, and a node may get a claim but not watch it.
const CLAIM_ATTEMPTS: usize = 10;
const CLAIM_PAUSE: Duration = Duration::from_secs(1);
/// Pods checked at a time.
const CONCURRENCY: usize = 8;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodSpec {
    volumes: Vec<Volume>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Volume {
    name: String,
    persistent_volume_claim: Option<ClaimRef>,
    /// A claim that the controller manager creates for the pod.
    ephemeral: Option<serde::de::IgnoredAny>,
    #[serde(flatten)]
    source: Source,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ClaimRef {
    claim_name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ClaimSpec {
    volume_name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct PodStatus {
    phase: String,
}

type Pod = Object<PodSpec, PodStatus>;
type Claim = Object<ClaimSpec, serde::de::IgnoredAny>;
type PersistentVolume = Object<Source, serde::de::IgnoredAny>;

/// A pod that has not started yet, with the volumes that may be the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PendingPod {
    object: ObjectRef,
    /// Names of volumes that cannot be mounted, with the reason of each.
    unmountable: Vec<(String, String)>,
    /// Names of volumes that are claims, with the name of each claim.
    claims: Vec<(String, String)>,
}

/// Volumes that have an event, by uid of the pod and name of the volume.
#[derive(Debug, Default)]
struct Reported(Mutex<BTreeSet<(String, String)>>);

impl Reported {
    fn is_new(&self, pod: &PendingPod, volume: &str) -> bool {
        let reported = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !reported.contains(&(pod.object.uid.clone(), volume.to_owned()))
    }

    fn insert(&self, pod: &PendingPod, volume: &str) {
        let mut reported = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reported.insert((pod.object.uid.clone(), volume.to_owned()));
    }
}

/// Records an event on every pod of the node with a volume that cannot be mounted. Never ends; drop it to stop.
///
/// `kubeconfig` is the kubelet's: it may read the claims of its own pods and the volumes that they are bound to.
pub async fn warn_about_volumes(kubeconfig: &Path, node: &str, mut report: impl FnMut(Update<()>)) -> Infallible {
    let reported = Reported::default();
    let reported = &reported;
    watch_reconnecting(kubeconfig, &mut report, move |cluster| {
        let pods = watch_pending_pods(&cluster, node);
        pods.map(move |pod| check_pod(cluster.clone(), node, pod, reported)).buffer_unordered(CONCURRENCY).boxed()
    })
    .await
}

fn watch_pending_pods(cluster: &Cluster, node: &str) -> impl Stream<Item = Result<Change<PendingPod>, Error>> + use<> {
    watch_node_pods(cluster, node, PendingPod::from_pod)
}

impl PendingPod {
    /// `None` for a pod that has started, and for one whose volumes the node can mount.
    fn from_pod(pod: &Pod) -> Option<Self> {
        let started = pod.status.as_ref().is_some_and(|status| !matches!(&*status.phase, "" | "Pending"));
        let volumes = &pod.spec.volumes;
        let unmountable = volumes.iter().filter_map(|v| Some((v.name.clone(), v.source.describe_problem(&v.name)?)));
        let claims = volumes.iter().filter_map(|v| Some((v.name.clone(), v.claim_name(&pod.name_any())?)));
        let unmountable: Vec<_> = unmountable.collect();
        let claims: Vec<_> = claims.collect();
        let object = ObjectRef::new("v1", "Pod", pod);
        (!started && (!unmountable.is_empty() || !claims.is_empty())).then_some(Self { object, unmountable, claims })
    }
}

impl Volume {
    fn claim_name(&self, pod: &str) -> Option<String> {
        let generated = self.ephemeral.map(|_| format!("{pod}-{}", self.name));
        self.persistent_volume_claim.as_ref().map(|claim| claim.claim_name.clone()).or(generated)
    }
}

async fn check_pod(
    cluster: Cluster,
    node: &str,
    change: Result<Change<PendingPod>, Error>,
    reported: &Reported,
) -> Result<(), Error> {
    let Change::Set(_, Some(pod)) = change? else { return Ok(()) };
    let mut unmountable: Vec<_> = pod.unmountable.iter().filter(|(volume, _)| reported.is_new(&pod, volume)).collect();
    let mut behind_claims = Vec::new();
    for (volume, claim) in pod.claims.iter().filter(|(volume, _)| reported.is_new(&pod, volume)) {
        let source = wait_bound_source(&cluster, &pod.object.namespace, claim).await?;
        behind_claims
            .extend(source.and_then(|source| source.describe_problem(volume)).map(|problem| (volume.clone(), problem)));
    }
    unmountable.extend(&behind_claims);
    for (volume, problem) in unmountable {
        cluster.record_event(&pod.object, node, REASON, problem).await?;
        reported.insert(&pod, volume);
    }
    Ok(())
}

/// The source that a claim is bound to; `None` when it stays unbound, or the API server does not let us read it.
async fn wait_bound_source(cluster: &Cluster, namespace: &str, claim: &str) -> Result<Option<Source>, Error> {
    for _ in 0..CLAIM_ATTEMPTS {
        if let Some(source) = get_bound_source(cluster, namespace, claim).await? {
            return Ok(Some(source));
        }
        tokio::time::sleep(CLAIM_PAUSE).await;
    }
    Ok(None)
}

async fn get_bound_source(cluster: &Cluster, namespace: &str, claim: &str) -> Result<Option<Source>, Error> {
    let claims = ApiResource::erase::<k8s_openapi::api::core::v1::PersistentVolumeClaim>(&());
    let volumes = ApiResource::erase::<k8s_openapi::api::core::v1::PersistentVolume>(&());
    let api: Api<Claim> = Api::namespaced_with(cluster.client(), namespace, &claims);
    let found = if_readable(api.get(claim).await, || format!("PersistentVolumeClaim {namespace}/{claim}"))?;
    let Some(name) = found.map(|claim| claim.spec.volume_name).filter(|name| !name.is_empty()) else { return Ok(None) };
    let api: Api<PersistentVolume> = Api::all_with(cluster.client(), &volumes);
    let found = if_readable(api.get(&name).await, || format!("PersistentVolume {name}"))?;
    Ok(found.map(|volume| volume.spec))
}

/// `None` for an object that does not exist, or that the authorizer does not let this node read yet.
fn if_readable<K>(got: kube::Result<K>, object: impl FnOnce() -> String) -> Result<Option<K>, Error> {
    match got {
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_forbidden() => Ok(None),
        got => got.map(Some).map_err(Error::request(Verb::Get, object())),
    }
}

#[cfg(test)]
mod tests;
