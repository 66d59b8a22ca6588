//! Trees in temporary directories.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use usernetes_api::EncryptionAlgorithm;
use usernetes_pki::{Action, CertParams, Outcome, PkiError, Policy, kubeconfig, store};

pub(crate) const YEAR: Duration = Duration::from_hours(365 * 24);

pub(crate) fn params(algorithm: EncryptionAlgorithm) -> CertParams {
    CertParams {
        node_name: "alice".into(),
        advertise_address: "198.51.100.11".parse().unwrap(),
        bind_port: 6443,
        control_plane_endpoint: None,
        service_network: "10.96.0.0/12".parse().unwrap(),
        dns_domain: "cluster.local".into(),
        cluster_name: "kubernetes".into(),
        api_server_sans: vec![],
        etcd_server_sans: vec![],
        etcd_peer_sans: vec![],
        policy: Policy { algorithm, validity: YEAR, ca_validity: YEAR * 10 },
    }
}

/// A directory as `/etc/kubernetes` is.
pub(crate) struct Tree {
    pub(crate) directory: TempDir,
    pub(crate) params: CertParams,
}

impl Tree {
    pub(crate) fn empty(algorithm: EncryptionAlgorithm) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), params: params(algorithm) }
    }

    /// With everything made.
    pub(crate) fn full(algorithm: EncryptionAlgorithm) -> Self {
        let tree = Self::empty(algorithm);
        tree.certs().unwrap();
        tree.kubeconfigs().unwrap();
        tree
    }

    pub(crate) fn p256() -> Self {
        Self::full(EncryptionAlgorithm::EcdsaP256)
    }

    pub(crate) fn dir(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn pki(&self) -> PathBuf {
        self.dir().join("pki")
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    pub(crate) fn certs(&self) -> Result<Vec<Outcome>, PkiError> {
        store::ensure_all(&self.pki(), &self.params)
    }

    pub(crate) fn kubeconfigs(&self) -> Result<Vec<Outcome>, PkiError> {
        kubeconfig::ensure_all(self.dir(), &self.pki(), &self.params)
    }

    pub(crate) fn remove(&self, name: &str) {
        std::fs::remove_file(self.at(name)).unwrap();
    }

    /// Path, mode and content of every file.
    pub(crate) fn files(&self) -> BTreeMap<String, (u32, Vec<u8>)> {
        let mut files = BTreeMap::new();
        let mut directories = vec![self.dir().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    directories.push(entry.path());
                    continue;
                }
                let name = entry.path().strip_prefix(self.dir()).unwrap().display().to_string();
                let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
                files.insert(name, (mode, std::fs::read(entry.path()).unwrap()));
            }
        }
        files
    }
}

pub(crate) fn actions(outcomes: &[Outcome]) -> Vec<Action> {
    outcomes.iter().map(|o| o.action).collect()
}

/// The error's text without the temporary directory, and its hint.
pub(crate) fn told(tree: &Tree, error: &PkiError) -> String {
    let text = format!("{error}\n{}", error.hint().unwrap_or_default());
    text.replace(&format!("{}/", tree.dir().display()), "")
}

/// Standard output of a program that has to succeed.
pub(crate) fn run(program: impl AsRef<Path>, arguments: &[&str]) -> String {
    let output = Command::new(program.as_ref()).args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} {arguments:?}: {error}", program.as_ref().display());
    String::from_utf8(output.stdout).unwrap()
}
