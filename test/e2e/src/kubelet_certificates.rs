//! Serving certificates of kubelets, as scenarios ask for them and see them.

use anyhow::Result;

use crate::testbed::host::Host;
use crate::testbed::machine::Machine;

/// Requests a serving certificate for `names` (`DNS:host1,IP:198.51.100.11`) as the kubelet of `node`, whose credentials the
/// administrator need not have.
pub fn request_serving_certificate(first: &Host, name: &str, node: &str, names: &str) -> Result<()> {
    let script = format!(
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null \
         -subj '/O=system:nodes/CN=system:node:{node}' -addext 'subjectAltName={names}' | base64 -w0"
    );
    let request = first.sh(&script).ok()?;
    let object = format!(
        "apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {{name: {name}}}
spec:
  request: {}
  signerName: kubernetes.io/kubelet-serving
  usages: [digital signature, server auth]
",
        request.text()
    );
    let file = first.write("csr.yaml", &object)?;
    let user = format!("--as=system:node:{node}");
    let groups = ["--as-group=system:nodes", "--as-group=system:authenticated"];
    first.kubectl(&["create", "-f", &file, &user, groups[0], groups[1]]).map(drop)
}

/// Whether the kubelet of `host` shows a certificate of this CA (`ca.crt`, `kubelet-serving-ca.crt`) for its HOST_IP.
pub fn kubelet_shows_certificate_of(ca: &str, first: &Host, host: &Host) -> Result<bool> {
    let script = format!(
        "openssl s_client -connect {0}:10250 -CAfile ~/.local/share/usernetes/default/node/etc/kubernetes/pki/{ca} \
         -verify_ip {0} -verify_return_error < /dev/null",
        host.address()
    );
    Ok(first.sh(&script).output()?.code() == Some(0))
}
