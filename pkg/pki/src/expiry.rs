//! When certificates expire: kubeadm's `certs check-expiration`.

use crate::kubeconfig::{self, ClientSpec, Kubeconfig, KubeconfigError};
use crate::load::Chain;
use crate::problem::Problem;
use crate::spec::{CERTIFICATES, CertSpec};
use crate::store::PkiError;
use jiff::{SignedDuration, Timestamp};
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
    /// Start of its validity; `None` when the file is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Timestamp>,
    /// The CA's key is elsewhere: it cannot be renewed here.
    pub externally_managed: bool,
}

/// What is wrong with the validity of a certificate at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValidityProblem {
    /// The clock of this host is wrong, or was when the certificate was made.
    #[error("is not valid before {0}")]
    NotYet(Timestamp),
    /// It has expired.
    #[error("has expired at {0}")]
    Expired(Timestamp),
    /// It expires within [`WARNING_PERIOD`].
    #[error("expires at {0}")]
    Soon(Timestamp),
}

/// How long before the expiry of a certificate warnings begin.
pub const WARNING_PERIOD: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Expiration {
    /// What is wrong with its validity at `now`; `None` for a missing file as well.
    pub fn validity_problem(&self, now: Timestamp) -> Option<ValidityProblem> {
        let (from, expires) = (self.valid_from?, self.expires?);
        if now < from {
            return Some(ValidityProblem::NotYet(from));
        }
        if now > expires {
            return Some(ValidityProblem::Expired(expires));
        }
        (expires - WARNING_PERIOD <= now).then_some(ValidityProblem::Soon(expires))
    }

    /// What to do about a problem of its validity.
    pub fn hint(&self, problem: ValidityProblem) -> String {
        match (problem, self.authority) {
            (ValidityProblem::NotYet(at), _) => format!("correct this host's clock: it is before {at}"),
            (_, Some(_)) if self.externally_managed => format!("renew {} by the external CA", self.path.display()),
            (_, Some(_)) => "usernetes-rs certs renew all".to_owned(),
            (_, None) => format!("make a new cluster before {} expires: a CA is not renewed", self.name),
        }
    }
}

impl Report {
    /// Every certificate and CA whose validity has a problem at `now`.
    pub fn validity_problems(&self, now: Timestamp) -> impl Iterator<Item = (&Expiration, ValidityProblem)> {
        let all = self.certificates.iter().chain(&self.certificate_authorities);
        all.filter_map(move |entry| Some((entry, entry.validity_problem(now)?)))
    }

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
    let chain = match fs::read_if_exists(&path)? {
        None => None,
        Some(pem) => Some(Chain::parse(&pem).ok_or_else(|| unreadable_certificate(&path, spec))?),
    };
    let (expires, valid_from) = validity_of(chain.as_ref());
    let authority = spec.ca;
    let externally_managed = is_external(pki_dir, authority.unwrap_or(spec.name));
    Ok(Expiration { name: spec.name, path, authority, expires, valid_from, externally_managed })
}

fn read_kubeconfig(kubernetes_dir: &Path, pki_dir: &Path, spec: &'static ClientSpec) -> Result<Expiration, PkiError> {
    let path = kubeconfig::path_of(kubernetes_dir, spec);
    let chain = match fs::read_if_exists(&path)? {
        None => None,
        Some(text) => Some(client_chain(&text, &path, spec)?),
    };
    let (expires, valid_from) = validity_of(chain.as_ref());
    let externally_managed = is_external(pki_dir, "ca");
    Ok(Expiration { name: spec.file, path, authority: Some("ca"), expires, valid_from, externally_managed })
}

/// End and start of the validity.
fn validity_of(chain: Option<&Chain>) -> (Option<Timestamp>, Option<Timestamp>) {
    (chain.map(Chain::not_after), chain.map(Chain::not_before))
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

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan as _;

    #[test]
    fn problems_of_the_validity() {
        let made: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let entry = Expiration {
            name: "apiserver",
            path: "/pki/apiserver.crt".into(),
            authority: Some("ca"),
            expires: Some(made + (24 * 365).hours()),
            valid_from: Some(made),
            externally_managed: false,
        };
        let problem_after = |hours: i64| {
            let problem = entry.validity_problem(made + hours.hours())?;
            Some(format!("{} {problem}; {}", entry.name, entry.hint(problem)))
        };
        assert_eq!(problem_after(24 * 334), None);
        let problems = [-1, 24 * 336, 24 * 366].map(|hours| problem_after(hours).unwrap());
        insta::assert_snapshot!(problems.join("\n"), @"
        apiserver is not valid before 2026-01-01T00:00:00Z; correct this host's clock: it is before 2026-01-01T00:00:00Z
        apiserver expires at 2027-01-01T00:00:00Z; usernetes-rs certs renew all
        apiserver has expired at 2027-01-01T00:00:00Z; usernetes-rs certs renew all
        ");
    }
}
