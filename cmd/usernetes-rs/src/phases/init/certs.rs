//! `certs`: keys and certificates, one part for each row of the library's table.

use super::InitData;
use crate::workflow::{Part, Phase};
use anyhow::Result;
use usernetes_api::constants::{KUBELETS_VERIFIED_FILE, PKI_DIR};
use usernetes_host::fs;
use usernetes_pki::CertParams;
use usernetes_pki::spec::{CERTIFICATES, SERVICE_ACCOUNT, SERVICE_ACCOUNT_DESCRIPTION};
use usernetes_pki::store::{self, Action, Outcome};

pub(super) const PHASE: Phase<InitData> = Phase::new("certs", "Generate keys and certificates", run).with_parts(parts);

fn parts() -> Vec<Part> {
    let pairs = CERTIFICATES.iter().map(|spec| Part { name: spec.name, short: spec.description });
    pairs.chain([Part { name: SERVICE_ACCOUNT, short: SERVICE_ACCOUNT_DESCRIPTION }]).collect()
}

/// Makes what is missing; valid pairs stay.
fn run(data: &mut InitData, selected: &[&'static str]) -> Result<String> {
    let params = CertParams::from_config(&data.node.config)?;
    let paths = data.node.session.paths();
    let pki = paths.node(PKI_DIR);
    // A new cluster has no kubelet with a certificate of its own, which the API server could not verify.
    let config = &data.node.config;
    let has_own_etcd = config.cluster.etcd.external.is_none();
    if has_own_etcd && !config.etcd_data_dir(paths).join("member").exists() {
        fs::write(paths.node(KUBELETS_VERIFIED_FILE), "", fs::Mode::Public)?;
    }
    let outcomes = if has_own_etcd && selected.len() == parts().len() {
        store::ensure_all(&pki, &params)?
    } else {
        // The certificates of an etcd that others run are theirs.
        let selected = selected.iter().filter(|name| has_own_etcd || !name.contains("etcd"));
        selected.map(|name| store::ensure(&pki, name, &params)).collect::<Result<_, _>>()?
    };
    Ok(summarize(&outcomes, params.policy.algorithm.name()))
}

/// `11 made, ECDSA-P256; 1 valid ones kept`
pub(super) fn summarize(outcomes: &[Outcome], detail: &str) -> String {
    let made = outcomes.iter().filter(|o| o.action == Action::Made).count();
    match (made, outcomes.len() - made) {
        (0, kept) => format!("{kept} valid ones kept"),
        (made, 0) => format!("{made} made, {detail}"),
        (made, kept) => format!("{made} made, {detail}; {kept} valid ones kept"),
    }
}
