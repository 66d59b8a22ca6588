//! Whether a certificate request names no more than the node of its kubelet.

use super::PendingRequest;
use crate::kubeadm::rbac::SYSTEM_NODES;
use crate::nodes::NodeIdentity;
use std::collections::BTreeSet;
use usernetes_pki::CertificateRequest;

const PREFIX: &str = "system:node:";
/// Usages of a serving certificate; one with an RSA key has one more.
const USAGES: [&str; 2] = ["digital signature", "server auth"];
const RSA_USAGE: &str = "key encipherment";

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
    #[error("there is no Node {0}")]
    NoNode(String),
    #[error("{foreign} is not a name or address of node {node}")]
    Foreign { foreign: String, node: String },
}

/// Compares a request with the Node of the kubelet that made it.
pub(super) fn judge_request<'a>(
    request: &PendingRequest,
    node: impl FnOnce(&str) -> Option<&'a NodeIdentity>,
) -> Result<(), Refusal> {
    let user = &request.username;
    let is_kubelet = request.groups.iter().any(|group| group == SYSTEM_NODES);
    let name = user.strip_prefix(PREFIX).filter(|name| is_kubelet && !name.is_empty());
    let name = name.ok_or_else(|| Refusal::Requestor(user.clone()))?;
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
    let node = node(name).ok_or_else(|| Refusal::NoNode(name.to_owned()))?;
    let names = asked.names.iter().filter(|asked| *asked != name && !node.names.contains(*asked)).cloned();
    let addresses = asked.addresses.difference(&node.addresses).map(ToString::to_string);
    match names.chain(addresses).next() {
        Some(foreign) => Err(Refusal::Foreign { foreign, node: name.to_owned() }),
        None => Ok(()),
    }
}

fn check_usages(usages: &[String]) -> Result<(), Refusal> {
    let mut found: BTreeSet<&str> = usages.iter().map(String::as_str).collect();
    found.remove(RSA_USAGE);
    if found == BTreeSet::from(USAGES) { Ok(()) } else { Err(Refusal::Usages(usages.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

    fn request(common_name: &str, organization: &str, names: &[&str], addresses: &[&str]) -> PendingRequest {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, organization);
        params.distinguished_name.push(DnType::CommonName, common_name);
        let names = names.iter().map(|name| SanType::DnsName((*name).try_into().expect("a name")));
        let addresses = addresses.iter().map(|address| SanType::IpAddress(address.parse().expect("an address")));
        params.subject_alt_names = names.chain(addresses).collect();
        let request = params.serialize_request(&KeyPair::generate().expect("a key")).expect("a request");
        PendingRequest {
            name: "csr-a".to_owned(),
            uid: String::new(),
            pem: request.pem().expect("PEM").into_bytes(),
            usages: USAGES.map(str::to_owned).to_vec(),
            username: "system:node:host2".to_owned(),
            groups: vec![SYSTEM_NODES.to_owned(), "system:authenticated".to_owned()],
        }
    }

    fn verdict_on(request: &PendingRequest) -> String {
        let node = NodeIdentity {
            name: "host2".to_owned(),
            names: ["host2.example".to_owned()].into(),
            addresses: ["198.51.100.12".parse().expect("an address")].into(),
        };
        let found = judge_request(request, |name| Some(&node).filter(|node| node.name == name));
        found.map_or_else(|refusal| refusal.to_string(), |()| "approved".to_owned())
    }

    fn good_request() -> PendingRequest {
        request("system:node:host2", SYSTEM_NODES, &["host2", "host2.example"], &["198.51.100.12"])
    }

    #[test]
    fn names_of_its_node_are_approved() {
        assert_eq!(verdict_on(&good_request()), "approved");
        let mut rsa = good_request();
        rsa.usages.push(RSA_USAGE.to_owned());
        assert_eq!(verdict_on(&rsa), "approved");
    }

    #[test]
    fn anything_else_is_refused() {
        let mine = "system:node:host2";
        let cases = [
            request(mine, SYSTEM_NODES, &["host1"], &["198.51.100.12"]),
            request(mine, SYSTEM_NODES, &["host2"], &["198.51.100.11"]),
            request(mine, SYSTEM_NODES, &["*.example"], &[]),
            request(mine, SYSTEM_NODES, &[], &[]),
            request("system:node:host1", SYSTEM_NODES, &["host2"], &[]),
            request(mine, "system:masters", &["host2"], &[]),
            PendingRequest {
                username: "system:node:host3".to_owned(),
                ..request("system:node:host3", SYSTEM_NODES, &["host3"], &[])
            },
            PendingRequest { username: "alice".to_owned(), ..good_request() },
            PendingRequest { groups: vec!["system:authenticated".to_owned()], ..good_request() },
            PendingRequest { usages: vec!["client auth".to_owned(), "server auth".to_owned()], ..good_request() },
            PendingRequest {
                usages: ["digital signature", "server auth", "client auth"].map(str::to_owned).to_vec(),
                ..good_request()
            },
            PendingRequest { pem: b"nonsense".to_vec(), ..good_request() },
        ];
        let all: Vec<_> = cases.iter().map(verdict_on).collect();
        insta::assert_snapshot!(all.join("\n"), @r#"
        host1 is not a name or address of node host2
        198.51.100.11 is not a name or address of node host2
        *.example is not a name or address of node host2
        it names no host and no address
        its subject is not that of system:node:host2 alone
        its subject is not that of system:node:host2 alone
        there is no Node host3
        it was made by alice, which is not a kubelet
        it was made by system:node:host2, which is not a kubelet
        its usages are client auth, server auth, not exactly those of a server
        its usages are digital signature, server auth, client auth, not exactly those of a server
        it is not a certificate request signed by its own key
        "#);
    }
}
