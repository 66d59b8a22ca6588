//! A KubeletConfiguration for the whole cluster, serving certificates of the CA for kubelets, and a kubelet that is older
//! than the API server.

use anyhow::{Result, ensure};
use usernetes_e2e::kubelet_certificates::{kubelet_shows_certificate_of, request_serving_certificate};
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
        first.until(&format!("{name} has a serving certificate"), 60, |first| {
            kubelet_shows_certificate_of("kubelet-serving-ca.crt", first, host)
        })?;
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

/// The kubelet of one host asks for the other's name.
fn foreign_names(first: &Host) -> Result<()> {
    request_serving_certificate(first, "foreign", "host2", "DNS:host2,DNS:host1")?;
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
