//! Volumes that cannot work here: a pod with one waits for ever, and the kubelet says only that a mount has failed.
//!
//! Drivers of network file systems and block devices mount as root of the host's own user namespace. Whoever made the pod
//! is told so by an Event, with what can be done instead.

mod source;

use crate::services::Update;
use crate::services::session::{broken, config, forever};
use crate::{Cluster, Error, Involved, Verb};
use futures::{Stream, StreamExt};
use kube::core::{ApiResource, Object};
use kube::runtime::watcher::{Event, watcher};
use kube::{Api, ResourceExt};
use serde::Deserialize;
use source::Source;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Reason of the event.
const REASON: &str = "VolumeNotSupported";
/// How often a claim is asked for, once a second: the authorizer hears of a new pod later than its kubelet, a claim of a pod
/// that was sent to its node by hand may still be unbound, and a node may get a claim, not watch it.
const TRIES: usize = 10;
/// Pods looked at at once.
const AT_ONCE: usize = 8;

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
    /// A claim that is made for the pod.
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

/// A pod that has not started yet, and what of its volumes may be the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Waiting {
    about: Involved,
    /// Volumes that cannot work, with what they are.
    wrong: Vec<(String, String)>,
    /// Volumes behind claims, with the claims' names.
    claims: Vec<(String, String)>,
}

/// What was told already, by uid of the pod and name of the volume.
type Told = Arc<Mutex<BTreeSet<(String, String)>>>;

/// Warns at every pod of the node with volumes that cannot be mounted. Never ends; drop it to stop.
///
/// `kubeconfig` is the kubelet's: it may read the claims of its own pods and what they are bound to.
pub async fn warn_of_volumes(kubeconfig: &Path, node: &str, mut report: impl FnMut(Update<()>)) -> Infallible {
    let told = Told::default();
    forever(kubeconfig, &mut report, |cluster| {
        let (told, at, of_node) = (Arc::clone(&told), cluster.clone(), node.to_owned());
        let look = move |pod: Result<Option<Waiting>, Error>| {
            let (told, cluster, node) = (Arc::clone(&told), at.clone(), of_node.clone());
            async move {
                match pod? {
                    Some(pod) => look_at(&cluster, &node, &pod, &told).await,
                    None => Ok(()),
                }
            }
        };
        waiting_pods(cluster, node).map(look).buffer_unordered(AT_ONCE).boxed()
    })
    .await
}

fn waiting_pods(cluster: &Cluster, node: &str) -> impl Stream<Item = Result<Option<Waiting>, Error>> + use<> {
    let resource = ApiResource::erase::<k8s_openapi::api::core::v1::Pod>(&());
    let api: Api<Pod> = Api::all_with(cluster.client(), &resource);
    watcher(api, config().fields(&format!("spec.nodeName={node}"))).map(|event| match event {
        Ok(Event::Apply(pod) | Event::InitApply(pod)) => Ok(Waiting::of(&pod)),
        Ok(_) => Ok(None),
        Err(error) => Err(broken("Pods of this node", error)),
    })
}

impl Waiting {
    /// `None` for a pod that has started, or whose volumes are all of the node.
    fn of(pod: &Pod) -> Option<Self> {
        let begun = pod.status.as_ref().is_some_and(|status| !matches!(&*status.phase, "" | "Pending"));
        let volumes = &pod.spec.volumes;
        let wrong = volumes.iter().filter_map(|v| Some((v.name.clone(), v.source.describe()?))).collect::<Vec<_>>();
        let claims =
            volumes.iter().filter_map(|v| Some((v.name.clone(), v.claim(&pod.name_any())?))).collect::<Vec<_>>();
        let about = Involved {
            api_version: "v1",
            kind: "Pod",
            namespace: pod.namespace().unwrap_or_default(),
            name: pod.name_any(),
            uid: pod.uid().unwrap_or_default(),
        };
        (!begun && (!wrong.is_empty() || !claims.is_empty())).then_some(Self { about, wrong, claims })
    }
}

impl Volume {
    fn claim(&self, pod: &str) -> Option<String> {
        let made = self.ephemeral.map(|_| format!("{pod}-{}", self.name));
        self.persistent_volume_claim.as_ref().map(|claim| claim.claim_name.clone()).or(made)
    }
}

async fn look_at(cluster: &Cluster, node: &str, pod: &Waiting, told: &Told) -> Result<(), Error> {
    let is_new = |volume: &str| {
        let told = told.lock().unwrap_or_else(PoisonError::into_inner);
        !told.contains(&(pod.about.uid.clone(), volume.to_owned()))
    };
    let mut wrong: Vec<_> = pod.wrong.iter().filter(|(volume, _)| is_new(volume)).cloned().collect();
    for (volume, claim) in pod.claims.iter().filter(|(volume, _)| is_new(volume)) {
        let source = behind(cluster, &pod.about.namespace, claim).await?;
        wrong.extend(source.and_then(|source| source.describe()).map(|what| (volume.clone(), what)));
    }
    for (volume, what) in wrong {
        cluster.event(&pod.about, node, REASON, &message(&volume, &what)).await?;
        told.lock().unwrap_or_else(PoisonError::into_inner).insert((pod.about.uid.clone(), volume));
    }
    Ok(())
}

/// What a claim is bound to; `None` when it stays unbound, or nobody may read it.
async fn behind(cluster: &Cluster, namespace: &str, claim: &str) -> Result<Option<Source>, Error> {
    for _ in 0..TRIES {
        if let Some(source) = bound(cluster, namespace, claim).await? {
            return Ok(Some(source));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(None)
}

async fn bound(cluster: &Cluster, namespace: &str, claim: &str) -> Result<Option<Source>, Error> {
    let claims: ApiResource = ApiResource::erase::<k8s_openapi::api::core::v1::PersistentVolumeClaim>(&());
    let volumes = ApiResource::erase::<k8s_openapi::api::core::v1::PersistentVolume>(&());
    let api: Api<Claim> = Api::namespaced_with(cluster.client(), namespace, &claims);
    let found = readable(api.get(claim).await, || format!("PersistentVolumeClaim {namespace}/{claim}"))?;
    let Some(name) = found.map(|claim| claim.spec.volume_name).filter(|name| !name.is_empty()) else { return Ok(None) };
    let api: Api<PersistentVolume> = Api::all_with(cluster.client(), &volumes);
    let found = readable(api.get(&name).await, || format!("PersistentVolume {name}"))?;
    Ok(found.map(|volume| volume.spec))
}

/// `None` for what is not there, or not for us yet.
fn readable<K>(got: kube::Result<K>, object: impl FnOnce() -> String) -> Result<Option<K>, Error> {
    match got {
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_forbidden() => Ok(None),
        got => got.map(Some).map_err(Error::request(Verb::Get, object())),
    }
}

fn message(volume: &str, what: &str) -> String {
    format!(
        "volume {volume} is {what}, which only the host's administrator can mount, not this rootless node: \
         have it mounted on the host and use a hostPath or local volume of that folder"
    )
}

#[cfg(test)]
mod tests;
