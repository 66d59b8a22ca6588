//! Joins that must not succeed, each refused for its own reason with a hint, and what comes after them.

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use std::time::Duration;
use usernetes_e2e::{Host, Machine, Output, Testbed};

use crate::{discovery_file, join, token};

/// An address of the joining host to which no other host has a route.
const ISLAND: &str = "192.0.2.77";

/// A refused join says why and leaves nothing running.
fn refused(host: &Host, output: Output, texts: &[&str]) -> Result<()> {
    ensure!(output.code() != Some(0) && !output.late, "{output}");
    output.says(texts)?;
    host.silent()
}

/// A join that failed after the node had started says why and leaves the node as it is: the same command goes on.
fn runs_on(output: Output, texts: &[&str]) -> Result<()> {
    output.exits(1)?.says(texts)?.says(&["the node goes on running"]).map(drop)
}

fn forget(host: &Host) -> Result<()> {
    host.tool(&["reset", "--force"]).ok().map(drop)
}

/// Filters packets of a host, for as long as it is not lifted.
fn filter(host: &Host, rule: &str) -> Result<()> {
    let chain = "add table inet cut; add chain inet cut in { type filter hook input priority 0; }; \
                 add chain inet cut out { type filter hook output priority 0; };";
    host.admin(&format!("nft '{chain} {rule}'")).map(drop)
}

fn lift(host: &Host) -> Result<()> {
    host.admin("nft delete table inet cut").map(drop)
}

/// Two clusters, of which one plays the man in the middle, and two hosts that want to join the other. One of them never
/// gets beyond the first words, and waits for them in vain several times; so both go their ways at once.
pub(crate) fn joins_that_are_refused(testbed: &Testbed) -> Result<()> {
    let [first, other, worker, stranger] = testbed.hosts() else { anyhow::bail!("not four hosts") };
    std::thread::scope(|scope| {
        let joins: Vec<_> =
            [first, other].map(|host| scope.spawn(|| host.init::<&str>(&[]).ok())).into_iter().collect();
        joins.into_iter().try_for_each(|join| join.join().ok().context("an init panicked")?.map(drop))
    })?;
    std::thread::scope(|scope| {
        let unheard = scope.spawn(|| {
            tokens(first, stranger)?;
            strangers(first, other, stranger)?;
            endpoints(first, stranger)
        });
        hosts(first, worker)?;
        interrupted(first, other, worker)?;
        unheard.join().ok().context("it panicked")?
    })
}

fn tokens(first: &Host, worker: &Host) -> Result<()> {
    let expiring = first.tool(&["token", "create", "yyyyyy.0123456789abcdef", "--ttl", "3s"]).ok()?;
    let good = token(first)?;
    refused(worker, join(worker, &[&good[..good.len() - 3]]).output()?, &["token", "cut off", "token create"])?;
    let mut damaged = good.clone();
    damaged.replace_range(40..41, if &good[40..41] == "x" { "y" } else { "x" });
    refused(worker, join(worker, &[&damaged]).output()?, &["token", "damaged"])?;

    let deleted = first.tool(&["token", "create", "zzzzzz.0123456789abcdef"]).ok()?;
    first.tool(&["token", "delete", "zzzzzz"]).ok()?;
    refused(worker, join(worker, &[deleted.text()]).output()?, &["zzzzzz", "deleted", "token create"])?;
    // Its time is over; whether its Secret has been cleaned away by now or not.
    std::thread::sleep(Duration::from_secs(3));
    refused(worker, join(worker, &[expiring.text()]).output()?, &["token", "expired", "token create"])
}

/// kubeadm's form, with the pin of the one cluster and the address of the other.
fn strangers(first: &Host, other: &Host, worker: &Host) -> Result<()> {
    let secret = first.tool(&["token", "generate"]).ok()?;
    first.tool(&["token", "create", secret.text()]).ok()?;
    let pin = pin(first)?;
    let classic = |host: &Host, pin: &str| {
        let endpoint = format!("{}:6443", host.address());
        join(worker, &[&endpoint, "--token", secret.text(), "--discovery-token-ca-cert-hash", pin]).output()
    };
    refused(worker, classic(other, &pin)?, &["not signed", "another cluster"])?;
    // A man in the middle who knows even the token, but not the CA's key.
    other.tool(&["token", "create", secret.text()]).ok()?;
    refused(worker, classic(other, &pin)?, &["which was not expected", "do not trust this network"])?;
    let wrong = format!("sha256:{}", "0".repeat(64));
    refused(worker, classic(first, &wrong)?, &[&pin, "--discovery-token-ca-cert-hash"])?;
    refused(worker, classic(first, "sha256:beef")?, &["64 hexadecimal digits"])
}

