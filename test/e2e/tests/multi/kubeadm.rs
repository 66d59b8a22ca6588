//! kubeadm's own program as peer: its join against our cluster, our join against what it made, and discovery by URL.

use anyhow::{Result, ensure};
use serde_json::Value;
use std::time::Duration;
use usernetes_e2e::{Host, Machine, Testbed};

use crate::refusals::pin;
use crate::{join, token};

const ADMIN: &str = "~/.local/share/usernetes/default/admin.conf";

pub(crate) fn kubeadm_as_peer(testbed: &Testbed) -> Result<()> {
    let [first, worker] = testbed.hosts() else { anyhow::bail!("not two hosts") };
    first.init::<&str>(&[]).ok()?;
    its_tokens(first)?;
    its_join(first, worker)?;
    its_cluster_info(first, worker)?;
    by_url(first, worker)
}

/// Its document makes a token here, and its list is ours.
fn its_tokens(first: &Host) -> Result<()> {
    let document = "apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens:
- {token: filed0.0123456789abcdef, ttl: 2h, usages: [signing], description: of a file}
";
    let document = first.write("tokens.yaml", document)?;
    let create = ["token", "create", "--classic", "--config", &document];
    first.tool(&[&create[..], &["--dry-run"]].concat()).ok()?.says(&["filed0.0123456789abcdef"])?;
    let none = first.tool(&["token", "list"]).ok()?;
    ensure!(!none.text().contains("filed0"), "{none}");
    first.tool(&create).ok()?;
    let masters = first.tool(&["token", "create", "--groups", "system:masters"]).output()?;
    masters.exits(3)?.says(&["--groups", "system:bootstrappers:NAME"])?;

    let ours = first.tool(&["token", "list", "-o", "json"]).ok()?;
    let theirs = first.sh(&format!("/srv/bundle/bin/kubeadm --kubeconfig {ADMIN} token list -o json")).ok()?;
    let read = |text: &str| serde_json::Deserializer::from_str(text).into_iter().collect::<Result<Vec<Value>, _>>();
    ensure!(read(ours.text())? == read(theirs.text())?, "{ours}\n{theirs}");
    Ok(())
}

/// `kubeadm join phase kubelet-start` with our token, then the kubelet that it configured, as far as its certificate.
/// Both want to be root and to write to /etc and /var/lib: they get namespaces of their own for it. Without rotation the
/// kubelet asks for its certificate before it misses its container runtime.
fn its_join(first: &Host, worker: &Host) -> Result<()> {
    let secret = first.tool(&["token", "create", "--classic"]).ok()?;
    let inside = format!(
        "mount -t tmpfs none /etc/kubernetes; mount -t tmpfs none /var/lib/kubelet
         /srv/bundle/bin/kubeadm join phase kubelet-start {endpoint}:6443 --token {secret} \
             --discovery-token-ca-cert-hash {pin} --node-name peer --cri-socket unix:///run/containerd/containerd.sock
         grep -q maxOpenFiles /var/lib/kubelet/config.yaml
         /srv/bundle/bin/kubelet --config /var/lib/kubelet/config.yaml --hostname-override peer \
             --bootstrap-kubeconfig /etc/kubernetes/bootstrap-kubelet.conf --kubeconfig /etc/kubernetes/kubelet.conf \
             --rotate-certificates=false > ~/kubelet.log 2>&1 || tail ~/kubelet.log
         openssl x509 -noout -subject -in /var/lib/kubelet/pki/kubelet-client-current.pem",
        endpoint = first.address(),
        secret = secret.text(),
        pin = pin(first)?
    );
    worker.admin("mkdir -p /etc/kubernetes /var/lib/kubelet; chmod 755 /etc/kubernetes /var/lib/kubelet")?;
    let ran = worker.run(&["unshare", "-Urm", "sh", "-euc", &inside]).limit(120).ok()?;
    ran.says(&["O = system:nodes, CN = system:node:peer"]).map(drop)
}

