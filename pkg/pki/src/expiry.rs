//! When certificates expire: kubeadm's `certs check-expiration`.

use crate::kubeconfig::{self, ClientSpec, Kubeconfig, KubeconfigError};
use crate::load::Chain;
use crate::problem::Problem;
use crate::spec::{CERTIFICATES, CertSpec};
use crate::store::PkiError;
use jiff::Timestamp;
use serde::Serialize;
use std::path::{Path, PathBuf};
use usernetes_host::fs;

/// Every certificate, sorted by name as kubeadm sorts them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Certificates and kubeconfigs; `kubelet.conf` is the kubelet's own affair.
    pub certificates: Vec<Expiration>,
    /// CAs.
    pub certificate_authorities: Vec<Expiration>,
}

/// One certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Expiration {
    /// Its name, as `certs renew` takes it.
    pub name: &'static str,
    /// Its file.
    pub path: PathBuf,
    /// Name of its CA; none for a CA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<&'static str>,
    /// When it expires; `None` when the file is missing.
    pub expires: Option<Timestamp>,
    /// The CA's key is elsewhere: it cannot be renewed here.
    pub externally_managed: bool,
}

impl Report {
    /// The first to expire, CAs included.
    pub fn next(&self) -> Option<&Expiration> {
        let all = self.certificates.iter().chain(&self.certificate_authorities);
        all.filter(|e| e.expires.is_some()).min_by_key(|e| e.expires)
    }
}

/// Reads every certificate and kubeconfig; a missing file is no error.
pub fn check(kubernetes_dir: &Path, pki_dir: &Path) -> Result<Report, PkiError> {
    let mut report = Report { certificates: Vec::new(), certificate_authorities: Vec::new() };
    for spec in &CERTIFICATES {
        let list = if spec.ca.is_some() { &mut report.certificates } else { &mut report.certificate_authorities };
        list.push(read_certificate(pki_dir, spec)?);
    }
    for spec in renewable_kubeconfigs() {
        report.certificates.push(read_kubeconfig(kubernetes_dir, pki_dir, spec)?);
    }
    report.certificates.sort_by_key(|e| e.name);
    report.certificate_authorities.sort_by_key(|e| e.name);
    Ok(report)
}

/// kubeconfigs whose certificates we renew.
pub(crate) fn renewable_kubeconfigs() -> impl Iterator<Item = &'static ClientSpec> {
    kubeconfig::FILES.iter().filter(|spec| spec.file != "kubelet.conf")
}

fn read_certificate(pki_dir: &Path, spec: &'static CertSpec) -> Result<Expiration, PkiError> {
    let path = pki_dir.join(format!("{}.crt", spec.file));
    let expires = match fs::read_if_exists(&path)? {
        None => None,
        Some(pem) => Some(Chain::parse(&pem).ok_or_else(|| unreadable_certificate(&path, spec))?.not_after()),
    };
    let authority = spec.ca;
    let externally_managed = is_external(pki_dir, authority.unwrap_or(spec.name));
    Ok(Expiration { name: spec.name, path, authority, expires, externally_managed })
}

fn read_kubeconfig(kubernetes_dir: &Path, pki_dir: &Path, spec: &'static ClientSpec) -> Result<Expiration, PkiError> {
    let path = kubeconfig::path_of(kubernetes_dir, spec);
    let expires = match fs::read_if_exists(&path)? {
        None => None,
        Some(text) => Some(client_chain(&text, &path, spec)?.not_after()),
    };
    let externally_managed = is_external(pki_dir, "ca");
    Ok(Expiration { name: spec.file, path, authority: Some("ca"), expires, externally_managed })
}

/// The client certificate inside a kubeconfig.
pub(crate) fn client_chain(text: &str, path: &Path, spec: &ClientSpec) -> Result<Chain, PkiError> {
    let chain = read_client_pem(text).ok().flatten().and_then(|pem| Chain::parse(&pem));
    let problem = Problem::Unreadable("a kubeconfig with a client certificate inside");
    chain.ok_or_else(|| kubeconfig::invalid(path, spec, problem))
}

fn read_client_pem(text: &str) -> Result<Option<String>, KubeconfigError> {
    Kubeconfig::parse(text)?.user()?.certificate_pem()
}

fn is_external(pki_dir: &Path, ca: &str) -> bool {
    let file = crate::store::by_name(ca).file;
    pki_dir.join(format!("{file}.crt")).exists() && !pki_dir.join(format!("{file}.key")).exists()
}

fn unreadable_certificate(path: &Path, spec: &CertSpec) -> PkiError {
    let key = path.with_extension("key");
    let problem = Problem::Unreadable("a certificate in PEM form");
    PkiError::invalid(path, problem, &[path, &key], &format!("certs {}", spec.name))
}
