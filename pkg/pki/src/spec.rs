//! kubeadm's certificate tree as a table.
//!
//! Mirrors `cmd/kubeadm/app/phases/certs/certlist.go`, in the form of Kubernetes 1.37:
//! `apiserver-kubelet-client` has no organisation and gets its rights from a ClusterRoleBinding.

use crate::CertParams;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use usernetes_api::ServiceNetwork;

/// What stands as common name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommonName {
    /// This.
    Fixed(&'static str),
    /// The node's name.
    NodeName,
}

/// Extended key usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// TLS server.
    Server,
    /// TLS client.
    Client,
}

/// Which names and addresses a certificate carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SanRule {
    /// None.
    Nothing,
    /// The common name: Go's helper for CAs adds it.
    CommonName,
    /// The API server's.
    ApiServer,
    /// etcd's server certificate.
    EtcdServer,
    /// etcd's peer certificate.
    EtcdPeer,
}

/// One certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertSpec {
    /// kubeadm's name, as in `init phase certs NAME` and `certs renew NAME`.
    pub name: &'static str,
    /// Path below the PKI folder without `.crt` and `.key`.
    pub file: &'static str,
    /// Name of the CA that signs it; `None` for a CA.
    pub ca: Option<&'static str>,
    /// Subject.
    pub common_name: CommonName,
    /// Extended usages; none for a CA.
    pub usages: &'static [Usage],
    /// Names and addresses.
    pub sans: SanRule,
    /// For people.
    pub description: &'static str,
}

/// Name of the service-account key pair, which has no certificate.
pub const SERVICE_ACCOUNT: &str = "sa";

const fn ca(name: &'static str, file: &'static str, cn: &'static str, description: &'static str) -> CertSpec {
    let common_name = CommonName::Fixed(cn);
    CertSpec { name, file, ca: None, common_name, usages: &[], sans: SanRule::CommonName, description }
}

const fn client(
    name: &'static str,
    file: &'static str,
    ca: &'static str,
    cn: &'static str,
    description: &'static str,
) -> CertSpec {
    let common_name = CommonName::Fixed(cn);
    CertSpec { name, file, ca: Some(ca), common_name, usages: &[Usage::Client], sans: SanRule::Nothing, description }
}

const fn etcd(name: &'static str, file: &'static str, sans: SanRule, description: &'static str) -> CertSpec {
    let common_name = CommonName::NodeName;
    // etcd's own gateway is a client of its server, so the server's certificate has to do for both.
    CertSpec { name, file, ca: Some("etcd-ca"), common_name, usages: &[Usage::Server, Usage::Client], sans, description }
}

/// Every certificate; a CA stands before what it signs.
pub const CERTIFICATES: [CertSpec; 10] = [
    ca("ca", "ca", "kubernetes", "CA of the cluster"),
    CertSpec {
        name: "apiserver",
        file: "apiserver",
        ca: Some("ca"),
        common_name: CommonName::Fixed("kube-apiserver"),
        usages: &[Usage::Server],
        sans: SanRule::ApiServer,
        description: "kube-apiserver to its clients",
    },
    client(
        "apiserver-kubelet-client",
        "apiserver-kubelet-client",
        "ca",
        "kube-apiserver-kubelet-client",
        "kube-apiserver to kubelets",
    ),
    ca("front-proxy-ca", "front-proxy-ca", "front-proxy-ca", "CA of the aggregation layer"),
    client(
        "front-proxy-client",
        "front-proxy-client",
        "front-proxy-ca",
        "front-proxy-client",
        "kube-apiserver to aggregated API servers",
    ),
    ca("etcd-ca", "etcd/ca", "etcd-ca", "CA of etcd"),
    etcd("etcd-server", "etcd/server", SanRule::EtcdServer, "etcd to its clients"),
    etcd("etcd-peer", "etcd/peer", SanRule::EtcdPeer, "etcd members to each other"),
    client(
        "etcd-healthcheck-client",
        "etcd/healthcheck-client",
        "etcd-ca",
        "kube-etcd-healthcheck-client",
        "health checks to etcd",
    ),
    client(
        "apiserver-etcd-client",
        "apiserver-etcd-client",
        "etcd-ca",
        "kube-apiserver-etcd-client",
        "kube-apiserver to etcd",
    ),
];

/// The certificate of that name.
pub fn find(name: &str) -> Option<&'static CertSpec> {
    CERTIFICATES.iter().find(|spec| spec.name == name)
}

/// Names and addresses, each once and sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sans {
    /// DNS names, wildcards included.
    pub names: BTreeSet<String>,
    /// Addresses.
    pub addresses: BTreeSet<IpAddr>,
}

impl Sans {
    fn add(&mut self, text: &str) {
        match text.parse() {
            Ok(address) => self.addresses.insert(address),
            Err(_) => self.names.insert(text.to_owned()),
        };
    }

    fn of(texts: &[&str], addresses: &[IpAddr], extra: &[String]) -> Self {
        let mut sans = Self::default();
        sans.addresses.extend(addresses);
        texts.iter().filter(|t| !t.is_empty()).for_each(|t| sans.add(t));
        extra.iter().for_each(|t| sans.add(t));
        sans
    }
}

impl CertSpec {
    /// The subject's common name on this node.
    pub fn common_name<'a>(&self, params: &'a CertParams) -> &'a str {
        match self.common_name {
            CommonName::Fixed(name) => name,
            CommonName::NodeName => &params.node_name,
        }
    }

    /// What the certificate must be good for.
    pub fn sans(&self, params: &CertParams) -> Sans {
        match self.sans {
            SanRule::Nothing => Sans::default(),
            SanRule::CommonName => Sans::of(&[self.common_name(params)], &[], &[]),
            SanRule::ApiServer => api_server(params),
            SanRule::EtcdServer => etcd_sans(params, &params.etcd_server_sans),
            SanRule::EtcdPeer => etcd_sans(params, &params.etcd_peer_sans),
        }
    }
}

fn api_server(params: &CertParams) -> Sans {
    let domain = format!("kubernetes.default.svc.{}", params.dns_domain);
    let endpoint = params.control_plane_endpoint.as_ref().map_or("", |e| &e.host);
    let names = [&params.node_name, "kubernetes", "kubernetes.default", "kubernetes.default.svc", &domain, endpoint];
    let addresses = [ServiceNetwork(params.service_network).api_server(), params.advertise_address];
    Sans::of(&names, &addresses, &params.api_server_sans)
}

fn etcd_sans(params: &CertParams, extra: &[String]) -> Sans {
    let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into(), params.advertise_address];
    Sans::of(&[&params.node_name, "localhost"], &loopback, extra)
}
