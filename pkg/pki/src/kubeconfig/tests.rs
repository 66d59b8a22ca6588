//! The file format, and merging.

use super::*;

fn token_config() -> Kubeconfig {
    let token = "abcdef.0123456789abcdef".parse().unwrap();
    bootstrap("kubernetes", "https://198.51.100.11:6443", "PEM\n", &token)
}

#[test]
fn bootstrap_kubelet_conf() {
    insta::assert_snapshot!(token_config().to_yaml(), @r#"
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: UEVNCg==
    server: https://198.51.100.11:6443
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    user: tls-bootstrap-token-user
  name: tls-bootstrap-token-user@kubernetes
current-context: tls-bootstrap-token-user@kubernetes
kind: Config
users:
- name: tls-bootstrap-token-user
  user:
    token: abcdef.0123456789abcdef
"#);
}

#[test]
fn reads_back() {
    let config = Kubeconfig::parse(&token_config().to_yaml()).unwrap();
    assert_eq!(config, token_config());
    assert_eq!(config.cluster().unwrap().ca_pem().unwrap().as_deref(), Some("PEM\n"));
    assert!(!format!("{config:?}").contains("0123456789abcdef"));
}

#[test]
fn merging_keeps_what_is_not_ours() {
    let theirs = "\
apiVersion: v1
kind: Config
preferences: {colors: true}
clusters:
- name: work
  cluster: {server: https://work, proxy-url: http://proxy, insecure-skip-tls-verify: true}
- name: usernetes-default
  cluster: {server: https://old}
contexts: null
current-context: work
users:
- name: work
  user:
    exec: {command: login, apiVersion: client.authentication.k8s.io/v1}
";
    let merged = merge(theirs, &token_config().renamed("usernetes-default")).unwrap();
    insta::assert_snapshot!(merged, @r#"
apiVersion: v1
kind: Config
preferences:
  colors: true
clusters:
- name: work
  cluster:
    server: https://work
    proxy-url: http://proxy
    insecure-skip-tls-verify: true
- cluster:
    certificate-authority-data: UEVNCg==
    server: https://198.51.100.11:6443
  name: usernetes-default
contexts:
- context:
    cluster: usernetes-default
    user: usernetes-default
  name: usernetes-default
current-context: usernetes-default
users:
- name: work
  user:
    exec:
      command: login
      apiVersion: client.authentication.k8s.io/v1
- name: usernetes-default
  user:
    token: abcdef.0123456789abcdef
"#);
    assert_eq!(merge(&merged, &token_config().renamed("usernetes-default")).unwrap(), merged);
}

#[test]
fn merging_into_nothing() {
    let merged = merge("", &token_config()).unwrap();
    assert_eq!(Kubeconfig::parse(&merged).unwrap(), token_config());
    assert!(matches!(merge("a: [", &token_config()), Err(KubeconfigError::Parse(_))));
    assert!(matches!(merge("text", &token_config()), Err(KubeconfigError::Parse(_))));
    assert!(matches!(merge("clusters: {}", &token_config()), Err(KubeconfigError::Missing("list of clusters"))));
}

proptest::proptest! {
    #[test]
    fn never_panics(text: String) {
        let _ = Kubeconfig::parse(&text);
        let _ = merge(&text, &token_config());
    }
}
