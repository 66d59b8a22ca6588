//! The five kubeconfigs.

use crate::support::{Tree, run, told};
use std::time::Duration;
use usernetes_api::EncryptionAlgorithm::EcdsaP256;
use usernetes_pki::{Action, Kubeconfig, kubeconfig};

#[test]
fn names_groups_and_servers() {
    let mut tree = Tree::empty(EcdsaP256);
    tree.params.control_plane_endpoint = Some("api.example.org:443".parse().unwrap());
    tree.certs().unwrap();
    tree.kubeconfigs().unwrap();
    let mut all = String::new();
    for spec in &kubeconfig::FILES {
        let text = std::fs::read_to_string(tree.at(spec.file)).unwrap();
        let config = Kubeconfig::parse(&text).unwrap();
        let pem = config.user().unwrap().certificate_pem().unwrap().unwrap();
        std::fs::write(tree.at("client.crt"), pem).unwrap();
        let crt = tree.at("client.crt").display().to_string();
        let ca = tree.at("pki/ca.crt").display().to_string();
        run("openssl", &["verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", &ca, &crt]);
        let subject = run("openssl", &["x509", "-noout", "-subject", "-in", &crt]);
        let server = &config.cluster().unwrap().server;
        let line = [spec.file, server, &config.current_context, &subject];
        all += &line.join(" ");
    }
    insta::assert_snapshot!(all, @r#"
admin.conf https://api.example.org:443 kubernetes-admin@kubernetes subject=O = kubeadm:cluster-admins, CN = kubernetes-admin
super-admin.conf https://api.example.org:443 kubernetes-super-admin@kubernetes subject=O = system:masters, CN = kubernetes-super-admin
kubelet.conf https://198.51.100.11:6443 system:node:alice@kubernetes subject=O = system:nodes, CN = system:node:alice
controller-manager.conf https://198.51.100.11:6443 system:kube-controller-manager@kubernetes subject=CN = system:kube-controller-manager
scheduler.conf https://198.51.100.11:6443 system:kube-scheduler@kubernetes subject=CN = system:kube-scheduler
"#);
}

#[test]
fn mistakes() {
    let told_after = |change: &dyn Fn(&mut Tree)| {
        let mut tree = Tree::p256();
        tree.remove("admin.conf");
        change(&mut tree);
        let before = tree.files();
        let error = tree.kubeconfigs().unwrap_err();
        assert_eq!(tree.files(), before);
        told(&tree, &error)
    };
    let told = told_after(&|t| std::fs::write(t.at("scheduler.conf"), "a: [").unwrap());
    insta::assert_snapshot!(told, @r#"
scheduler.conf cannot be read as a kubeconfig
rm scheduler.conf; usernetes-rs init phase kubeconfig scheduler
"#);
    let told = told_after(&|t| t.params.bind_port = 7443);
    insta::assert_snapshot!(told, @r#"
super-admin.conf is for https://198.51.100.11:6443, not for https://198.51.100.11:7443
rm super-admin.conf; usernetes-rs init phase kubeconfig super-admin
"#);
    let of_another_cluster = told_after(&|t| {
        std::fs::copy(Tree::p256().at("kubelet.conf"), t.at("kubelet.conf")).unwrap();
    });
    insta::assert_snapshot!(of_another_cluster, @r#"
kubelet.conf trusts another CA than pki/ca.crt
rm kubelet.conf; usernetes-rs init phase kubeconfig kubelet
"#);
    let told = told_after(&|t| t.remove("pki/ca.crt"));
    insta::assert_snapshot!(told, @r#"
pki/ca.crt is missing
usernetes-rs init phase certs ca
"#);
}

#[test]
fn one_alone_and_an_expired_one() {
    let mut tree = Tree::empty(EcdsaP256);
    tree.certs().unwrap();
    tree.params.policy.validity = Duration::ZERO;
    let ensure = |name: &str| kubeconfig::ensure(tree.dir(), &tree.pki(), name, &tree.params);
    assert_eq!(ensure("admin.conf").unwrap().action, Action::Made);
    let error = told(&tree, &ensure("admin.conf").unwrap_err());
    assert!(error.starts_with("admin.conf expired at ") && error.ends_with("certs renew admin.conf"), "{error}");
    insta::assert_snapshot!(told(&tree, &ensure("other.conf").unwrap_err()), @"there is no certificate other.conf; known are: admin.conf, super-admin.conf, kubelet.conf, controller-manager.conf, scheduler.conf");
}

/// After its first rotation the kubelet's certificate is a path.
#[test]
fn a_kubelet_conf_with_paths_is_kept() {
    let tree = Tree::p256();
    let text = std::fs::read_to_string(tree.at("kubelet.conf")).unwrap();
    let mut config = Kubeconfig::parse(&text).unwrap();
    let user = &mut config.users.as_mut().unwrap()[0].user;
    user.client_certificate_data = None;
    user.client_key_data = None;
    user.client_certificate = Some("/var/lib/kubelet/pki/kubelet-client-current.pem".into());
    user.client_key = user.client_certificate.clone();
    std::fs::write(tree.at("kubelet.conf"), config.to_yaml()).unwrap();
    assert!(tree.kubeconfigs().unwrap().iter().all(|o| o.action == Action::Kept));
}
