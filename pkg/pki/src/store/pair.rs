//! A certificate and its key as files.

use super::PkiError;
use crate::keys;
use crate::load::Chain;
use crate::problem::Problem;
use crate::spec::CertSpec;
use jiff::Timestamp;
use rcgen::{Issuer, KeyPair};
use std::path::{Path, PathBuf};
use usernetes_host::fs::{self, Mode};

/// Certificate and key of one name in the PKI directory.
pub(crate) struct Pair {
    pub(crate) spec: &'static CertSpec,
    pub(crate) crt: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) chain: Option<Chain>,
    pub(crate) private: Option<KeyPair>,
}

/// A CA that leaves are checked against and signed by.
pub(crate) struct Authority {
    pub(crate) name: &'static str,
    pub(crate) crt: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) chain: Chain,
    /// Made in this run and not yet on disk.
    pub(crate) new: bool,
    /// `None` when the key is elsewhere.
    pub(crate) issuer: Option<Issuer<'static, KeyPair>>,
}

impl Pair {
    /// Reads both files; a missing one is no error, one that cannot be understood is.
    pub(crate) fn read(pki_dir: &Path, spec: &'static CertSpec) -> Result<Self, PkiError> {
        let crt = pki_dir.join(format!("{}.crt", spec.file));
        let key = pki_dir.join(format!("{}.key", spec.file));
        let mut pair = Self { spec, crt, key, chain: None, private: None };
        if let Some(pem) = fs::read_if_exists(&pair.crt)? {
            let chain = Chain::parse(&pem).ok_or(Problem::Unreadable("a certificate in PEM form"));
            pair.chain = Some(chain.map_err(|p| pair.invalid(&pair.crt, p))?);
        }
        if let Some(pem) = fs::read_if_exists(&pair.key)? {
            let private = keys::parse_private(&pem).ok_or(Problem::Unreadable("a private key in PEM form"));
            pair.private = Some(private.map_err(|p| pair.invalid(&pair.key, p))?);
        }
        Ok(pair)
    }

    /// Whether a key has to be made for it: not beside a certificate, whose key is elsewhere or lost.
    pub(crate) fn needs_key(&self) -> bool {
        self.chain.is_none() && self.private.is_none()
    }

    /// Checks whatever needs no CA.
    pub(crate) fn check_alone(&self, chain: &Chain) -> Result<(), PkiError> {
        let mut verdict = chain.check_period(Timestamp::now());
        if let Some(key) = &self.private {
            verdict = verdict.and_then(|()| chain.check_key(key, &self.key));
        }
        if self.spec.ca.is_none() && !chain.first().is_ca() {
            verdict = verdict.and(Err(Problem::NotCa));
        }
        verdict.map_err(|p| self.invalid(&self.crt, p))
    }

    /// An error with the problem, the file and the hint.
    pub(crate) fn invalid(&self, path: &Path, problem: Problem) -> PkiError {
        let phase = format!("certs {}", self.spec.name);
        PkiError::invalid(path, problem, &[&self.crt, &self.key], &phase)
    }
}

/// A certificate that was made and is not yet on disk, with its key if that is new.
pub(crate) struct NewPair {
    pub(crate) key: Option<(PathBuf, String)>,
    pub(crate) crt: PathBuf,
    pub(crate) pem: String,
}

impl NewPair {
    /// Puts it in place. The key goes first: a key alone is taken up by the next run, a certificate alone is not.
    pub(crate) fn write(self) -> Result<(), PkiError> {
        if let Some((path, pem)) = self.key {
            fs::write(path, pem, Mode::Secret)?;
        }
        Ok(fs::write(self.crt, self.pem, Mode::Public)?)
    }
}

impl Authority {
    /// From a pair that is there and valid.
    pub(crate) fn from_pair(pair: Pair, chain: Chain, new: bool) -> Result<Self, PkiError> {
        let name = pair.spec.name;
        let der = chain.der().into();
        let issuer = pair
            .private
            .map(|key| Issuer::from_ca_cert_der(&der, key))
            .transpose()
            .map_err(|source| PkiError::Make { name, source })?;
        Ok(Self { name, crt: pair.crt, key: pair.key, chain, new, issuer })
    }

    /// The CA of that name, which must be there and valid.
    pub(crate) fn load(pki_dir: &Path, spec: &'static CertSpec) -> Result<Self, PkiError> {
        let mut pair = Pair::read(pki_dir, spec)?;
        let Some(chain) = pair.chain.take() else {
            return Err(PkiError::NoCa { path: pair.crt, name: spec.name });
        };
        pair.check_alone(&chain)?;
        Self::from_pair(pair, chain, false)
    }
}