pub(crate) fn pin(host: &Host) -> Result<String> {
    let ca = "~/.local/share/usernetes/default/node/etc/kubernetes/pki/ca.crt";
    let script =
        format!("openssl x509 -pubkey -noout -in {ca} | openssl pkey -pubin -outform der | sha256sum | cut -d' ' -f1");
    Ok(format!("sha256:{}", host.sh(&script).ok()?.text()))
}

fn endpoints(first: &Host, worker: &Host) -> Result<()> {
    let secret = first.tool(&["token", "create", "--classic"]).ok()?;
    let hash = pin(first)?;
    let at = |endpoint: &str| {
        join(worker, &[endpoint, "--token", secret.text(), "--discovery-token-ca-cert-hash", &hash]).output()
    };
    refused(worker, at("198.51.100.11:6444")?, &["198.51.100.11:6444", "refuses connections"])?;
    refused(worker, at("198.51.100.99:6443")?, &["198.51.100.99:6443", "cannot reach"])?;
    refused(worker, at("198.51.100.11:10250")?, &["198.51.100.11:10250"])?;
    filter(worker, "add rule inet cut out tcp dport 6443 drop;")?;
    refused(worker, at("198.51.100.11:6443")?, &["did not answer", "allow TCP port 6443"])?;
    lift(worker)
}

fn hosts(first: &Host, worker: &Host) -> Result<()> {
    let good = token(first)?;
    let taken = join(worker, &[&good, "--node-name", &first.name()]).output()?;
    refused(worker, taken, &["host1", "Ready node", "--node-name"])?;

    let script = "mkdir ~/old; ln -s /srv/bundle/* ~/old; rm ~/old/bundle.yaml; \
                  sed 's/^kubernetesVersion: .*/kubernetesVersion: v1.30.1/' /srv/bundle/bundle.yaml > ~/old/bundle.yaml";
    worker.sh(script).ok()?;
    let old = worker.tool(&["join", &good, "--bundle", &format!("{}/old", worker.home())]).output()?;
    refused(worker, old, &["v1.30.1", "v1.36"])?;
    forget(worker)?;

    filter(worker, "add rule inet cut in udp dport 8472 drop;")?;
    runs_on(join(worker, &[&good]).output()?, &["8472/udp", "let UDP port 8472"])?;
    lift(worker)?;
    join(worker, &[&good]).ok()?.says(&["continuing", "joined"])?;
    forget(worker)?;
    first.kubectl(&["wait", "--for=delete", "node/host3", "--timeout=10s"])?;

    worker.admin(&format!("ip address add {ISLAND}/32 dev lo"))?;
    let island = join(worker, &[&good, "--host-ip", ISLAND]).output()?;
    runs_on(island, &["the control plane cannot reach this host", &format!("{ISLAND}:10250"), "--host-ip"])?;
    worker.admin(&format!("ip address del {ISLAND}/32 dev lo"))?;
    forget(worker)
}

/// Ctrl-C in the middle, the same command again, and then a second and another cluster's.
fn interrupted(first: &Host, other: &Host, worker: &Host) -> Result<()> {
    let good = token(first)?;
    let running = join(worker, &[&good]).spawn()?;
    running.line(Duration::from_mins(1), |line| line.contains("[kubelet-start]"))?;
    running.signal_group(Signal::SIGINT)?;
    running.wait(Duration::from_mins(1))?.exits(130)?.says(&["interrupted"])?;
    worker.silent()?;
    join(worker, &[&good]).ok()?.says(&["joined"])?;
    first.kubectl(&["wait", "--for=condition=Ready", "node/host3", "--timeout=30s"])?;

    join(worker, &[&good]).ok()?.says(&["nothing to do"])?;
    join(worker, &[&token(other)?]).output()?.exits(1)?.says(&["another cluster", "reset"])?;
    let file = discovery_file(other, worker)?;
    join(worker, &["--discovery-file", &file]).output()?.exits(1)?.says(&["another cluster", "discovery file"])?;
    join(first, &[&good]).output()?.exits(1)?.says(&["control plane", "reset"])?;
    worker.tool(&["status"]).ok().map(drop)
}
