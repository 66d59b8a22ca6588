//! Real kubeadm as a peer: it finds nothing to redo in our trees, and we nothing in its.

use crate::support::{Tree, actions, run};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::NamedTempFile;
use usernetes_api::EncryptionAlgorithm::{self, EcdsaP256, EcdsaP384, Rsa2048};
use usernetes_pki::spec::{CERTIFICATES, CertSpec, KUBELET_SERVING_CA};
use usernetes_pki::{Action, Outcome, expiry, renew};

/// The bundle's kubeadm. Without one the tests pass and say so, unless `U7S_E2E_REQUIRE=1`.
fn kubeadm() -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/usernetes-dev/bundle/current"));
    let bundle = std::env::var_os("U7S_BUNDLE").map(PathBuf::from).or_else(home)?;
    let path = bundle.join("bin/kubeadm");
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("U7S_E2E_REQUIRE").is_none_or(|v| v != "1"), "{} is missing", path.display());
    eprintln!("SKIPPED: no kubeadm at {}", path.display());
    None
}

fn config(tree: &Tree, algorithm: &str) -> NamedTempFile {
    let text = format!(
        "apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {{advertiseAddress: 198.51.100.11, bindPort: 6443}}
nodeRegistration: {{name: alice, criSocket: unix:///run/containerd/containerd.sock}}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.36.3
certificatesDir: {}
encryptionAlgorithm: {algorithm}
",
        tree.pki().display()
    );
    let file = NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn make(kubeadm: &Path, tree: &Tree, config: &NamedTempFile) -> String {
    let dir = tree.dir().display().to_string();
    let config = config.path().to_str().unwrap();
    let certs = run(kubeadm, &["init", "phase", "certs", "all", "--config", config]);
    certs + &run(kubeadm, &["init", "phase", "kubeconfig", "all", "--config", config, "--kubeconfig-dir", &dir])
}

/// kubeadm looks for kubeconfigs in /etc/kubernetes alone, so it gets one of its own.
fn check_expiration(kubeadm: &Path, tree: &Tree, config: &NamedTempFile) -> String {
    let script =
        "mount -t tmpfs none /etc && mkdir /etc/kubernetes && mount --bind \"$0\" /etc/kubernetes && exec \"$@\"";
    let dir = tree.dir().display().to_string();
    let kubeadm = kubeadm.display().to_string();
    let config = config.path().to_str().unwrap();
    let arguments =
        ["-Urm", "sh", "-c", script, &dir, &kubeadm, "certs", "check-expiration", "--config", config, "-o", "json"];
    run("unshare", &arguments)
}

fn finds_nothing_to_redo(algorithm: EncryptionAlgorithm, name: &str) {
    let Some(kubeadm) = kubeadm() else { return };
    let tree = Tree::full(algorithm);
    let before = tree.files();
    let config = config(&tree, name);
    let said = make(&kubeadm, &tree, &config);
    assert!(!said.contains("Generating") && !said.contains("Writing"), "{said}");
    assert_eq!(said.matches("[certs] Using ").count(), 1 + 11, "{said}");
    assert_eq!(said.matches("Using existing kubeconfig file").count(), 5, "{said}");
    assert_eq!(tree.files(), before);
    agrees_on_expiry(&kubeadm, &tree, &config);
}

fn agrees_on_expiry(kubeadm: &Path, tree: &Tree, config: &NamedTempFile) {
    let theirs: serde_json::Value = serde_json::from_str(&check_expiration(kubeadm, tree, config)).unwrap();
    let ours = expiry::check(tree.dir(), &tree.pki()).unwrap();
    for (key, ours) in [("certificates", &ours.certificates), ("certificateAuthorities", &ours.certificate_authorities)]
    {
        let theirs: Vec<_> =
            theirs[key].as_array().unwrap().iter().map(|c| (text(c, "name"), text(c, "expirationDate"))).collect();
        let ours = ours.iter().filter(|e| e.name != KUBELET_SERVING_CA);
        let ours: Vec<_> = ours.map(|e| (e.name.to_owned(), e.expires.unwrap().to_string())).collect();
        assert_eq!(theirs, ours, "{key}");
    }
}

fn text(value: &serde_json::Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

#[test]
fn keeps_ecdsa_p256() {
    finds_nothing_to_redo(EcdsaP256, "ECDSA-P256");
}

#[test]
fn keeps_ecdsa_p384() {
    finds_nothing_to_redo(EcdsaP384, "ECDSA-P384");
}

#[test]
fn keeps_rsa_2048() {
    finds_nothing_to_redo(Rsa2048, "RSA-2048");
}

#[test]
fn keeps_what_we_renewed() {
    let Some(kubeadm) = kubeadm() else { return };
    let tree = Tree::p256();
    renew::all(tree.dir(), &tree.pki(), &tree.params.policy).unwrap();
    let config = config(&tree, "ECDSA-P256");
    let said = make(&kubeadm, &tree, &config);
    assert!(!said.contains("Generating") && !said.contains("Writing"), "{said}");
}

/// kubeadm's keys are SEC1 and PKCS#1, ours PKCS#8; both sides read all.
#[test]
fn its_trees_are_kept_and_renewed() {
    let Some(kubeadm) = kubeadm() else { return };
    for (algorithm, name) in [(EcdsaP256, "ECDSA-P256"), (EcdsaP384, "ECDSA-P384"), (Rsa2048, "RSA-2048")] {
        let tree = Tree::empty(algorithm);
        let config = config(&tree, name);
        make(&kubeadm, &tree, &config);
        let made: Vec<_> = tree.certs().unwrap().into_iter().filter(|o| o.action != Action::Kept).collect();
        assert!(matches!(made[..], [Outcome { name: KUBELET_SERVING_CA, action: Action::Made }]), "{made:?}");
        let before = tree.files();
        assert_eq!(actions(&tree.certs().unwrap()), [Action::Kept; 12]);
        assert_eq!(actions(&tree.kubeconfigs().unwrap()), [Action::Kept; 5]);
        assert_eq!(tree.files(), before);
        renew::all(tree.dir(), &tree.pki(), &tree.params.policy).unwrap();
        assert_eq!(actions(&tree.certs().unwrap()), [Action::Kept; 12]);
        assert_eq!(actions(&tree.kubeconfigs().unwrap()), [Action::Kept; 5]);
        agrees_on_expiry(&kubeadm, &tree, &config);
    }
}

/// Subject, issuer, usages and names are the same, and so is the shape of kubeconfigs.
#[test]
fn ours_look_like_its() {
    let Some(kubeadm) = kubeadm() else { return };
    let (ours, theirs) = (Tree::p256(), Tree::empty(EcdsaP256));
    make(&kubeadm, &theirs, &config(&theirs, "ECDSA-P256"));
    assert_eq!(modes(&ours), modes(&theirs));
    // kubeadm 1.36 still gives this one a group; the form without is that of 1.37.
    let same = |spec: &&CertSpec| !["apiserver-kubelet-client", KUBELET_SERVING_CA].contains(&spec.name);
    for spec in CERTIFICATES.iter().filter(same) {
        assert_eq!(shown(&ours, spec.file), shown(&theirs, spec.file), "{}", spec.name);
    }
    for spec in &usernetes_pki::kubeconfig::FILES {
        let blank = |tree: &Tree| blank(&std::fs::read_to_string(tree.at(spec.file)).unwrap());
        assert_eq!(blank(&ours), blank(&theirs), "{}", spec.file);
    }
}

/// Names and modes of the files that kubeadm has, too.
fn modes(tree: &Tree) -> Vec<(String, u32)> {
    let files = tree.files().into_iter().filter(|(name, _)| !name.contains(KUBELET_SERVING_CA));
    files.map(|(name, (mode, _))| (name, mode)).collect()
}

/// Lines about the certificate, sorted: the order of extensions and of addresses means nothing.
fn shown(tree: &Tree, file: &str) -> Vec<String> {
    let path = tree.pki().join(format!("{file}.crt"));
    let extensions = "keyUsage,extendedKeyUsage,basicConstraints,subjectAltName";
    let output = Command::new("openssl")
        .args(["x509", "-noout", "-subject", "-issuer", "-ext", extensions, "-in"])
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut words: Vec<_> = text.split(['\n', ',']).map(|word| word.trim().to_owned()).collect();
    words.sort();
    words
}

fn blank(text: &str) -> String {
    let line = |line: &str| line.split_once("-data: ").map_or(line.to_owned(), |(key, _)| key.to_owned());
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}
