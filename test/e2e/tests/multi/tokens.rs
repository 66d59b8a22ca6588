//! Tokens in kubeadm's way, and hosts that are in a cluster already.

use anyhow::{Context, Result, ensure};
use usernetes_e2e::{Host, Machine, Testbed};

use crate::mtu;
use crate::refusals::pin;
use crate::{discovery_file, join, token};

fn kubeadm(host: &Host, arguments: &str) -> Result<String> {
    let script =
        format!("/srv/bundle/bin/kubeadm --kubeconfig ~/.local/share/usernetes/default/admin.conf token {arguments}");
    Ok(host.sh(&script).ok()?.text().to_owned())
}

/// A token of kubeadm's, its form of the command, a network of small packets, and a file instead of a token.
pub(crate) fn classic_join(testbed: &Testbed) -> Result<()> {
    const MTU: u32 = 1400;
    let [first, worker] = testbed.hosts() else { anyhow::bail!("not two hosts") };
    testbed.mtu(MTU)?;
    first.init::<&str>(&[]).ok()?;

    let secret = kubeadm(first, "create --ttl 1h --description theirs")?;
    let theirs = kubeadm(first, "list")?;
    let ours = first.tool(&["token", "list"]).ok()?;
    let id = secret.split('.').next().context("no token")?;
    for list in [theirs.as_str(), ours.text()] {
        let (head, rows) = list.split_once('\n').context("no rows")?;
        let columns: Vec<_> = head.split_whitespace().collect();
        ensure!(columns.join(" ") == "TOKEN TTL EXPIRES USAGES DESCRIPTION EXTRA GROUPS", "{list}");
        ensure!(rows.contains(id) && rows.contains("theirs"), "{list}");
    }

    let endpoint = format!("{}:6443", first.address());
    let classic = [&endpoint, "--token", &secret, "--discovery-token-ca-cert-hash", &pin(first)?];
    join(worker, &classic).ok()?;
    first.kubectl(&["wait", "--for=condition=Ready", "node/host2", "--timeout=60s"])?;
    for host in testbed.hosts() {
        let mtu = host.tool(&["shell", "--", "cat", "/sys/class/net/flannel.1/mtu"]).ok()?;
        ensure!(mtu.text() == (MTU - 50).to_string(), "{}: {mtu}", host.name());
    }
    by_document(first, worker)?;
    by_file(first, worker)?;
    mtu::holds(testbed, MTU)?;
    [1460, 1500, 9000].into_iter().try_for_each(|mtu| mtu::changes(testbed, mtu))
}

/// kubeadm's document, with a phase left out and another name, which the node keeps when it joins again.
fn by_document(first: &Host, worker: &Host) -> Result<()> {
    worker.tool(&["reset", "--force"]).ok()?;
    let secret = first.tool(&["token", "create", "--classic"]).ok()?;
    let document = format!(
        "apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken: {{token: {}, apiServerEndpoint: '{}:6443', caCertHashes: ['{}']}}
nodeRegistration: {{name: renamed}}
skipPhases: [wait-node]
",
        secret.text(),
        first.address(),
        pin(first)?
    );
    let document = worker.write("join.yaml", &document)?;
    let joined = join(worker, &["--config", &document]).ok()?.says(&["Node renamed joined", "[kubelet-start]"])?;
    ensure!(!format!("{joined}").contains("[wait-node]"), "{joined}");
    // Without wait-node nothing has waited for the Node yet.
    first.kubectl(&["wait", "--for=create", "node/renamed", "--timeout=60s"])?;
    first.kubectl(&["wait", "--for=condition=Ready", "node/renamed", "--timeout=60s"])?;

    worker.tool(&["stop"]).ok()?;
    let again = token(first)?;
    let other = join(worker, &[&again, "--node-name", "host2"]).output()?;
    other.exits(1)?.says(&["is node \"renamed\" already", "reset"])?;
    join(worker, &[&again]).ok()?.says(&["Node renamed joined"])?;
    worker.until("node renamed is well", 60, |worker| Ok(worker.tool(&["status"]).output()?.code() == Some(0)))?;
    join(worker, &[&again]).ok()?.says(&["node renamed already", "nothing to do"])?;

    first.tool(&["nodes", "remove", &first.name()]).output()?.exits(1)?.says(&["is the control plane", "reset"])?;
    first.tool(&["nodes", "remove", "renamed"]).ok()?;
    join(worker, &[&again]).output()?.exits(1)?.says(&["renamed", "was removed", "reset"]).map(drop)
}

/// The kubeconfig of `cluster-info`, with a token for the rest.
fn by_file(first: &Host, worker: &Host) -> Result<()> {
    worker.tool(&["reset", "--force"]).ok()?;
    let file = discovery_file(first, worker)?;
    let secret = first.tool(&["token", "create", "--classic"]).ok()?;
    join(worker, &["--discovery-file", &file]).output()?.exits(1)?.says(&["--tls-bootstrap-token"])?;
    join(worker, &["--discovery-file", &file, "--tls-bootstrap-token", secret.text()]).ok()?;
    first.kubectl(&["wait", "--for=condition=Ready", "node/host2", "--timeout=60s"]).map(drop)
}

pub(crate) fn joined_host_is_not_joined_again(testbed: &Testbed) -> Result<()> {
    let worker = testbed.hosts().get(1).context("no worker")?;
    let token = token(testbed.host())?;
    join(worker, &[&token]).output()?.says(&["nothing to do"])?;
    worker.init::<&str>(&[]).output()?.exits(1)?.says(&["reset"])?;
    worker.tool(&["status"]).ok().map(drop)
}
