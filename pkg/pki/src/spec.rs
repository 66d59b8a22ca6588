//! kubeadm's certificate tree as a table.
//!
//! Mirrors `cmd/kubeadm/app/phases/certs/certlist.go`, in the form of Kubernetes 1.37:
//! `apiserver-kubelet-client` has no organisation and gets its rights from a ClusterRoleBinding.

use crate::CertParams;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use usernetes_api::ServiceNetwork;

/// Common name of a subject.
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
    /// Path below the PKI directory without `.crt` and `.key`.
    pub file: &'static str,
    /// Name of the CA that signs it; `None` for a CA.
    pub ca: Option<&'static str>,
    /// Subject.
    pub common_name: CommonName,
    /// Extended usages; none for a CA.
    pub usages: &'static [Usage],
    /// Names and addresses.
    pub sans: SanRule,
    /// kubeadm's description of the certificate, for help texts.
    pub description: &'static str,
}

/// Name of the service-account key pair, which has no certificate.
pub const SERVICE_ACCOUNT: &str = "sa";
/// Name of the CA that signs serving certificates of kubelets.
pub const KUBELET_SERVING_CA: &str = "kubelet-serving-ca";
/// kubeadm's description of the service-account key pair.
pub const SERVICE_ACCOUNT_DESCRIPTION: &str =
    "Private key for signing service account tokens along with its public key";

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
    CertSpec {
        name,
        file,
        ca: Some("etcd-ca"),
        common_name,
        usages: &[Usage::Server, Usage::Client],
        sans,
        description,
    }
}

/// Every certificate; a CA comes before the certificates that it signs.
pub const CERTIFICATES: [CertSpec; 11] = [
    ca("ca", "ca", "kubernetes", "Self-signed Kubernetes CA to provision identities for other Kubernetes components"),
    CertSpec {
        name: "apiserver",
        file: "apiserver",
        ca: Some("ca"),
        common_name: CommonName::Fixed("kube-apiserver"),
        usages: &[Usage::Server],
        sans: SanRule::ApiServer,
        description: "Certificate for serving the Kubernetes API",
    },
    client(
        "apiserver-kubelet-client",
        "apiserver-kubelet-client",
        "ca",
        "kube-apiserver-kubelet-client",
        "Certificate for the API server to connect to kubelet",
    ),
    // Not kubeadm's. A worker may ask for a serving certificate of a kubelet; by this CA it is good for that alone.
    ca(
        KUBELET_SERVING_CA,
        KUBELET_SERVING_CA,
        KUBELET_SERVING_CA,
        "Self-signed CA to provision serving certificates of kubelets, which only the API server trusts",
    ),
    ca("front-proxy-ca", "front-proxy-ca", "front-proxy-ca", "Self-signed CA to provision identities for front proxy"),
    client(
        "front-proxy-client",
        "front-proxy-client",
        "front-proxy-ca",
        "front-proxy-client",
        "Certificate for the front proxy client",
    ),
    ca("etcd-ca", "etcd/ca", "etcd-ca", "Self-signed CA to provision identities for etcd"),
    etcd("etcd-server", "etcd/server", SanRule::EtcdServer, "Certificate for serving etcd"),
    etcd("etcd-peer", "etcd/peer", SanRule::EtcdPeer, "Certificate for etcd nodes to communicate with each other"),
    client(
        "etcd-healthcheck-client",
        "etcd/healthcheck-client",
        "etcd-ca",
        "kube-etcd-healthcheck-client",
        "Certificate for liveness probes to healthcheck etcd",
    ),
    client(
        "apiserver-etcd-client",
        "apiserver-etcd-client",
        "etcd-ca",
        "kube-apiserver-etcd-client",
        "Certificate the apiserver uses to access etcd",
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
        let texts = texts.iter().copied().filter(|text| !text.is_empty());
        for text in texts.chain(extra.iter().map(String::as_str)) {
            sans.add(text);
        }
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
            SanRule::ApiServer => api_server_sans(params),
            SanRule::EtcdServer => etcd_sans(params, &params.etcd_server_sans),
            SanRule::EtcdPeer => etcd_sans(params, &params.etcd_peer_sans),
        }
    }
}

