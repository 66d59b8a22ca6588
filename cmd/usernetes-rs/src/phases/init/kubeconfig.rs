//! `kubeconfig`: kubeconfig files, one part for each row of the library's table.

use super::InitData;
use super::certs::summarize;
use crate::workflow::{Part, Phase};
use anyhow::Result;
use usernetes_api::constants::{KUBERNETES_DIR, PKI_DIR};
use usernetes_host::fs;
use usernetes_pki::{CertParams, kubeconfig};

pub(super) const PHASE: Phase<InitData> = Phase::new("kubeconfig", "Generate kubeconfig files", run).with_parts(parts);

fn parts() -> Vec<Part> {
    kubeconfig::FILES.iter().map(|spec| Part { name: spec.name, short: spec.description }).collect()
}

/// Makes what is missing; valid files stay.
fn run(data: &mut InitData, selected: &[&'static str]) -> Result<String> {
    let params = CertParams::from_config(&data.node.config)?;
    let paths = data.node.session.paths();
    let directory = paths.node(KUBERNETES_DIR);
    let pki = paths.node(PKI_DIR);
    let outcomes = if selected.len() == parts().len() {
        kubeconfig::ensure_all(&directory, &pki, &params)?
    } else {
        let files = selected.iter().map(|name| format!("{name}.conf"));
        files.map(|file| kubeconfig::ensure(&directory, &pki, &file, &params)).collect::<Result<_, _>>()?
    };
    fs::symlink("node/etc/kubernetes/admin.conf", paths.admin_conf())?;
    Ok(summarize(&outcomes, "client certificates inside"))
}
