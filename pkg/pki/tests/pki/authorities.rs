//! CAs whose keys are elsewhere.

use crate::support::{Tree, actions, told};
use usernetes_pki::{Action, expiry, store};

#[test]
fn a_ca_without_its_key_signs_nothing() {
    let tree = Tree::p256();
    for ca in ["ca", "etcd/ca", "front-proxy-ca", "kubelet-serving-ca"] {
        tree.remove(&format!("pki/{ca}.key"));
    }
    let before = tree.files();
    let mut wanted = [Action::KeptExternal; 12];
    wanted[11] = Action::Kept;
    assert_eq!(actions(&tree.certs().unwrap()), wanted);
    assert_eq!(actions(&tree.kubeconfigs().unwrap()), [Action::KeptExternal; 5]);
    assert_eq!(tree.files(), before);
    let report = expiry::check(tree.dir(), &tree.pki()).unwrap();
    assert!(report.certificates.iter().chain(&report.certificate_authorities).all(|e| e.externally_managed));
}

#[test]
fn one_external_ca_leaves_the_others_alone() {
    let tree = Tree::p256();
    tree.remove("pki/etcd/ca.key");
    tree.remove("pki/apiserver.crt");
    tree.remove("pki/apiserver.key");
    let outcomes = tree.certs().unwrap();
    let of = |name: &str| outcomes.iter().find(|o| o.name == name).unwrap().action;
    assert_eq!((of("etcd-peer"), of("apiserver"), of("ca")), (Action::KeptExternal, Action::Made, Action::Kept));
}

#[test]
fn what_it_should_have_signed_is_asked_for() {
    let tree = Tree::p256();
    tree.remove("pki/ca.key");
    tree.remove("pki/apiserver.crt");
    tree.remove("pki/apiserver.key");
    tree.remove("scheduler.conf");
    insta::assert_snapshot!(told(&tree, &tree.certs().unwrap_err()), @r#"
pki/apiserver.crt is missing, and cannot be made because pki/ca.key is missing too
put pki/apiserver.crt there with a certificate signed by the external CA; or pki/ca.key, so that it can be made here
"#);
    insta::assert_snapshot!(told(&tree, &tree.kubeconfigs().unwrap_err()), @r#"
scheduler.conf is missing, and cannot be made because pki/ca.key is missing too
put scheduler.conf there with a certificate signed by the external CA; or pki/ca.key, so that it can be made here
"#);
    let one = store::ensure(&tree.pki(), "apiserver", &tree.params).unwrap_err();
    insta::assert_snapshot!(told(&tree, &one), @r#"
pki/apiserver.crt is missing, and cannot be made because pki/ca.key is missing too
put pki/apiserver.crt there with a certificate signed by the external CA; or pki/ca.key, so that it can be made here
"#);
}
