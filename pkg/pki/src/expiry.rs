//! When certificates expire: kubeadm's `certs check-expiration`.

use crate::PkiError;
use jiff::Timestamp;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Every certificate, sorted as kubeadm sorts them, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Certificates and kubeconfigs.
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
    let _ = (kubernetes_dir, pki_dir);
    unimplemented!()
}
