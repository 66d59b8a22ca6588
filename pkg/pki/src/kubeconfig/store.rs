//! The five kubeconfigs of a control-plane node kept in line.
//!
//! Mirrors `cmd/kubeadm/app/phases/kubeconfig/kubeconfig.go`.

use super::{Kubeconfig, with_certificate};
use crate::issue::{self, Subject};
use crate::load::Chain;
use crate::problem::Problem;
use crate::spec::{Sans, Usage};
use crate::store::by_name;
use crate::store::pair::Authority;
use crate::store::{Action, Outcome, PkiError};
use crate::{CertParams, Endpoint, keys};
use jiff::Timestamp;
use rcgen::KeyPair;
use std::path::{Path, PathBuf};
use usernetes_api::constants::CLUSTER_ADMINS_GROUP;
use usernetes_host::fs::{self, Mode};

/// One kubeconfig of a control-plane node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientSpec {
    /// kubeadm's name, as in `init phase kubeconfig NAME`.
    pub name: &'static str,
    /// Name of its file.
    pub file: &'static str,
    /// Common name and name of the user; the node's name is appended where it ends in a colon.
    pub user: &'static str,
    /// Group.
    pub organization: Option<&'static str>,
    /// Whether it names this node's API server instead of the control-plane endpoint.
    pub local: bool,
    /// kubeadm's description of the kubeconfig, for help texts.
    pub description: &'static str,
}

/// Every kubeconfig, in the order of `init phase kubeconfig all`.
pub const FILES: [ClientSpec; 5] = [
    ClientSpec {
        name: "admin",
        file: "admin.conf",
        user: "kubernetes-admin",
        organization: Some(CLUSTER_ADMINS_GROUP),
        local: false,
        description: "Kubeconfig file for the admin to use",
    },
    ClientSpec {
        name: "super-admin",
        file: "super-admin.conf",
        user: "kubernetes-super-admin",
        organization: Some("system:masters"),
        local: false,
        description: "Kubeconfig file for the super-admin, which bypasses RBAC",
    },
    ClientSpec {
        name: "kubelet",
        file: "kubelet.conf",
        user: "system:node:",
        organization: Some("system:nodes"),
        local: true,
        description: "Kubeconfig file for the kubelet to use",
    },
    ClientSpec {
        name: "controller-manager",
        file: "controller-manager.conf",
        user: "system:kube-controller-manager",
        organization: None,
        local: true,
        description: "Kubeconfig file for the controller manager to use",
    },
    ClientSpec {
        name: "scheduler",
        file: "scheduler.conf",
        user: "system:kube-scheduler",
        organization: None,
        local: true,
        description: "Kubeconfig file for the scheduler to use",
    },
];

impl ClientSpec {
    fn user(&self, params: &CertParams) -> String {
        if self.user.ends_with(':') { format!("{}{}", self.user, params.node_name) } else { self.user.to_owned() }
    }

    fn server(&self, params: &CertParams) -> Endpoint {
        if self.local { params.local_endpoint() } else { params.shared_endpoint() }
    }
}

/// Path of a kubeconfig.
pub(crate) fn path(kubernetes_dir: &Path, spec: &ClientSpec) -> PathBuf {
    kubernetes_dir.join(spec.file)
}

/// Brings all five in line: `admin.conf`, `super-admin.conf`, `kubelet.conf`, `controller-manager.conf`, `scheduler.conf`.
pub fn ensure_all(kubernetes_dir: &Path, pki_dir: &Path, params: &CertParams) -> Result<Vec<Outcome>, PkiError> {
    bring_in_line(kubernetes_dir, pki_dir, &FILES, params)
}

/// Brings one in line; `name` is its file's name.
pub fn ensure(kubernetes_dir: &Path, pki_dir: &Path, name: &str, params: &CertParams) -> Result<Outcome, PkiError> {
    let Some(spec) = FILES.iter().find(|s| s.file == name) else {
        let known = FILES.map(|s| s.file).join(", ");
        return Err(PkiError::Unknown { name: name.to_owned(), known });
    };
    let mut outcomes = bring_in_line(kubernetes_dir, pki_dir, std::slice::from_ref(spec), params)?;
    Ok(outcomes.remove(0))
}

