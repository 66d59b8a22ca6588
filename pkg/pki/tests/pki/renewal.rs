//! Renewal and expiry.

use crate::support::{Tree, actions, run};
use std::time::Duration;
use usernetes_api::EncryptionAlgorithm::{EcdsaP256, EcdsaP384};
use usernetes_pki::renew::{self, Renewal};
use usernetes_pki::{Action, expiry};

fn subject_and_names(tree: &Tree, file: &str) -> String {
    let path = tree.at(file).display().to_string();
    run("openssl", &["x509", "-noout", "-subject", "-ext", "subjectAltName,extendedKeyUsage", "-in", &path])
}

#[test]
fn expired_ones_come_back_as_they_were() {
    let mut tree = Tree::empty(EcdsaP256);
    tree.params.api_server_sans = vec!["api.example.org".into(), "2001:db8::1".into()];
    tree.params.policy.validity = Duration::ZERO;
    tree.certs().unwrap();
    tree.kubeconfigs().unwrap();
    tree.remove("super-admin.conf");
    let (before, names) = (tree.files(), subject_and_names(&tree, "pki/apiserver.crt"));
    assert!(tree.certs().is_err());

    tree.params.policy.validity = crate::support::YEAR;
    tree.params.policy.algorithm = EcdsaP384;
    let renewed = renew::all(tree.dir(), &tree.pki(), &tree.params.policy).unwrap();
    let missing: Vec<_> = renewed.iter().filter(|(_, r)| *r != Renewal::Renewed).collect();
    assert_eq!(missing, [&("super-admin.conf", Renewal::Missing)]);

    assert_eq!(subject_and_names(&tree, "pki/apiserver.crt"), names);
    assert_eq!(actions(&tree.certs().unwrap()), [Action::Kept; 12]);
    let after = tree.files();
    let same: Vec<_> = after.keys().filter(|name| after[*name] == before[*name]).collect();
    insta::assert_debug_snapshot!(same, @r#"
[
    "kubelet.conf",
    "pki/ca.crt",
    "pki/ca.key",
    "pki/etcd/ca.crt",
    "pki/etcd/ca.key",
    "pki/front-proxy-ca.crt",
    "pki/front-proxy-ca.key",
    "pki/kubelet-serving-ca.crt",
    "pki/kubelet-serving-ca.key",
    "pki/sa.key",
    "pki/sa.pub",
]
"#);
    tree.remove("kubelet.conf");
    let made = tree.kubeconfigs().unwrap();
    assert_eq!(made.iter().filter(|o| o.action == Action::Made).count(), 2);
}

#[test]
fn without_the_cas_key_nothing_is_renewed() {
    let tree = Tree::p256();
    tree.remove("pki/ca.key");
    let before = tree.files();
    for name in ["apiserver", "admin.conf"] {
        assert_eq!(renew::renew(tree.dir(), &tree.pki(), name, &tree.params.policy).unwrap(), Renewal::External);
    }
    assert_eq!(tree.files(), before);
    for name in ["ca", "sa", "kubelet.conf"] {
        assert!(renew::renew(tree.dir(), &tree.pki(), name, &tree.params.policy).is_err(), "{name}");
    }
}

#[test]
fn the_report_lists_all() {
    let tree = Tree::p256();
    tree.remove("super-admin.conf");
    let report = expiry::check(tree.dir(), &tree.pki()).unwrap();
    let line = |e: &expiry::Expiration| format!("{} {:?} {}", e.name, e.authority, e.expires.is_some());
    let lines: Vec<_> = report.certificates.iter().chain(&report.certificate_authorities).map(line).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
admin.conf Some("ca") true
apiserver Some("ca") true
apiserver-etcd-client Some("etcd-ca") true
apiserver-kubelet-client Some("ca") true
controller-manager.conf Some("ca") true
etcd-healthcheck-client Some("etcd-ca") true
etcd-peer Some("etcd-ca") true
etcd-server Some("etcd-ca") true
front-proxy-client Some("front-proxy-ca") true
scheduler.conf Some("ca") true
super-admin.conf Some("ca") false
ca None true
etcd-ca None true
front-proxy-ca None true
kubelet-serving-ca None true
"#);
    assert!(report.next().unwrap().authority.is_some());
}
