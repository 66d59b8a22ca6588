//! A host with nothing but the program: the bundle comes from the control plane's host.

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use std::time::Duration;
use usernetes_e2e::{Host, Machine, Testbed};

use crate::refusals::pin;
use crate::token;

/// Where the control plane's child serves the bundle, inside its node alone.
const SERVED: &str = "http:host1:10261";

/// Ctrl-C in the middle, again from there; then kubeadm's form, where the cluster names the checksum.
pub(crate) fn bundle_from_peer(testbed: &Testbed) -> Result<()> {
    let [first, worker] = testbed.hosts() else { anyhow::bail!("not two hosts") };
    let copy = format!("{}/bundle", first.home());
    first.sh("cp -r /srv/bundle ~/bundle; chmod -R u+w ~/bundle").ok()?;
    first.tool(&["init", "--bundle", &copy]).ok()?;
    nobody_else_gets_it(testbed, first, worker)?;

    let token = token(first)?;
    let without = worker.tool(&["join", &token]).output()?;
    without.exits(2)?.says(&["no bundle", "--bundle-from-peer"])?;
    worker.tool(&["join", &token, "--bundle-from-peer", "--bundle", &copy]).output()?.exits(64)?;

    damaged(first, worker, &token)?;
    interrupted(worker, &token)?;
    first.kubectl(&["wait", "--for=condition=Ready", "node/host2", "--timeout=60s"])?;
    worker.tool(&["bundle", "verify"]).ok()?;
    worker.tool(&["stop"]).ok()?;
    worker.tool(&["start"]).ok()?;
    worker.tool(&["reset", "--force"]).ok()?;

    worker.sh("rm -rf ~/.cache/usernetes").ok()?;
    let secret = first.tool(&["token", "create", "--classic"]).ok()?;
    let endpoint = format!("{}:6443", first.address());
    let classic = ["join", &endpoint, "--token", secret.text(), "--discovery-token-ca-cert-hash", &pin(first)?];
    let joined = worker.tool(&[&classic[..], &["--bundle-from-peer"]].concat()).ok()?;
    joined.says(&["identified by the cluster"])?;
    first.kubectl(&["wait", "--for=condition=Ready", "node/host2", "--timeout=60s"]).map(drop)
}

/// The right to fetch the bundle is a right to nothing else.
fn nobody_else_gets_it(testbed: &Testbed, first: &Host, worker: &Host) -> Result<()> {
    let secret = first.tool(&["token", "create", "--classic"]).ok()?;
    let status = |method: &str, who: &str, path: &str| -> Result<String> {
        let script = format!(
            "curl -sk -o /dev/null -w '%{{http_code}}' -X {method} {who} https://{}:6443/api/v1/nodes/{path}",
            first.address()
        );
        Ok(worker.sh(&script).ok()?.text().to_owned())
    };
    let bearer = format!("-H 'Authorization: Bearer {}'", secret.text());
    for (method, who, path, wanted) in [
        ("GET", bearer.as_str(), format!("{SERVED}/proxy/bundle.yaml"), "200"),
        ("GET", &bearer, format!("{SERVED}/proxy/bin/kubelet"), "404"),
        ("GET", "", format!("{SERVED}/proxy/bundle.yaml"), "403"),
        ("POST", &bearer, format!("{SERVED}/proxy/bundle.yaml"), "403"),
        ("GET", &bearer, "host1/proxy/pods".into(), "403"),
        ("GET", &bearer, "host1:10250/proxy/pods".into(), "403"),
        ("GET", &bearer, "https:host1:10250/proxy/pods".into(), "403"),
        ("GET", &bearer, "http:host1:10250/proxy/pods".into(), "403"),
        ("GET", &bearer, "http:host1:2381/proxy/metrics".into(), "403"),
        ("GET", &bearer, "https:host1:10261/proxy/bundle.yaml".into(), "403"),
    ] {
        let found = status(method, who, &path)?;
        ensure!(
            found == wanted,
            "{method} {path} {}: {found}, not {wanted}",
            if who.is_empty() { "anonymous" } else { "" }
        );
    }
    let published = testbed.hosts().iter().map(|host| host.reaches(&format!("{}:10261", first.address())));
    ensure!(published.collect::<Result<Vec<_>>>()? == [false, false], "the bundle's port is open on the host");
    first.tool(&["token", "delete", secret.text()]).ok().map(drop)
}

/// A flipped byte of a file that is not running at the peer.
fn damaged(first: &Host, worker: &Host, token: &str) -> Result<()> {
    let flip = "python3 -c 'import os; f=open(os.path.expanduser(\"~/bundle/images/coredns.tar\"),\"r+b\"); \
                f.seek(4096); b=f.read(1); f.seek(4096); f.write(bytes([b[0]^1]))'";
    first.sh(flip).ok()?;
    let refused = worker.tool(&["join", token, "--bundle-from-peer"]).output()?;
    refused.exits(1)?.says(&["images/coredns.tar from the control plane's host is damaged", "bundle verify"])?;
    worker.silent()?;
    first.sh(flip).ok().map(drop)
}

fn interrupted(worker: &Host, token: &str) -> Result<()> {
    worker.sh("rm -rf ~/.cache/usernetes").ok()?;
    let running = worker.tool(&["join", token, "--bundle-from-peer"]).spawn()?;
    let parts = "ls ~/.cache/usernetes/bundles/.peer 2>/dev/null | grep -v part | wc -l";
    worker.until("a file is there", 60, |host| Ok(host.sh(parts).output()?.text().parse::<u32>().unwrap_or(0) > 3))?;
    running.signal_group(Signal::SIGINT)?;
    running.wait(Duration::from_mins(1))?.exits(130)?;
    let before: u32 = worker.sh(parts).ok()?.text().parse().context("a number")?;
    ensure!(before > 3, "{before} files are left");
    // Without a word: what was kept names cluster and bundle.
    let joined = worker.tool(&["join"]).ok()?;
    joined.says(&["MiB from the control plane, identified by the join token", "joined"]).map(drop)
}