fn bring_in_line(
    kubernetes_dir: &Path,
    pki_dir: &Path,
    specs: &[ClientSpec],
    params: &CertParams,
) -> Result<Vec<Outcome>, PkiError> {
    let ca = Authority::load(pki_dir, by_name("ca"))?;
    let ca_pem = fs::read(&ca.crt)?;
    let there: Vec<_> =
        specs.iter().map(|s| check_file(&path(kubernetes_dir, s), s, &ca, params)).collect::<Result<_, _>>()?;
    let missing = there.iter().filter(|there| !**there).count();
    let made = keys::generate_many(params.policy.algorithm, missing);
    let mut keys = made.map_err(|source| PkiError::Make { name: specs[0].file, source })?.into_iter();

    let mut outcomes = Vec::new();
    for (spec, there) in specs.iter().zip(there) {
        let action = if there {
            if ca.issuer.is_none() { Action::KeptExternal } else { Action::Kept }
        } else {
            let key = keys.next().expect("one for each that is missing");
            let config = make_kubeconfig(spec, &ca, &ca_pem, &key, params)?;
            fs::write(path(kubernetes_dir, spec), config.to_yaml(), Mode::Secret)?;
            Action::Made
        };
        outcomes.push(Outcome { name: spec.file, action });
    }
    Ok(outcomes)
}

fn make_kubeconfig(
    spec: &ClientSpec,
    ca: &Authority,
    ca_pem: &str,
    key: &KeyPair,
    params: &CertParams,
) -> Result<Kubeconfig, PkiError> {
    let user = spec.user(params);
    let issuer = ca.issuer.as_ref().expect("checked: a missing file is an error without the CA's key");
    let subject = Subject::new(&user, spec.organization, &[Usage::Client], Sans::default());
    let certificate = issue::leaf(subject, key, &ca.chain, issuer, params.policy.validity);
    let certificate = certificate.map_err(|source| PkiError::Make { name: spec.file, source })?.pem();
    let server = spec.server(params).url();
    Ok(with_certificate(&params.cluster_name, &server, ca_pem, &user, (&certificate, &key.serialize_pem())))
}

/// Whether it is there; one that is there must be good.
fn check_file(path: &Path, spec: &ClientSpec, ca: &Authority, params: &CertParams) -> Result<bool, PkiError> {
    let Some(text) = fs::read_if_exists(path)? else {
        if ca.issuer.is_none() {
            return Err(PkiError::External { path: path.to_owned(), key: ca.key.clone() });
        }
        return Ok(false);
    };
    let wanted = spec.server(params).url();
    check_text(&text, path, &wanted, ca).map(|()| true).map_err(|problem| invalid(path, spec, problem))
}

pub(crate) fn invalid(path: &Path, spec: &ClientSpec, problem: Problem) -> PkiError {
    let expired = matches!(problem, Problem::Expired(_)) && spec.file != "kubelet.conf";
    let phase = format!("kubeconfig {}", spec.name);
    match PkiError::invalid(path, problem, &[path], &phase) {
        PkiError::Invalid { path, problem, .. } if expired => {
            let hint = format!("usernetes-rs certs renew {}", spec.file);
            PkiError::Invalid { path, problem, hint }
        }
        other => other,
    }
}

/// Text that is not a kubeconfig.
const UNREADABLE: Problem = Problem::Unreadable("a kubeconfig");

fn check_text(text: &str, path: &Path, wanted: &str, ca: &Authority) -> Result<(), Problem> {
    let config = Kubeconfig::parse(text).map_err(|_| UNREADABLE)?;
    let cluster = config.cluster().map_err(|_| UNREADABLE)?;
    if cluster.server != wanted {
        return Err(Problem::Server { found: cluster.server.clone(), wanted: wanted.to_owned() });
    }
    let trusted = cluster.ca_pem().map_err(|_| UNREADABLE)?.and_then(|pem| Chain::parse(&pem));
    if !trusted.ok_or(Problem::Unreadable("a kubeconfig with its CA inside"))?.shares_certificate(&ca.chain) {
        return Err(Problem::OtherCa(ca.crt.clone()));
    }
    // The kubelet replaces its certificate by paths; what it keeps there is its own affair.
    let user = config.user().map_err(|_| UNREADABLE)?;
    let Some(pem) = user.certificate_pem().map_err(|_| UNREADABLE)? else {
        return Ok(());
    };
    let certificate = Chain::parse(&pem).ok_or(Problem::Unreadable("a kubeconfig with a certificate"))?;
    certificate.check_period(Timestamp::now())?;
    certificate.check_signer(&ca.chain, &ca.crt)?;
    let key = user.key_pem().map_err(|_| UNREADABLE)?.and_then(|pem| keys::parse_private(pem.expose()));
    certificate.check_key(&key.ok_or(Problem::Unreadable("a kubeconfig with a key"))?, path)
}
