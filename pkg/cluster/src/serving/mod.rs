//! Serving certificates of kubelets (`serverTLSBootstrap: true`): approves the requests that name no more than their node,
//! and records events about the others.
//!
//! Kubernetes itself approves none of them, since it does not know which addresses a host has. Here each Node has one address
//! in a map that kubelets cannot write: the first that its kubelet reported. A host that moves proves it with the certificate
//! that it has: its kubelet has to answer at the new address with the key of a certificate for this Node.

mod judge;
mod prove;
mod report;

use crate::client::{describe, patch_params};
use crate::kubeadm::rbac::SYSTEM_NODES;
use crate::nodes::{AddressRules, NodeIdentity, RegisteredAddresses, watch_identities};
use crate::watch::{
    Change, Rows, Update, join_tables, page_config, skip_object_error, ticks, watch_changes, watch_reconnecting,
};
use crate::{Cluster, Error, Verb};
use futures::future::{join_all, ready};
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use judge::{Known, Refusal, Verdict, judge_request};
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use kube::api::Patch;
use kube::{Api, ResourceExt};
use report::Reported;
use serde_json::json;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SIGNER: &str = "kubernetes.io/kubelet-serving";
/// How long to try to see the kubelet of a host that has moved, which starts while its request arrives; the next tick tries
/// again. All other requests wait meanwhile.
const PROOF_LIMIT: Duration = Duration::from_secs(4);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// Most changes of requests and Nodes that are worked off together.
const CHANGES: usize = 256;

/// What the approval of serving certificates depends on.
#[derive(Clone, Debug)]
pub struct ServingPolicy {
    /// Addresses that no Node may have.
    pub rules: AddressRules,
    /// Certificate of the CA that signs serving certificates of kubelets.
    pub ca: PathBuf,
    /// Whether to report that every kubelet has a certificate of the CA, which takes a connection to each.
    pub check_all: bool,
}

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

/// The requests and the Nodes at one moment.
struct Round {
    requests: Vec<PendingRequest>,
    nodes: Vec<NodeIdentity>,
}

/// Approves every request that may be approved. Never ends; drop it to stop.
///
/// The state that it reports is whether every kubelet has a certificate of the CA, where the policy asks for it.
pub async fn approve_serving_certificates(
    kubeconfig: &Path,
    policy: &ServingPolicy,
    mut report: impl FnMut(Update<bool>),
) -> Infallible {
    let reported = Reported::default();
    let reported = &reported;
    watch_reconnecting(kubeconfig, &mut report, move |cluster| {
        let rounds = join_tables(watch_requests(&cluster), watch_identities(&cluster), ticks(), Round::new);
        // Work takes longer than changes: only the last of those that came meanwhile counts.
        let latest = rounds.ready_chunks(CHANGES).filter_map(|rounds| ready(latest_round(rounds)));
        latest.then(move |round| work_off(cluster.clone(), round, policy, reported)).boxed()
    })
    .await
}

fn watch_requests(cluster: &Cluster) -> impl Stream<Item = Result<Change<PendingRequest>, Error>> + use<> {
    let of_signer = page_config().fields(&format!("spec.signerName={SIGNER}"));
    watch_changes(cluster.all(), of_signer, "CertificateSigningRequests", PendingRequest::from_request)
}

fn latest_round(rounds: Vec<Result<Round, Error>>) -> Option<Result<Round, Error>> {
    let rounds: Result<Vec<_>, _> = rounds.into_iter().collect();
    rounds.map(|mut rounds| rounds.pop()).transpose()
}

impl Round {
    fn new(requests: &Rows<PendingRequest>, nodes: &Rows<NodeIdentity>) -> Self {
        Self { requests: requests.values().cloned().collect(), nodes: nodes.values().cloned().collect() }
    }
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

/// Registers the addresses of new Nodes, then decides about every request.
async fn work_off(
    cluster: Cluster,
    round: Result<Round, Error>,
    policy: &ServingPolicy,
    reported: &Reported,
) -> Result<bool, Error> {
    let Round { requests, nodes } = round?;
    reported.retain(&requests);
    let mut registered = cluster.registered_addresses().await?;
    let nodes: Vec<_> = nodes.iter().collect();
    if registered.reconcile(&nodes, &policy.rules) {
        cluster.write_registered_addresses(&mut registered).await?;
    }
    let known = Known { nodes: &nodes, registered: &registered, rules: &policy.rules };
    let verdicts: Vec<_> = requests.iter().map(|request| (request, judge_request(request, &known))).collect();
    let verdicts = join_all(verdicts.into_iter().map(|(request, verdict)| seek_proof(request, verdict, policy))).await;
    for (request, verdict) in verdicts {
        skip_object_error(carry_out(&cluster, request, &verdict, &mut registered, reported).await)?;
    }
    Ok(policy.check_all && are_all_verified(&nodes, &registered, policy).await)
}

/// Replaces [`Verdict::Prove`] by a refusal where no kubelet of the Node is at its new address.
async fn seek_proof<'a>(
    request: &'a PendingRequest,
    verdict: Verdict,
    policy: &ServingPolicy,
) -> (&'a PendingRequest, Verdict) {
    let Verdict::Prove { node, kubelet, registered } = &verdict else { return (request, verdict) };
    let begin = Instant::now();
    loop {
        if prove::connect(*kubelet, &policy.ca).await.is_ok_and(|shown| shown.is_of_node(node)) {
            return (request, verdict);
        }
        if begin.elapsed() >= PROOF_LIMIT {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    let refusal = Refusal::Unproven { node: node.clone(), registered: *registered, kubelet: *kubelet };
    (request, Verdict::Refuse(refusal))
}

async fn carry_out(
    cluster: &Cluster,
    request: &PendingRequest,
    verdict: &Verdict,
    registered: &mut RegisteredAddresses,
    reported: &Reported,
) -> Result<(), Error> {
    match verdict {
        Verdict::Approve => approve_request(cluster, request).await,
        Verdict::Prove { node, kubelet, .. } => {
            registered.set(node, kubelet.ip());
            cluster.write_registered_addresses(registered).await?;
            tracing::info!(node, address = %kubelet.ip(), "node has moved to another address");
            approve_request(cluster, request).await
        }
        Verdict::Wait => Ok(()),
        Verdict::Refuse(refusal) => report::report_refusal(cluster, request, refusal, reported).await,
    }
}

/// Whether the API server could verify the kubelet of every Node.
async fn are_all_verified(nodes: &[&NodeIdentity], registered: &RegisteredAddresses, policy: &ServingPolicy) -> bool {
    let checks = nodes.iter().map(|node| async {
        let Some(address) = registered.address(&node.name) else { return false };
        let kubelet = SocketAddr::new(address, node.kubelet_port);
        let shown = prove::connect(kubelet, &policy.ca).await;
        shown.is_ok_and(|shown| shown.is_of_node(&node.name) && shown.is_for_address(kubelet))
    });
    !nodes.is_empty() && join_all(checks).await.into_iter().all(|verified| verified)
}

async fn approve_request(cluster: &Cluster, request: &PendingRequest) -> Result<(), Error> {
    let condition = json!({
        "type": "Approved",
        "status": "True",
        "reason": "NamesOfItsNode",
        "message": "it names its node and the registered address of this node, and nothing else",
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
