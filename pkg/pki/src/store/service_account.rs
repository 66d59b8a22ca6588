//! `sa.key` and `sa.pub`: a key pair without a certificate.

use super::{Action, Outcome, PkiError};
use crate::keys;
use crate::problem::Problem;
use crate::spec::SERVICE_ACCOUNT;
use rcgen::KeyPair;
use std::path::{Path, PathBuf};
use usernetes_host::fs::{self, Mode};

/// The key pair in the PKI directory.
pub(super) struct ServiceAccount {
    key: PathBuf,
    public: PathBuf,
    private: Option<KeyPair>,
    has_public: bool,
}

impl ServiceAccount {
    /// Reads and checks both files.
    pub(super) fn read(pki_dir: &Path) -> Result<Self, PkiError> {
        let key = pki_dir.join("sa.key");
        let public = pki_dir.join("sa.pub");
        let invalid = |path: &Path, problem| PkiError::invalid(path, problem, &[&key, &public], "certs sa");
        let private = match fs::read_if_exists(&key)? {
            None => None,
            Some(pem) => {
                let parsed = keys::parse_private(&pem).ok_or(Problem::Unreadable("a private key in PEM form"));
                Some(parsed.map_err(|p| invalid(&key, p))?)
            }
        };
        let publics = fs::read_if_exists(&public)?.map(|pem| keys::parse_public(&pem));
        match (&private, &publics) {
            (None, Some(_)) => return Err(invalid(&public, Problem::Half(key.clone()))),
            (Some(private), Some(publics)) if !publics.contains(&keys::spki(private)) => {
                return Err(invalid(&public, Problem::Key(key.clone())));
            }
            _ => {}
        }
        Ok(Self { key, public, private, has_public: publics.is_some() })
    }

    /// Whether a key has to be made.
    pub(super) fn needs_key(&self) -> bool {
        self.private.is_none()
    }

    /// Writes what is missing.
    pub(super) fn write(self, spare: impl FnOnce() -> KeyPair) -> Result<Outcome, PkiError> {
        if self.has_public {
            return Ok(Outcome { name: SERVICE_ACCOUNT, action: Action::Kept });
        }
        let key = if let Some(key) = self.private {
            key
        } else {
            let key = spare();
            fs::write(&self.key, key.serialize_pem(), Mode::Secret)?;
            key
        };
        // kubeadm writes its public half with the mode of a key, too.
        fs::write(&self.public, key.public_key_pem(), Mode::Secret)?;
        Ok(Outcome { name: SERVICE_ACCOUNT, action: Action::Made })
    }
}
