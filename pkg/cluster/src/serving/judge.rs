//! Whether a certificate request names no more than the node of its kubelet.
//!
//! The address is the one that the control plane has registered for the Node. `Node.status` is no proof: its kubelet writes
//! it, and may write the control plane's address into it.

use super::PendingRequest;
use crate::kubeadm::rbac::SYSTEM_NODES;
use crate::nodes::{AddressRefusal, AddressRules, NodeIdentity, RegisteredAddresses};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use usernetes_pki::CertificateRequest;

const PREFIX: &str = "system:node:";
/// Usages of a serving certificate; one with an RSA key has one more.
const USAGES: [&str; 2] = ["digital signature", "server auth"];
const RSA_USAGE: &str = "key encipherment";

/// What to do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Approve,
    /// The Node has another address than the registered one. Approve if the kubelet there has a certificate of this Node.
    Prove {
        node: String,
        kubelet: SocketAddr,
        registered: IpAddr,
    },
    /// There is no such Node yet, or it has no address yet: its kubelet is about to register it.
    Wait,
    Refuse(Refusal),
}

/// Why a request is not approved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("it was made by {0}, which is not a kubelet")]
    Requestor(String),
    #[error("it is not a certificate request signed by its own key")]
    Unreadable,
    #[error("its subject is not that of {0} alone")]
    Subject(String),
    #[error("its usages are {0}, not exactly those of a server")]
    Usages(String),
    #[error("it names something other than host names and addresses")]
    OtherNames,
    #[error("it names no host and no address")]
    NoNames,
    #[error("{foreign} is not a name or address of node {node}")]
    Foreign { foreign: String, node: String },
    #[error(transparent)]
    Address(#[from] AddressRefusal),
    #[error("node {node} was at {registered} when it joined, and no kubelet with its certificate answers at {kubelet}")]
    Unproven { node: String, registered: IpAddr, kubelet: SocketAddr },
}

/// What the verdict depends on.
pub(super) struct Known<'a> {
    pub(super) nodes: &'a [&'a NodeIdentity],
    pub(super) registered: &'a RegisteredAddresses,
    pub(super) rules: &'a AddressRules,
}

/// Name of the Node of the kubelet that made a request.
pub(super) fn requesting_node(request: &PendingRequest) -> Option<&str> {
    let is_kubelet = request.groups.iter().any(|group| group == SYSTEM_NODES);
    request.username.strip_prefix(PREFIX).filter(|name| is_kubelet && !name.is_empty())
}

/// Compares a request with what is registered about the Node of the kubelet that made it.
pub(super) fn judge_request(request: &PendingRequest, known: &Known<'_>) -> Verdict {
    find_refusal(request, known).unwrap_or_else(Verdict::Refuse)
}

fn find_refusal(request: &PendingRequest, known: &Known<'_>) -> Result<Verdict, Refusal> {
    let user = &request.username;
    let name = requesting_node(request).ok_or_else(|| Refusal::Requestor(user.clone()))?;
    let asked = CertificateRequest::parse(&request.pem).ok_or(Refusal::Unreadable)?;
    if asked.common_names != [user.as_str()] || asked.organizations != [SYSTEM_NODES] {
        return Err(Refusal::Subject(user.clone()));
    }
    check_usages(&request.usages)?;
    if asked.more {
        return Err(Refusal::OtherNames);
    }
    if asked.names.is_empty() && asked.addresses.is_empty() {
        return Err(Refusal::NoNames);
    }
    if let Some(foreign) = asked.names.iter().find(|asked| *asked != name) {
        return Err(Refusal::Foreign { foreign: foreign.clone(), node: name.to_owned() });
    }
    for address in &asked.addresses {
        known.rules.check(name, *address, known.registered)?;
    }
    let Some(node) = known.nodes.iter().find(|node| node.name == name) else { return Ok(Verdict::Wait) };
    let Some(registered) = known.registered.address(name) else {
        // An address that may not be registered is the reason; without one the kubelet has not written it yet.
        return match node.address {
            Some(address) => {
                known.rules.check(name, address, known.registered).map_err(Into::into).map(|()| Verdict::Wait)
            }
            None => Ok(Verdict::Wait),
        };
    };
    match asked.addresses.iter().find(|asked| **asked != registered) {
        None => Ok(Verdict::Approve),
        Some(other) if asked.addresses.len() == 1 && node.address == Some(*other) => {
            let kubelet = SocketAddr::new(*other, node.kubelet_port);
            Ok(Verdict::Prove { node: name.to_owned(), kubelet, registered })
        }
        Some(other) => Err(Refusal::Foreign { foreign: other.to_string(), node: name.to_owned() }),
    }
}

fn check_usages(usages: &[String]) -> Result<(), Refusal> {
    let mut found: BTreeSet<&str> = usages.iter().map(String::as_str).collect();
    found.remove(RSA_USAGE);
    if found == BTreeSet::from(USAGES) { Ok(()) } else { Err(Refusal::Usages(usages.join(", "))) }
}

#[cfg(test)]
mod tests;
