//! CRI-O and its node end and come back.

use crate::works;
use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use usernetes_e2e::{Host, Machine, Namespace, Process, Testbed};

fn find(host: &Host, program: &str) -> Result<Process> {
    host.processes()?.into_iter().find(|p| p.program() == program).with_context(|| format!("no {program}"))
}

/// Pods outlive their runtime.
pub(crate) fn crio_killed(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let namespace = Namespace::new(host, "outlives")?;
    namespace.pod("main", "sleep 3600")?;
    namespace.ready(&["pod/main"])?;
    let before = find(host, "crio")?;
    before.signal(Signal::SIGKILL)?;
    host.until("a new crio runs", 60, |host| Ok(find(host, "crio").is_ok_and(|now| now.pid != before.pid)))?;
    works(host)?;
    let restarts = namespace.field("pod/main", ".status.containerStatuses[0].restartCount")?;
    ensure!(restarts == "0", "the pod was started {restarts} times more");
    namespace.sh("main", "true").map(drop)
}

fn keeps_a_pod(host: &Host, name: &str) -> Result<()> {
    host.kubectl(&["create", "namespace", name])?;
    let namespace = Namespace::existing(host, name);
    namespace.kubectl(&["wait", "--for=create", "serviceaccount/default", "--timeout=60s"])?;
    namespace.pod("keeper", "sleep 3600")?;
    namespace.ready(&["pod/keeper"])
}

fn pod_runs_again(host: &Host, name: &str) -> Result<()> {
    let namespace = Namespace::existing(host, name);
    host.until("the pod runs again", 90, |_| {
        Ok(namespace.prepare(&["exec", "keeper", "--", "true"]).output()?.code() == Some(0))
    })
}

pub(crate) fn stop_and_start(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    keeps_a_pod(host, "stopped")?;
    host.tool(&["stop"]).ok()?;
    host.silent()?;
    host.tool(&["start"]).ok()?;
    pod_runs_again(host, "stopped")?;
    works(host)
}

/// As in a power cut: CRI-O has no time to say that it ended well.
pub(crate) fn parent_killed(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    keeps_a_pod(host, "parent-killed")?;
    let all = host.processes()?;
    let outer = |p: &&Process| p.program().starts_with("usernetes") && !all.iter().any(|other| other.pid == p.parent);
    all.iter().find(outer).context("no parent")?.signal(Signal::SIGKILL)?;
    host.silent()?;
    host.tool(&["start"]).ok()?;
    pod_runs_again(host, "parent-killed")?;
    works(host)
}

pub(crate) fn reset(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.tool(&["reset", "--force"]).ok()?;
    host.silent()?;
    ensure!(!host.state().exists(), "{} is left", host.state().display());
    ensure!(!host.mounts()?.contains("/usernetes/"), "mounts are left:\n{}", host.mounts()?);
    Ok(())
}