/// `cluster-info`, its rights and a token, all by kubeadm; signed by the controller manager some seconds later.
fn its_cluster_info(first: &Host, worker: &Host) -> Result<()> {
    first.kubectl(&["-n", "kube-public", "delete", "configmap/cluster-info"])?;
    first.kubectl(&["-n", "kube-public", "delete", "role,rolebinding", "kubeadm:bootstrap-signer-clusterinfo"])?;
    let config = format!(
        "apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {{advertiseAddress: {0}, bindPort: 6443}}
nodeRegistration: {{name: host1, criSocket: unix:///run/containerd/containerd.sock}}
bootstrapTokens: [{{token: theirs.0123456789abcdef, description: made by kubeadm}}]
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.36.3
",
        first.address()
    );
    let config = first.write("kubeadm.yaml", &config)?;
    first
        .sh(&format!("/srv/bundle/bin/kubeadm init phase bootstrap-token --config {config} --kubeconfig {ADMIN}"))
        .ok()?;
    let list = first.tool(&["token", "list"]).ok()?;
    ensure!(list.text().contains("theirs.0123456789abcdef") && list.text().contains("made by kubeadm"), "{list}");
    let endpoint = format!("{}:6443", first.address());
    let pin = pin(first)?;
    let classic = [&endpoint, "--token", "theirs.0123456789abcdef", "--discovery-token-ca-cert-hash", &pin];
    join(worker, &classic).ok()?.says(&["joined"])?;
    first.kubectl(&["wait", "--for=condition=Ready", "node/host2", "--timeout=60s"])?;
    // Ours is signed in kubeadm's map as well.
    worker.tool(&["reset", "--force"]).ok()?;
    join(worker, &[&token(first)?]).ok()?.says(&["joined"])?;
    worker.tool(&["reset", "--force"]).ok().map(drop)
}

/// The kubeconfig of `cluster-info` from a web server, whose certificate is of a CA that the host trusts, or not.
fn by_url(first: &Host, worker: &Host) -> Result<()> {
    let path = "jsonpath={.data.kubeconfig}";
    let file = first.kubectl(&["-n", "kube-public", "get", "configmap", "cluster-info", "-o", path])?;
    first.write("www/discovery.conf", &file.stdout)?;
    let made = format!(
        "cd ~; echo subjectAltName=IP:{} > web.ext; pki=.local/share/usernetes/default/node/etc/kubernetes/pki
         openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=web -keyout web.key -out web.csr
         openssl x509 -req -in web.csr -CA $pki/ca.crt -CAkey $pki/ca.key -days 1 -extfile web.ext -out web.crt
         cat $pki/ca.crt",
        first.address()
    );
    let made = first.sh(&made).ok()?;
    let ca = worker.write("web.crt", &made.stdout)?;
    let server = first
        .sh("cd ~/www; exec openssl s_server -WWW -accept 8443 -cert ../web.crt -key ../web.key")
        .limit(300)
        .spawn()?;
    server.line(Duration::from_secs(10), |line| line.contains("ACCEPT"))?;
    let at = format!("{}:8443", first.address());
    let secret = first.tool(&["token", "create", "--classic"]).ok()?;
    let by = |url: String| join(worker, &["--discovery-file", &url, "--tls-bootstrap-token", secret.text()]);
    by(format!("http://{at}/discovery.conf")).output()?.exits(3)?.says(&["neither a path nor an https URL"])?;
    by(format!("https://{at}/discovery.conf")).output()?.exits(1)?.says(&["cannot fetch", "SSL_CERT_FILE"])?;
    by(format!("https://{at}/discovery.conf")).env("SSL_CERT_FILE", &ca).ok()?.says(&["joined"])?;
    first.kubectl(&["wait", "--for=condition=Ready", "node/host2", "--timeout=60s"])?;
    server.signal_group(nix::sys::signal::Signal::SIGKILL)
}
