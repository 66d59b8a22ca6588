//! What a joining node believes.

use crate::support::{Tree, run};
use std::collections::BTreeMap;
use usernetes_pki::discovery::{self, KUBECONFIG_KEY, signature_key};
use usernetes_pki::{BootstrapToken, CaCertHash, TrustError};

struct Cluster {
    ca: String,
    token: BootstrapToken,
    data: BTreeMap<String, String>,
}

fn signed(ca: String, token: BootstrapToken) -> Cluster {
    let text = discovery::render("https://198.51.100.11:6443", &ca);
    let signature = discovery::sign(&text, &token);
    let data = [(KUBECONFIG_KEY.to_owned(), text), (signature_key(token.id()), signature)].into();
    Cluster { ca, token, data }
}

fn ca() -> String {
    std::fs::read_to_string(Tree::p256().at("pki/ca.crt")).unwrap()
}

fn cluster() -> Cluster {
    signed(ca(), "abcdef.0123456789abcdef".parse().unwrap())
}

#[test]
fn a_true_one_is_believed() {
    let Cluster { ca, token, data } = cluster();
    let info = discovery::verify(&data, &token, &[CaCertHash::of_pem(&ca).unwrap()]).unwrap();
    assert_eq!((info.server.as_str(), &info.ca_pem), ("https://198.51.100.11:6443", &ca));
    assert_eq!(discovery::confirm(&info, &data[KUBECONFIG_KEY]), Ok(()));
    assert_eq!(discovery::confirm(&info, "else"), Err(TrustError::Changed));
    assert!(discovery::verify(&data, &token, &[]).is_ok());
}

#[test]
fn a_false_one_is_not() {
    let Cluster { ca: true_ca, token, data } = cluster();
    let pin = [CaCertHash::of_pem(&true_ca).unwrap()];
    let other: BootstrapToken = "ghijkl.0123456789abcdef".parse().unwrap();
    assert!(matches!(discovery::verify(&data, &other, &pin), Err(TrustError::NotSigned { .. })));
    let other: BootstrapToken = "abcdef.0000000000000000".parse().unwrap();
    assert!(matches!(discovery::verify(&data, &other, &pin), Err(TrustError::Signature { .. })));
    assert_eq!(discovery::verify(&BTreeMap::new(), &token, &pin), Err(TrustError::NoKubeconfig));
    // A man in the middle who knows the token: the signature is right, the CA is not.
    let false_one = signed(ca(), token.clone());
    assert!(matches!(discovery::verify(&false_one.data, &token, &pin), Err(TrustError::Pin { .. })));
    // The same with the true CA beside his own: his own is not believed.
    let both = signed(false_one.ca + &true_ca, token.clone());
    assert_eq!(discovery::verify(&both.data, &token, &pin).unwrap().ca_pem, true_ca);
}

#[test]
fn the_pin_is_openssls() {
    let tree = Tree::p256();
    let path = tree.at("pki/ca.crt").display().to_string();
    let command = format!("openssl x509 -pubkey -noout -in {path} | openssl pkey -pubin -outform der | sha256sum");
    let sum = run("sh", &["-c", &command]);
    let hash = CaCertHash::of_pem(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(hash.to_string(), format!("sha256:{}", sum.split(' ').next().unwrap()));
    assert_eq!(hash.to_string().parse(), Ok(hash));
    for wrong in [
        "",
        "sha256:",
        "sha256:00",
        &"sha256:+0".repeat(32),
        &format!("sha512:{}", "0".repeat(64)),
        &format!("sha256:{}", "+0".repeat(32)),
    ] {
        assert!(wrong.parse::<CaCertHash>().is_err(), "{wrong}");
    }
    assert!(format!("sha256:{}", "AB".repeat(32)).parse::<CaCertHash>().is_ok());
}

#[test]
fn cluster_info_is_stable() {
    insta::assert_snapshot!(discovery::render("https://198.51.100.11:6443", "PEM\n"), @r#"
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: UEVNCg==
    server: https://198.51.100.11:6443
  name: ''
contexts: null
current-context: ''
kind: Config
users: null
"#);
}
