//! Tokens that work and tokens that do not, each told apart.

use anyhow::{Context, Result, ensure};
use usernetes_e2e::{Host, Output, Rig};

use crate::{join, token};

/// A refused join says why and leaves nothing running.
fn refused(host: &Host, output: Output, texts: &[&str]) -> Result<()> {
    ensure!(output.code() != Some(0) && !output.late, "{output}");
    output.says(texts)?;
    host.silent()
}

pub(crate) fn that_do_not_work(rig: &Rig) -> Result<()> {
    let [first, worker] = rig.hosts() else { anyhow::bail!("not two hosts") };
    first.init::<&str>(&[]).ok()?;
    let good = token(first)?;

    let truncated = &good[..good.len() - 3];
    refused(worker, join(worker, &[truncated]).output()?, &["token", "truncated"])?;

    let deleted = first.tool(&["token", "create", "zzzzzz.0123456789abcdef"]).ok()?;
    first.tool(&["token", "delete", "zzzzzz"]).ok()?;
    refused(worker, join(worker, &[deleted.text()]).output()?, &["token", "token create"])?;

    let expiring = first.tool(&["token", "create", "yyyyyy.0123456789abcdef", "--ttl", "2s"]).ok()?;
    first.kubectl(&["-n", "kube-system", "wait", "--for=delete", "secret/bootstrap-token-yyyyyy", "--timeout=120s"])?;
    refused(worker, join(worker, &[expiring.text()]).output()?, &["token", "expired"])?;

    first.tool(&["stop"]).ok()?;
    refused(worker, join(worker, &[&good]).output()?, &["198.51.100.11:6443", "refused"])?;
    first.tool(&["start"]).ok()?;
    join(worker, &[&good]).ok().map(drop)
}

/// kubeadm's form of the command, with a pin; a wrong pin is refused before any secret is sent.
pub(crate) fn classic_join(rig: &Rig) -> Result<()> {
    let [first, worker] = rig.hosts() else { anyhow::bail!("not two hosts") };
    first.init::<&str>(&[]).ok()?;
    let secret = first.tool(&["token", "generate"]).ok()?;
    first.tool(&["token", "create", secret.text()]).ok()?;
    let pin = first
        .sh("openssl x509 -pubkey -noout -in ~/.local/share/usernetes/default/node/etc/kubernetes/pki/ca.crt \
         | openssl pkey -pubin -outform der | sha256sum | cut -d' ' -f1");
    let pin = pin.ok()?.text().to_owned();
    let endpoint = format!("{}:6443", first.address());
    let with = |pin: &str| {
        let hash = format!("sha256:{pin}");
        join(worker, &[&endpoint, "--token", secret.text(), "--discovery-token-ca-cert-hash", &hash]).output()
    };
    let wrong = pin.chars().rev().collect::<String>();
    refused(worker, with(&wrong)?, &["sha256", "--discovery-token-ca-cert-hash"])?;
    with(&pin)?.ok()?;
    first.kubectl(&["wait", "--for=condition=Ready", "node/host2", "--timeout=60s"]).map(drop)
}

pub(crate) fn joined_host_is_not_joined_again(rig: &Rig) -> Result<()> {
    let worker = rig.hosts().get(1).context("no worker")?;
    let token = token(rig.host())?;
    join(worker, &[&token]).output()?.says(&["nothing to do"])?;
    worker.init::<&str>(&[]).output()?.exits(1)?.says(&["reset"])?;
    worker.tool(&["status"]).ok().map(drop)
}
