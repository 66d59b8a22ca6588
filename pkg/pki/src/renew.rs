//! New certificates with the subject and the names of the old ones: kubeadm's `certs renew`.

use crate::{PkiError, Policy};
use std::path::Path;

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

/// Names that [`renew`] takes, in the order of [`all`].
pub fn names() -> impl Iterator<Item = &'static str> {
    std::iter::empty()
}

/// Renews one certificate or kubeconfig, an expired one too.
pub fn renew(kubernetes_dir: &Path, pki_dir: &Path, name: &str, policy: &Policy) -> Result<Renewal, PkiError> {
    let _ = (kubernetes_dir, pki_dir, name, policy);
    unimplemented!()
}

/// Renews everything but CAs, the service-account key and `kubelet.conf`.
pub fn all(kubernetes_dir: &Path, pki_dir: &Path, policy: &Policy) -> Result<Vec<(&'static str, Renewal)>, PkiError> {
    let _ = (kubernetes_dir, pki_dir, policy);
    unimplemented!()
}
