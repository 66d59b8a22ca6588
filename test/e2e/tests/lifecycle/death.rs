//! Processes that die, and a node that is stopped and started.

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use usernetes_e2e::{Host, Machine, Process, Testbed};

use crate::{keep_something, quiet, still_there, works};

/// The one process of this name that the node's supervisor started, not one of a pod.
fn find(host: &Host, program: &str) -> Result<Process> {
    let mut found: Vec<Process> = host.processes()?.into_iter().filter(|p| p.program() == program).collect();
    ensure!(found.len() == 1, "not one {program}: {found:?}");
    found.pop().context("just counted")
}

pub(crate) fn component(testbed: &Testbed, name: &str) -> Result<()> {
    let host = testbed.host();
    let before = find(host, name)?;
    before.signal(Signal::SIGKILL)?;
    host.until(&format!("a new {name} runs"), 60, |host| Ok(find(host, name).is_ok_and(|now| now.pid != before.pid)))?;
    works(host)?;
    let status = host.tool(&["status", "-o", "json"]).ok()?;
    ensure!(status.json()?.to_string().contains("restarts"), "status does not count restarts:\n{status}");
    Ok(())
}

pub(crate) fn slirp4netns(testbed: &Testbed) -> Result<()> {
    component(testbed, "slirp4netns")
}

/// Every second restart once emptied all Service maps, when the image had no `/etc/protocols`.
pub(crate) fn kube_proxy_twice(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    for _ in 0..3 {
        host.kubectl(&["-n", "kube-system", "rollout", "restart", "daemonset/kube-proxy"])?;
        host.kubectl(&["-n", "kube-system", "rollout", "status", "daemonset/kube-proxy", "--timeout=120s"])?;
        works(host)?;
    }
    Ok(())
}

pub(crate) fn stop_and_start(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    keep_something(host, "stopped")?;
    host.tool(&["ports", "add", "16443:6443/tcp"]).ok()?;
    host.tool(&["stop"]).ok()?;
    quiet(host)?;
    host.tool(&["status"]).output()?.exits(1)?.says(&["start"])?;
    host.tool(&["stop"]).ok()?;
    host.tool(&["kubectl", "get", "nodes"]).output()?.exits(1)?;
    let started = host.tool(&["start"]).ok()?;
    ensure!(!started.held, "what start leaves running holds its output open");
    host.tool(&["start"]).ok()?;
    still_there(host, "stopped")?;
    ensure!(host.reaches("198.51.100.11:16443")?, "a port that was added by hand is lost");
    works(host)
}

/// The process whose parent is none of the user's: what `init` left running.
fn outermost(host: &Host) -> Result<Process> {
    let all = host.processes()?;
    let outer = |p: &&Process| p.program().starts_with("usernetes") && !all.iter().any(|other| other.pid == p.parent);
    all.iter().find(outer).cloned().with_context(|| format!("no parent among {all:#?}"))
}

pub(crate) fn parent(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    keep_something(host, "parent-killed")?;
    outermost(host)?.signal(Signal::SIGKILL)?;
    quiet(host)?;
    host.tool(&["status"]).output()?.exits(1)?;
    host.tool(&["start"]).ok()?;
    still_there(host, "parent-killed")?;
    works(host)
}

/// PID 1 of the node: with it the kernel ends all of the node, and the parent must see it.
pub(crate) fn child(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let parent = outermost(host)?;
    let child = host.processes()?.into_iter().find(|p| p.parent == parent.pid && p.program().starts_with("usernetes"));
    child.context("the parent has no child")?.signal(Signal::SIGKILL)?;
    quiet(host)?;
    host.tool(&["status"]).output()?.exits(1)?;
    host.tool(&["start"]).ok()?;
    works(host)
}
