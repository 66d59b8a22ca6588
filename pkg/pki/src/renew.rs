//! New certificates with the subject and the names of the old ones: kubeadm's `certs renew`.

use crate::issue::{self, Subject};
use crate::kubeconfig::{self, ClientSpec, Kubeconfig};
use crate::load::Chain;
use crate::problem::Problem;
use crate::spec::{CERTIFICATES, CertSpec};
use crate::store::pair::{Authority, NewPair};
use crate::store::{PkiError, by_name};
use crate::{Policy, expiry, keys};
use rcgen::KeyPair;
use std::path::Path;
use usernetes_host::fs::{self, Mode};

/// What became of one certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Made anew with a new key; what uses it has to be restarted.
    Renewed,
    /// The CA's key is elsewhere.
    External,
    /// There is no such file; fine for `super-admin.conf`, which may be kept elsewhere.
    Missing,
}

/// Names that [`renew`] takes, in the order of [`all`]: no CA, not the service-account key, not `kubelet.conf`.
pub fn names() -> impl Iterator<Item = &'static str> {
    leaf_specs().map(|spec| spec.name).chain(expiry::renewable_kubeconfigs().map(|spec| spec.file))
}

/// Renews one certificate or kubeconfig, an expired one too.
pub fn renew(kubernetes_dir: &Path, pki_dir: &Path, name: &str, policy: &Policy) -> Result<Renewal, PkiError> {
    if let Some(spec) = leaf_specs().find(|spec| spec.name == name) {
        return renew_certificate(pki_dir, spec, policy);
    }
    if let Some(spec) = expiry::renewable_kubeconfigs().find(|spec| spec.file == name) {
        return renew_kubeconfig(&kubeconfig::path_of(kubernetes_dir, spec), pki_dir, spec, policy);
    }
    let known: Vec<_> = names().collect();
    Err(PkiError::Unknown { name: name.to_owned(), known: known.join(", ") })
}

/// Renews everything that [`names`] lists.
pub fn all(kubernetes_dir: &Path, pki_dir: &Path, policy: &Policy) -> Result<Vec<(&'static str, Renewal)>, PkiError> {
    names().map(|name| Ok((name, renew(kubernetes_dir, pki_dir, name, policy)?))).collect()
}

fn leaf_specs() -> impl Iterator<Item = &'static CertSpec> {
    CERTIFICATES.iter().filter(|spec| spec.ca.is_some())
}

fn renew_certificate(pki_dir: &Path, spec: &'static CertSpec, policy: &Policy) -> Result<Renewal, PkiError> {
    let crt = pki_dir.join(format!("{}.crt", spec.file));
    let key_path = pki_dir.join(format!("{}.key", spec.file));
    let Some(pem) = fs::read_if_exists(&crt)? else {
        return Ok(Renewal::Missing);
    };
    let invalid = |p| PkiError::invalid(&crt, p, &[&crt, &key_path], &format!("certs {}", spec.name));
    let old = Chain::parse(&pem).ok_or(Problem::Unreadable("a certificate in PEM form")).map_err(invalid)?;
    let subject = Subject::of(&old).map_err(invalid)?;
    let ca = Authority::load(pki_dir, by_name(spec.ca.unwrap_or("ca")))?;
    let Some((pem, key)) = issue_leaf(spec.name, subject, &ca, policy)? else {
        return Ok(Renewal::External);
    };
    NewPair { key: Some((key_path, key.serialize_pem())), crt, pem }.write()?;
    Ok(Renewal::Renewed)
}

fn renew_kubeconfig(
    path: &Path,
    pki_dir: &Path,
    spec: &'static ClientSpec,
    policy: &Policy,
) -> Result<Renewal, PkiError> {
    let Some(text) = fs::read_if_exists(path)? else {
        return Ok(Renewal::Missing);
    };
    let old = expiry::client_chain(&text, path, spec)?;
    let subject = Subject::of(&old).map_err(|p| kubeconfig::invalid(path, spec, p))?;
    let ca = Authority::load(pki_dir, by_name("ca"))?;
    let Some((pem, key)) = issue_leaf(spec.file, subject, &ca, policy)? else {
        return Ok(Renewal::External);
    };
    let unreadable = || kubeconfig::invalid(path, spec, Problem::Unreadable("a kubeconfig"));
    let mut config = Kubeconfig::parse(&text).map_err(|_| unreadable())?;
    config.user_mut().ok_or_else(unreadable)?.set_certificate(&pem, &key.serialize_pem());
    fs::write(path, config.to_yaml(), Mode::Secret)?;
    Ok(Renewal::Renewed)
}

/// `None` when the CA's key is elsewhere.
fn issue_leaf(
    name: &'static str,
    subject: Subject,
    ca: &Authority,
    policy: &Policy,
) -> Result<Option<(String, KeyPair)>, PkiError> {
    let Some(issuer) = &ca.issuer else {
        return Ok(None);
    };
    let key = keys::generate(policy.algorithm).map_err(|source| PkiError::Make { name, source })?;
    let certificate = issue::leaf(subject, &key, &ca.chain, issuer, policy.validity)
        .map_err(|source| PkiError::Make { name, source })?;
    Ok(Some((certificate.pem(), key)))
}
