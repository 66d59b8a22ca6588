//! `kubeconfig`: who may speak to the API server, as files.

use super::InitData;
use super::certs::{hinted, summary};
use crate::workflow::{Part, Phase};
use anyhow::Result;
use usernetes_api::constants::{KUBERNETES_DIR, PKI_DIR};
use usernetes_host::fs;
use usernetes_pki::{CertParams, kubeconfig};

/// Makes what is missing; valid files stay.
pub(super) struct Kubeconfig;

const PARTS: [Part; 5] = [
    Part { name: "admin", short: "admin.conf, for you" },
    Part { name: "super-admin", short: "super-admin.conf, past RBAC; keep it safe" },
    Part { name: "kubelet", short: "kubelet.conf" },
    Part { name: "controller-manager", short: "controller-manager.conf" },
    Part { name: "scheduler", short: "scheduler.conf" },
];

impl Phase<InitData> for Kubeconfig {
    fn name(&self) -> &'static str {
        "kubeconfig"
    }

    fn short(&self) -> &'static str {
        "Make kubeconfigs"
    }

    fn parts(&self) -> &'static [Part] {
        &PARTS
    }

    fn run(&self, data: &mut InitData, parts: &[&'static str]) -> Result<String> {
        let params = CertParams::from_config(&data.node.config)?;
        let paths = &data.node.session.paths;
        let (folder, pki) = (paths.node(KUBERNETES_DIR), paths.node(PKI_DIR));
        let outcomes = if parts.len() == PARTS.len() {
            kubeconfig::ensure_all(&folder, &pki, &params).map_err(hinted)?
        } else {
            let one = |name: &&str| kubeconfig::ensure(&folder, &pki, &format!("{name}.conf"), &params).map_err(hinted);
            parts.iter().map(one).collect::<Result<_>>()?
        };
        fs::symlink("node/etc/kubernetes/admin.conf", paths.admin_conf())?;
        Ok(summary(&outcomes, "client certificates inside"))
    }
}