fn api_server_sans(params: &CertParams) -> Sans {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::params;
    use std::fmt::Write as _;
    use usernetes_api::EncryptionAlgorithm;

    fn table(params: &CertParams) -> String {
        let mut table = String::new();
        for spec in &CERTIFICATES {
            let Sans { names, addresses } = spec.sans(params);
            let (cn, ca) = (spec.common_name(params), spec.ca.unwrap_or("self"));
            writeln!(table, "{} {} by={ca} CN={cn} {:?} {names:?} {addresses:?}", spec.name, spec.file, spec.usages)
                .unwrap();
        }
        table
    }

    #[test]
    fn as_kubeadm_has_it() {
        insta::assert_snapshot!(table(&params(EncryptionAlgorithm::EcdsaP256)), @r#"
ca ca by=self CN=kubernetes [] {"kubernetes"} {}
apiserver apiserver by=ca CN=kube-apiserver [Server] {"alice", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"} {10.96.0.1, 198.51.100.11}
apiserver-kubelet-client apiserver-kubelet-client by=ca CN=kube-apiserver-kubelet-client [Client] {} {}
kubelet-serving-ca kubelet-serving-ca by=self CN=kubelet-serving-ca [] {"kubelet-serving-ca"} {}
front-proxy-ca front-proxy-ca by=self CN=front-proxy-ca [] {"front-proxy-ca"} {}
front-proxy-client front-proxy-client by=front-proxy-ca CN=front-proxy-client [Client] {} {}
etcd-ca etcd/ca by=self CN=etcd-ca [] {"etcd-ca"} {}
etcd-server etcd/server by=etcd-ca CN=alice [Server, Client] {"alice", "localhost"} {127.0.0.1, 198.51.100.11, ::1}
etcd-peer etcd/peer by=etcd-ca CN=alice [Server, Client] {"alice", "localhost"} {127.0.0.1, 198.51.100.11, ::1}
etcd-healthcheck-client etcd/healthcheck-client by=etcd-ca CN=kube-etcd-healthcheck-client [Client] {} {}
apiserver-etcd-client apiserver-etcd-client by=etcd-ca CN=kube-apiserver-etcd-client [Client] {} {}
"#);
    }

    #[test]
    fn with_everything_set() {
        let mut params = params(EncryptionAlgorithm::EcdsaP256);
        params.control_plane_endpoint = Some("api.example.org:443".parse().unwrap());
        params.api_server_sans = vec!["*.example.org".into(), "198.51.100.11".into(), "2001:db8::1".into()];
        params.etcd_server_sans = vec!["etcd.example.org".into()];
        params.etcd_peer_sans = vec!["198.51.100.12".into()];
        let text = table(&params);
        let serving: Vec<_> = text.lines().filter(|l| l.contains("Server")).collect();
        insta::assert_snapshot!(serving.join("\n"), @r#"
apiserver apiserver by=ca CN=kube-apiserver [Server] {"*.example.org", "alice", "api.example.org", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"} {10.96.0.1, 198.51.100.11, 2001:db8::1}
etcd-server etcd/server by=etcd-ca CN=alice [Server, Client] {"alice", "etcd.example.org", "localhost"} {127.0.0.1, 198.51.100.11, ::1}
etcd-peer etcd/peer by=etcd-ca CN=alice [Server, Client] {"alice", "localhost"} {127.0.0.1, 198.51.100.11, 198.51.100.12, ::1}
"#);
    }

    #[test]
    fn a_ca_stands_before_its_leaves() {
        for (i, spec) in CERTIFICATES.iter().enumerate() {
            assert!(spec.ca.is_none_or(|ca| CERTIFICATES[..i].iter().any(|c| c.name == ca)), "{}", spec.name);
        }
    }
}
