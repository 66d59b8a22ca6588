//! Serving certificates of kubelets (`serverTLSBootstrap: true`): approves the requests that name no more than their node,
//! and records an event on the others.
//!
//! Kubernetes itself approves none of them, since it does not know which addresses a host has. Here a Node's addresses are
//! the HOST_IP under which the API server connects to its kubelet.

mod judge;

use crate::client::{describe, patch_params};
use crate::nodes::{NodeIdentity, watch_identities};
use crate::watch::{
    Change, Rows, Update, join_tables, page_config, skip_object_error, ticks, watch_changes, watch_reconnecting,
};
use crate::{Cluster, Error, ObjectRef, Verb};
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use judge::{Refusal, judge_request};
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use kube::api::Patch;
use kube::{Api, ResourceExt};
use serde_json::json;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

const SIGNER: &str = "kubernetes.io/kubelet-serving";
/// Reason of the event.
const REASON: &str = "ServingCertificateNotApproved";

/// A request that is neither approved nor denied.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PendingRequest {
    name: String,
    uid: String,
    pem: Vec<u8>,
    usages: Vec<String>,
    username: String,
    groups: Vec<String>,
}

/// A request, and whether to approve it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Verdict {
    request: PendingRequest,
    outcome: Result<(), Refusal>,
}

/// Refusals that have an event, by uid of the request: a change of a Node must not record them again.
type Reported = Mutex<BTreeSet<(String, String)>>;

/// Approves every request that may be approved. Never ends; drop it to stop.
pub async fn approve_serving_certificates(kubeconfig: &Path, mut report: impl FnMut(Update<()>)) -> Infallible {
    let reported = Reported::default();
    let reported = &reported;
    watch_reconnecting(kubeconfig, &mut report, move |cluster| {
        let verdicts = join_tables(watch_requests(&cluster), watch_identities(&cluster), ticks(), judge_all);
        verdicts.then(move |verdicts| carry_out_all(cluster.clone(), verdicts, reported)).boxed()
    })
    .await
}

fn watch_requests(cluster: &Cluster) -> impl Stream<Item = Result<Change<PendingRequest>, Error>> + use<> {
    let of_signer = page_config().fields(&format!("spec.signerName={SIGNER}"));
    watch_changes(cluster.all(), of_signer, "CertificateSigningRequests", PendingRequest::from_request)
}

fn judge_all(requests: &Rows<PendingRequest>, nodes: &Rows<NodeIdentity>) -> Vec<Verdict> {
    let verdict = |request: &PendingRequest| Verdict {
        request: request.clone(),
        outcome: judge_request(request, |node| nodes.values().find(|identity| identity.name == node)),
    };
    requests.values().map(verdict).collect()
}

impl PendingRequest {
    fn from_request(request: &CertificateSigningRequest) -> Option<Self> {
        let decided = request.status.as_ref().is_some_and(|status| {
            status.certificate.is_some() || status.conditions.as_ref().is_some_and(|conditions| !conditions.is_empty())
        });
        let spec = &request.spec;
        (!decided && spec.signer_name == SIGNER).then(|| Self {
            name: request.name_any(),
            uid: request.uid().unwrap_or_default(),
            pem: spec.request.0.clone(),
            usages: spec.usages.clone().unwrap_or_default(),
            username: spec.username.clone().unwrap_or_default(),
            groups: spec.groups.clone().unwrap_or_default(),
        })
    }
}

async fn carry_out_all(
    cluster: Cluster,
    verdicts: Result<Vec<Verdict>, Error>,
    reported: &Reported,
) -> Result<(), Error> {
    let verdicts = verdicts?;
    forget_decided(reported, &verdicts);
    for verdict in verdicts {
        skip_object_error(carry_out(&cluster, &verdict, reported).await)?;
    }
    Ok(())
}

/// Forgets the refusals of requests that are no longer pending.
fn forget_decided(reported: &Reported, verdicts: &[Verdict]) {
    let pending: BTreeSet<_> = verdicts.iter().map(|verdict| verdict.request.uid.as_str()).collect();
    reported.lock().unwrap_or_else(PoisonError::into_inner).retain(|(uid, _)| pending.contains(uid.as_str()));
}

async fn carry_out(cluster: &Cluster, verdict: &Verdict, reported: &Reported) -> Result<(), Error> {
    match &verdict.outcome {
        Ok(()) => approve_request(cluster, &verdict.request).await,
        // Its kubelet is about to register the Node, and that change leads to another verdict.
        Err(Refusal::NoNode(_)) => Ok(()),
        Err(refusal) => report_refusal(cluster, &verdict.request, &refusal.to_string(), reported).await,
    }
}

async fn approve_request(cluster: &Cluster, request: &PendingRequest) -> Result<(), Error> {
    let condition = json!({
        "type": "Approved",
        "status": "True",
        "reason": "NamesOfItsNode",
        "message": "every name and address belongs to the requesting node",
        "lastUpdateTime": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    });
    // The uid makes it an error if another request was created under the same name meanwhile.
    let patch =
        Patch::Strategic(json!({ "metadata": { "uid": request.uid }, "status": { "conditions": [condition] } }));
    let api: Api<CertificateSigningRequest> = cluster.all();
    match api.patch_subresource("approval", &request.name, &patch_params(), &patch).await {
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
        result => {
            let object = describe::<CertificateSigningRequest>(None, &request.name);
            result.map_err(Error::request(Verb::Apply, object))?;
            tracing::info!(request = request.name, user = request.username, "certificate request approved");
        }
    }
    Ok(())
}

async fn report_refusal(
    cluster: &Cluster,
    request: &PendingRequest,
    why: &str,
    reported: &Reported,
) -> Result<(), Error> {
    let new = reported.lock().unwrap_or_else(PoisonError::into_inner).insert((request.uid.clone(), why.to_owned()));
    if !new {
        return Ok(());
    }
    tracing::warn!(request = request.name, why, "certificate request not approved");
    let object = ObjectRef {
        api_version: "certificates.k8s.io/v1",
        kind: "CertificateSigningRequest",
        namespace: String::new(),
        name: request.name.clone(),
        uid: request.uid.clone(),
    };
    let message =
        format!("left for an administrator: {why} (kubectl certificate approve {name}, or deny)", name = request.name);
    cluster.record_event(&object, "", REASON, &message).await
}
