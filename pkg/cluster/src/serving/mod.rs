//! Serving certificates of kubelets (`serverTLSBootstrap: true`): approves the requests that ask for no more than their
//! node has, and says of the others why they wait.
//!
//! Kubernetes itself approves none of them, since it does not know whose addresses those are. We do: a Node's addresses are
//! the HOST_IP under which the API server speaks to its kubelet.

mod judge;

use crate::client::{MANAGER, describe};
use crate::services::Update;
use crate::services::follow::{Change, Table};
use crate::services::peers::{Identity, watch_identities};
use crate::services::session::{broken, config, forever, of_one_object, with_ticks};
use crate::{Cluster, Error, Involved, Verb};
use futures::future::ready;
use futures::{Stream, StreamExt, stream};
use jiff::Timestamp;
use judge::{Refusal, judge};
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use kube::api::{Patch, PatchParams};
use kube::runtime::watcher::watcher;
use kube::{Api, ResourceExt};
use serde_json::json;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

const SIGNER: &str = "kubernetes.io/kubelet-serving";
/// Reason of the event.
const REASON: &str = "ServingCertificateNotApproved";

/// A request that nobody has decided on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pending {
    name: String,
    uid: String,
    pem: Vec<u8>,
    usages: Vec<String>,
    username: String,
    groups: Vec<String>,
}

/// What to do about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Verdict {
    request: Pending,
    outcome: Result<(), Refusal>,
}

/// What was told already, by uid of the request: not again with every change of a Node.
type Told = Arc<Mutex<BTreeSet<(String, String)>>>;

/// Approves what may be approved. Never ends; drop it to stop.
pub async fn approve_serving(kubeconfig: &Path, mut report: impl FnMut(Update<()>)) -> Infallible {
    let told = Told::default();
    forever(kubeconfig, &mut report, |cluster| {
        let (cluster, told) = (cluster.clone(), Arc::clone(&told));
        let act = {
            let cluster = cluster.clone();
            move |verdicts: Result<Vec<Verdict>, Error>| {
                let (cluster, told) = (cluster.clone(), Arc::clone(&told));
                async move {
                    let verdicts = verdicts?;
                    forget(&told, &verdicts);
                    for verdict in verdicts {
                        of_one_object(carry_out(&cluster, &verdict, &told).await)?;
                    }
                    Ok(())
                }
            }
        };
        verdicts(&cluster).then(act).boxed()
    })
    .await
}

enum Seen {
    Request(Change<Pending>),
    Node(Change<Identity>),
}

/// What has to be done after each change and now and then, as soon as everything was heard of once.
fn verdicts(cluster: &Cluster) -> impl Stream<Item = Result<Vec<Verdict>, Error>> + use<> {
    let (mut requests, mut nodes) = (Table::default(), Table::default());
    let api: Api<CertificateSigningRequest> = cluster.all();
    let watch_requests = watcher(api, config().fields(&format!("spec.signerName={SIGNER}"))).map(|event| match event {
        Ok(event) => Ok(Seen::Request(Change::of(event, pending))),
        Err(error) => Err(broken("CertificateSigningRequests", error)),
    });
    let watch_nodes = watch_identities(cluster).map(|change| change.map(Seen::Node));
    with_ticks(stream::select(watch_requests, watch_nodes)).filter_map(move |change| {
        let change = change.transpose().map(|change| match change {
            Some(Seen::Request(change)) => requests.change(change),
            Some(Seen::Node(change)) => nodes.change(change),
            None => (),
        });
        let verdict = |request: &Pending| Verdict {
            request: request.clone(),
            outcome: judge(request, |node| nodes.rows.values().find(|identity| identity.name == node)),
        };
        let state = || requests.rows.values().map(verdict).collect();
        ready(change.map(|()| (requests.complete && nodes.complete).then(state)).transpose())
    })
}

fn pending(request: &CertificateSigningRequest) -> Option<Pending> {
    let decided = request.status.as_ref().is_some_and(|status| {
        status.certificate.is_some() || status.conditions.as_ref().is_some_and(|conditions| !conditions.is_empty())
    });
    let spec = &request.spec;
    (!decided && spec.signer_name == SIGNER).then(|| Pending {
        name: request.name_any(),
        uid: request.uid().unwrap_or_default(),
        pem: spec.request.0.clone(),
        usages: spec.usages.clone().unwrap_or_default(),
        username: spec.username.clone().unwrap_or_default(),
        groups: spec.groups.clone().unwrap_or_default(),
    })
}

/// What was said of requests that are no longer there.
fn forget(told: &Told, verdicts: &[Verdict]) {
    let pending: BTreeSet<_> = verdicts.iter().map(|verdict| verdict.request.uid.as_str()).collect();
    told.lock().unwrap_or_else(PoisonError::into_inner).retain(|(uid, _)| pending.contains(uid.as_str()));
}

async fn carry_out(cluster: &Cluster, verdict: &Verdict, told: &Told) -> Result<(), Error> {
    match &verdict.outcome {
        Ok(()) => approve(cluster, &verdict.request).await,
        // Its kubelet registers it in this very moment; that is a change, and we are asked again.
        Err(Refusal::NoNode(_)) => Ok(()),
        Err(refusal) => tell(cluster, &verdict.request, &refusal.to_string(), told).await,
    }
}

async fn approve(cluster: &Cluster, request: &Pending) -> Result<(), Error> {
    let condition = json!({
        "type": "Approved",
        "status": "True",
        "reason": "NamesOfItsNode",
        "message": "every name and address is one of the node that asks",
        "lastUpdateTime": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    });
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    // The uid makes it an error if the request was made anew under its old name.
    let patch =
        Patch::Strategic(json!({ "metadata": { "uid": request.uid }, "status": { "conditions": [condition] } }));
    let api: Api<CertificateSigningRequest> = cluster.all();
    match api.patch_subresource("approval", &request.name, &params, &patch).await {
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        result => {
            let object = describe::<CertificateSigningRequest>(None, &request.name);
            result.map(drop).map_err(Error::request(Verb::Apply, object))
        }
    }
}

async fn tell(cluster: &Cluster, request: &Pending, why: &str, told: &Told) -> Result<(), Error> {
    let new = told.lock().unwrap_or_else(PoisonError::into_inner).insert((request.uid.clone(), why.to_owned()));
    if !new {
        return Ok(());
    }
    tracing::warn!(request = request.name, why, "serving certificate of a kubelet not approved");
    let about = Involved {
        api_version: "certificates.k8s.io/v1",
        kind: "CertificateSigningRequest",
        namespace: String::new(),
        name: request.name.clone(),
        uid: request.uid.clone(),
    };
    let message =
        format!("left for an administrator: {why} (kubectl certificate approve {name}, or deny)", name = request.name);
    cluster.event(&about, "", REASON, &message).await
}
