//! OpenSSL accepts and shows what we make.

use crate::support::{Tree, run};
use usernetes_api::EncryptionAlgorithm::{self, EcdsaP256, EcdsaP384, Rsa2048, Rsa3072, Rsa4096};
use usernetes_pki::spec::{CERTIFICATES, Usage};
use usernetes_pki::store;

fn verify(tree: &Tree) {
    for spec in CERTIFICATES.iter().filter(|s| s.ca.is_some()) {
        let ca = usernetes_pki::spec::find(spec.ca.unwrap()).unwrap();
        let file = |name: &str| tree.pki().join(format!("{name}.crt")).display().to_string();
        for usage in spec.usages {
            let purpose = if *usage == Usage::Server { "sslserver" } else { "sslclient" };
            let (ca, leaf) = (file(ca.file), file(spec.file));
            run("openssl", &["verify", "-x509_strict", "-purpose", purpose, "-CAfile", &ca, &leaf]);
        }
    }
}

fn accepts(algorithm: EncryptionAlgorithm, key_type: &str) {
    let tree = Tree::full(algorithm);
    verify(&tree);
    for name in ["ca", "apiserver", "etcd/peer", "sa"] {
        let key = tree.at(&format!("pki/{name}.key")).display().to_string();
        let text = run("openssl", &["pkey", "-in", &key, "-noout", "-text", "-check"]);
        assert!(text.contains(key_type), "{name}: {text}");
    }
    let of_key = run("openssl", &["pkey", "-in", &tree.at("pki/sa.key").display().to_string(), "-pubout"]);
    assert_eq!(of_key, std::fs::read_to_string(tree.at("pki/sa.pub")).unwrap());
}

#[test]
fn ecdsa_p256() {
    accepts(EcdsaP256, "NIST CURVE: P-256");
}

#[test]
fn ecdsa_p384() {
    accepts(EcdsaP384, "NIST CURVE: P-384");
}

#[test]
fn rsa_2048() {
    accepts(Rsa2048, "Private-Key: (2048 bit");
}

/// One key is enough: more take long.
#[test]
fn larger_rsa() {
    for (algorithm, size) in [(Rsa3072, "(3072 bit"), (Rsa4096, "(4096 bit")] {
        let tree = Tree::empty(algorithm);
        store::ensure(&tree.pki(), "front-proxy-ca", &tree.params).unwrap();
        let text = run(
            "openssl",
            &["x509", "-noout", "-text", "-in", &tree.at("pki/front-proxy-ca.crt").display().to_string()],
        );
        assert!(text.contains(size), "{text}");
    }
}

#[test]
fn apiserver_and_ca_in_full() {
    let tree = Tree::p256();
    let show = |name: &str| {
        let path = tree.at(&format!("pki/{name}.crt")).display().to_string();
        run(
            "openssl",
            &[
                "x509",
                "-noout",
                "-in",
                &path,
                "-subject",
                "-issuer",
                "-ext",
                "keyUsage,extendedKeyUsage,basicConstraints,subjectAltName",
            ],
        )
    };
    insta::assert_snapshot!(show("apiserver"), @r#"
subject=CN = kube-apiserver
issuer=CN = kubernetes
X509v3 Subject Alternative Name: 
    DNS:alice, DNS:kubernetes, DNS:kubernetes.default, DNS:kubernetes.default.svc, DNS:kubernetes.default.svc.cluster.local, IP Address:10.96.0.1, IP Address:198.51.100.11
X509v3 Key Usage: critical
    Digital Signature, Key Encipherment
X509v3 Extended Key Usage: 
    TLS Web Server Authentication
X509v3 Basic Constraints: critical
    CA:FALSE
"#);
    insta::assert_snapshot!(show("ca"), @r#"
subject=CN = kubernetes
issuer=CN = kubernetes
X509v3 Subject Alternative Name: 
    DNS:kubernetes
X509v3 Key Usage: critical
    Digital Signature, Key Encipherment, Certificate Sign
X509v3 Basic Constraints: critical
    CA:TRUE
"#);
    insta::assert_snapshot!(show("apiserver-kubelet-client"), @r#"
subject=CN = kube-apiserver-kubelet-client
issuer=CN = kubernetes
X509v3 Key Usage: critical
    Digital Signature, Key Encipherment
X509v3 Extended Key Usage: 
    TLS Web Client Authentication
X509v3 Basic Constraints: critical
    CA:FALSE
"#);
    insta::assert_snapshot!(show("etcd/server"), @r#"
subject=CN = alice
issuer=CN = etcd-ca
X509v3 Subject Alternative Name: 
    DNS:alice, DNS:localhost, IP Address:127.0.0.1, IP Address:198.51.100.11, IP Address:0:0:0:0:0:0:0:1
X509v3 Key Usage: critical
    Digital Signature, Key Encipherment
X509v3 Extended Key Usage: 
    TLS Web Server Authentication, TLS Web Client Authentication
X509v3 Basic Constraints: critical
    CA:FALSE
"#);
}

#[test]
fn serials_are_positive_63_bit_and_differ() {
    let tree = Tree::p256();
    let mut serials: Vec<u64> = Vec::new();
    for spec in &CERTIFICATES {
        let path = tree.pki().join(format!("{}.crt", spec.file)).display().to_string();
        let line = run("openssl", &["x509", "-noout", "-serial", "-in", &path]);
        let serial = u64::from_str_radix(line.trim().trim_start_matches("serial="), 16).unwrap();
        assert!(serial > 0 && i64::try_from(serial).is_ok(), "{line}");
        serials.push(serial);
    }
    serials.sort_unstable();
    serials.dedup();
    assert_eq!(serials.len(), CERTIFICATES.len());
}
