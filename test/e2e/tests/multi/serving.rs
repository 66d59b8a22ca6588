//! A KubeletConfiguration for the whole cluster, serving certificates of the CA for kubelets, and a kubelet that is older
//! than the API server.

use anyhow::{Result, ensure};
use usernetes_e2e::{Host, Machine, Namespace, Testbed};

use crate::{one_on_every_node, token};

const CONFIG: &str = "apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
maxPods: 77
";

pub(crate) fn kubelet_configuration(testbed: &Testbed) -> Result<()> {
    let [first, worker] = testbed.hosts() else { anyhow::bail!("not two hosts") };
    let config = first.write("kubelet.yaml", CONFIG)?;
    first.init(&["--config", &config]).ok()?;
    older_kubelet_joins(first, worker)?;
    for host in testbed.hosts() {
        let node = format!("node/{}", host.name());
        let pods = first.kubectl(&["get", &node, "-o", "jsonpath={.status.capacity.pods}"])?;
        ensure!(pods.text() == "77", "{}: {pods}", host.name());
        let name = format!("system:node:{}", host.name());
        first.until(&format!("{name} has a serving certificate"), 60, |first| verified(first, host))?;
    }
    let namespace = Namespace::new(first, "serving")?;
    for (pod, node) in one_on_every_node(&namespace)? {
        ensure!(namespace.kubectl(&["logs", &pod])?.text() == "here I am", "{node}");
    }
    foreign_names(first)
}

/// The manifest says another version; the programs are the same.
fn older_kubelet_joins(first: &Host, worker: &Host) -> Result<()> {
    let script = "mkdir ~/older; ln -s /srv/bundle/* ~/older; rm ~/older/bundle.yaml; \
                  sed 's/^kubernetesVersion: .*/kubernetesVersion: v1.34.2/' /srv/bundle/bundle.yaml > ~/older/bundle.yaml";
    worker.sh(script).ok()?;
    let older = format!("{}/older", worker.home());
    let joined = worker.tool(&["join", &token(first)?, "--bundle", &older]).ok()?;
    joined.says(&["v1.34.2, 2 minors older than the API server, v1.36.3", "--bundle-from-peer", "joined"]).map(drop)
}

/// Whether the kubelet of `host` shows a certificate of the CA for kubelets for its HOST_IP.
pub(crate) fn verified(first: &Host, host: &Host) -> Result<bool> {
    let script = format!(
        "openssl s_client -connect {0}:10250 -CAfile ~/.local/share/usernetes/default/node/etc/kubernetes/pki/kubelet-serving-ca.crt \
         -verify_ip {0} -verify_return_error < /dev/null",
        host.address()
    );
    Ok(first.sh(&script).output()?.code() == Some(0))
}

/// The kubelet of one host asks for the other's name.
fn foreign_names(first: &Host) -> Result<()> {
    let script = "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null \
                  -subj '/O=system:nodes/CN=system:node:host2' -addext 'subjectAltName=DNS:host2,DNS:host1' | base64 -w0";
    let request = first.sh(script).ok()?;
    let object = format!(
        "apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {{name: foreign}}
spec:
  request: {}
  signerName: kubernetes.io/kubelet-serving
  usages: [digital signature, server auth]
",
        request.text()
    );
    let file = first.write("csr.yaml", &object)?;
    // As the kubelet of host2, whose credentials the administrator need not have.
    first.kubectl(&[
        "create",
        "--as=system:node:host2",
        "--as-group=system:nodes",
        "--as-group=system:authenticated",
        "-f",
        &file,
    ])?;
    first.until("the reason is told", 30, |first| {
        Ok(first
            .kubectl(&["describe", "csr", "foreign"])?
            .text()
            .contains("host1 is not a name or address of node host2"))
    })?;
    let path = "jsonpath={.status.conditions}{.status.certificate}";
    let status = first.kubectl(&["get", "csr", "foreign", "-o", path])?;
    ensure!(status.text().is_empty(), "{status}");
    Ok(())
}
