//! Events about requests that are not approved: on the request, and on the Node of the kubelet that made it.

use super::PendingRequest;
use super::judge::{Refusal, requesting_node};
use crate::{Cluster, Error, ObjectRef};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Reason of the events.
const REASON: &str = "ServingCertificateNotApproved";

/// Refusals that have an event, by uid of the request: a change of a Node must not record them again.
#[derive(Default)]
pub(super) struct Reported(Mutex<BTreeSet<(String, String)>>);

impl Reported {
    /// Forgets the refusals of requests that are no longer pending.
    pub(super) fn retain(&self, pending: &[PendingRequest]) {
        let pending: BTreeSet<_> = pending.iter().map(|request| request.uid.as_str()).collect();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(uid, _)| pending.contains(uid.as_str()));
    }

    /// Whether this is new.
    fn insert(&self, request: &PendingRequest, why: &str) -> bool {
        let entry = (request.uid.clone(), why.to_owned());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(entry)
    }
}

/// Records the events, once for each reason.
pub(super) async fn report_refusal(
    cluster: &Cluster,
    request: &PendingRequest,
    refusal: &Refusal,
    reported: &Reported,
) -> Result<(), Error> {
    let why = refusal.to_string();
    if !reported.insert(request, &why) {
        return Ok(());
    }
    let name = &request.name;
    tracing::warn!(request = name, why, "certificate request not approved");
    let message =
        format!("serving certificate not approved: {why}; an administrator may: kubectl certificate approve {name}");
    cluster.record_event(&request_ref(request), "", REASON, &message).await?;
    match requesting_node(request) {
        Some(node) => cluster.record_event(&node_ref(node), "", REASON, &message).await,
        None => Ok(()),
    }
}

fn request_ref(request: &PendingRequest) -> ObjectRef {
    ObjectRef {
        api_version: "certificates.k8s.io/v1",
        kind: "CertificateSigningRequest",
        namespace: String::new(),
        name: request.name.clone(),
        uid: request.uid.clone(),
    }
}

/// As in the kubelet's own Events: kubectl describe looks for the name in `uid`.
fn node_ref(name: &str) -> ObjectRef {
    ObjectRef { api_version: "v1", kind: "Node", namespace: String::new(), name: name.to_owned(), uid: name.to_owned() }
}
