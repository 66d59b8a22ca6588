//! Tokens in kubeadm's way, and hosts that are in a cluster already.

use anyhow::{Context, Result, ensure};
use usernetes_e2e::{Host, Rig};

use crate::mtu;
use crate::refusals::pin;
use crate::{join, token};

fn kubeadm(host: &Host, arguments: &str) -> Result<String> {
    let script =
        format!("/srv/bundle/bin/kubeadm --kubeconfig ~/.local/share/usernetes/default/admin.conf token {arguments}");
    Ok(host.sh(&script).ok()?.text().to_owned())
}

/// A token of kubeadm's, its form of the command, a network of small packets, and a file instead of a token.
pub(crate) fn classic_join(rig: &Rig) -> Result<()> {
    const MTU: u32 = 1400;
    let [first, worker] = rig.hosts() else { anyhow::bail!("not two hosts") };
    rig.mtu(MTU)?;
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
    for host in rig.hosts() {
        let mtu = host.tool(&["shell", "--", "cat", "/sys/class/net/flannel.1/mtu"]).ok()?;
        ensure!(mtu.text() == (MTU - 50).to_string(), "{}: {mtu}", host.name());
    }
    by_file(first, worker)?;
    mtu::holds(rig, MTU)?;
    mtu::changes(rig, 9000)
}

/// The kubeconfig of `cluster-info`, with a token for the rest.
fn by_file(first: &Host, worker: &Host) -> Result<()> {
    worker.tool(&["reset", "--force"]).ok()?;
    let path = "jsonpath={.data.kubeconfig}";
    let file = first.kubectl(&["-n", "kube-public", "get", "configmap", "cluster-info", "-o", path])?;
    let file = worker.write("discovery.conf", &file.stdout)?;
    let secret = first.tool(&["token", "create", "--classic"]).ok()?;
    join(worker, &["--discovery-file", &file]).output()?.exits(1)?.says(&["--tls-bootstrap-token"])?;
    join(worker, &["--discovery-file", &file, "--tls-bootstrap-token", secret.text()]).ok()?;
    first.kubectl(&["wait", "--for=condition=Ready", "node/host2", "--timeout=60s"]).map(drop)
}

pub(crate) fn joined_host_is_not_joined_again(rig: &Rig) -> Result<()> {
    let worker = rig.hosts().get(1).context("no worker")?;
    let token = token(rig.host())?;
    join(worker, &[&token]).output()?.says(&["nothing to do"])?;
    worker.init::<&str>(&[]).output()?.exits(1)?.says(&["reset"])?;
    worker.tool(&["status"]).ok().map(drop)
}
