//! `reset` where the node's directories are links, or not of this program.

use anyhow::{Result, ensure};
use usernetes_e2e::{Host, Machine, Run, Testbed};

const DATA: &str = "/home/alice/.local/share/usernetes";

/// What a user put beside the node's files stays, and is named.
pub(crate) fn reset_removes_only_what_is_ours(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    is_no_state(host)?;
    follows_no_forged_link(host)?;
    leaves_other_files(host)?;
    follows_a_moved_state(host)?;
    keeps_other_runtime_directories(host)
}

fn is_no_state(host: &Host) -> Result<()> {
    host.sh(&format!("mkdir -p {DATA}/photos/bin && echo mine | tee {DATA}/photos/one {DATA}/photos/bin/two")).ok()?;
    let refused = reset(host, "photos").output()?.exits(1)?;
    refused.says(&["is not the state directory of a node", "nothing was removed"])?;
    host.sh(&format!("cat {DATA}/photos/one {DATA}/photos/bin/two && rm -r {DATA}/photos")).ok()?;
    Ok(())
}

fn follows_no_forged_link(host: &Host) -> Result<()> {
    for (precious, reason) in [
        ("/home/alice/precious", "not named usernetes/forged"),
        ("/home/alice/usernetes/forged", "not of usernetes-rs"),
    ] {
        make_state(host, "forged")?;
        host.sh(&format!("mkdir -p -m 700 {precious} && echo mine > {precious}/one")).ok()?;
        host.sh(&format!("ln -sfn {precious} {DATA}/forged/running")).ok()?;
        reset(host, "forged").output()?.exits(1)?.says(&[precious, reason])?;
        host.sh(&format!("cat {precious}/one && rm -r {precious}; rm -rf {DATA}/forged")).ok()?;
    }
    Ok(())
}

fn leaves_other_files(host: &Host) -> Result<()> {
    make_state(host, "mixed")?;
    host.sh(&format!("echo mine > {DATA}/mixed/photo")).ok()?;
    let left = reset(host, "mixed").output()?.exits(1)?;
    left.says(&[&format!("{DATA}/mixed/photo"), "did not write"])?;
    let kept = host.sh(&format!("ls {DATA}/mixed && rm -r {DATA}/mixed")).ok()?;
    ensure!(kept.text() == "photo", "{kept}");
    Ok(())
}

/// A user with a small home moves the state to another disk.
fn follows_a_moved_state(host: &Host) -> Result<()> {
    make_state(host, "moved")?;
    host.sh(&format!("mkdir -p ~/disk && mv {DATA}/moved ~/disk/k8s && ln -s ~/disk/k8s {DATA}/moved")).ok()?;
    reset(host, "moved").ok()?.says(&["was a link", "/home/alice/disk/k8s"])?;
    let left = host.sh(&format!("find ~/disk {DATA}/moved 2>/dev/null || true")).ok()?;
    ensure!(left.text() == "/home/alice/disk", "{left}");
    // Only a part: the rest is not removed either, so that the next reset finds its marks.
    make_state(host, "parted")?;
    host.sh(&format!("mv {DATA}/parted/node ~/disk/node && ln -s ~/disk/node {DATA}/parted/node")).ok()?;
    let refused = reset(host, "parted").output()?.exits(1)?;
    refused.says(&["links to other places", "parted/node"])?;
    host.sh(&format!("cat ~/disk/node/etc/kubernetes/pki/ca.key && rm -r ~/disk {DATA}/parted/node")).ok()?;
    reset(host, "parted").ok()?;
    // The disk is not mounted.
    host.sh(&format!("ln -s ~/none {DATA}/dangling")).ok()?;
    reset(host, "dangling").output()?.exits(1)?.says(&["is a link to /home/alice/none", "cannot be opened"])?;
    host.sh(&format!("rm {DATA}/dangling")).ok()?;
    Ok(())
}

/// Without a runtime directory of the system, sockets of all clusters are below the data directory.
fn keeps_other_runtime_directories(host: &Host) -> Result<()> {
    let directory = host.runtime_dir();
    host.admin(&format!("mv {directory} /run/away"))?;
    host.init::<&str>(&[]).ok()?;
    host.sh(&format!("test -S {DATA}/.run/usernetes/default/control.sock")).ok()?;
    reset(host, "run").ok()?;
    host.tool(&["status"]).ok()?;
    reset(host, "default").ok()?;
    host.admin(&format!("mv /run/away {directory}"))?;
    Ok(())
}

/// What an `init` that was killed leaves: a lock and a key.
fn make_state(host: &Host, cluster: &str) -> Result<()> {
    let pki = format!("{DATA}/{cluster}/node/etc/kubernetes/pki");
    host.sh(&format!("mkdir -p -m 700 {pki} && echo secret > {pki}/ca.key")).ok()?;
    host.sh(&format!("echo 'init (pid 1)' > {DATA}/{cluster}/lock && chmod 700 {DATA}/{cluster}")).ok()?;
    Ok(())
}

fn reset<'a>(host: &'a Host, cluster: &str) -> Run<'a> {
    host.tool(&["reset", "--force", "--cluster", cluster])
}
