//! `certs`: keys and certificates.

use super::InitData;
use crate::errors::Hinted;
use crate::workflow::{Part, Phase};
use anyhow::Result;
use usernetes_api::constants::PKI_DIR;
use usernetes_pki::CertParams;
use usernetes_pki::store::{self, Action, Outcome, PkiError};

/// Makes what is missing; valid pairs stay.
pub(super) struct Certs;

/// kubeadm's names; a test compares them with the library's table.
const PARTS: [Part; 11] = [
    Part { name: "ca", short: "CA of the cluster" },
    Part { name: "apiserver", short: "kube-apiserver to its clients" },
    Part { name: "apiserver-kubelet-client", short: "kube-apiserver to kubelets" },
    Part { name: "front-proxy-ca", short: "CA of the aggregation layer" },
    Part { name: "front-proxy-client", short: "kube-apiserver to aggregated API servers" },
    Part { name: "etcd-ca", short: "CA of etcd" },
    Part { name: "etcd-server", short: "etcd to its clients" },
    Part { name: "etcd-peer", short: "etcd members to each other" },
    Part { name: "etcd-healthcheck-client", short: "Health checks to etcd" },
    Part { name: "apiserver-etcd-client", short: "kube-apiserver to etcd" },
    Part { name: "sa", short: "Key pair that signs service account tokens" },
];

impl Phase<InitData> for Certs {
    fn name(&self) -> &'static str {
        "certs"
    }

    fn short(&self) -> &'static str {
        "Make keys and certificates"
    }

    fn parts(&self) -> &'static [Part] {
        &PARTS
    }

    fn run(&self, data: &mut InitData, parts: &[&'static str]) -> Result<String> {
        let params = CertParams::from_config(&data.node.config)?;
        let pki = data.node.session.paths.node(PKI_DIR);
        let outcomes = if parts.len() == PARTS.len() {
            store::ensure_all(&pki, &params).map_err(hinted)?
        } else {
            parts.iter().map(|name| store::ensure(&pki, name, &params).map_err(hinted)).collect::<Result<_>>()?
        };
        Ok(summary(&outcomes, params.policy.algorithm.name()))
    }
}

/// `10 made, ECDSA-P256; 1 kept`
pub(super) fn summary(outcomes: &[Outcome], algorithm: &str) -> String {
    let made = outcomes.iter().filter(|o| o.action == Action::Made).count();
    match (made, outcomes.len() - made) {
        (0, kept) => format!("{kept} valid ones kept"),
        (made, 0) => format!("{made} made, {algorithm}"),
        (made, kept) => format!("{made} made, {algorithm}; {kept} valid ones kept"),
    }
}

pub(super) fn hinted(error: PkiError) -> anyhow::Error {
    match error.hint() {
        Some(cure) => Hinted::new("the PKI cannot be used as it is", cure).because(error),
        None => error.into(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn parts_are_the_librarys_table() {
        let mut table: Vec<_> = usernetes_pki::spec::CERTIFICATES.iter().map(|c| c.name).collect();
        table.push(usernetes_pki::spec::SERVICE_ACCOUNT);
        assert_eq!(super::PARTS.map(|p| p.name).to_vec(), table);
    }
}
