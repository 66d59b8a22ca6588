//! The user unit: how it is made, what it leaves when it stops, and what starts it again.

use anyhow::{Context, Result, ensure};
use usernetes_e2e::{Guest, Machine, Namespace, Testbed};

use crate::is_well;

const UNIT: &str = "usernetes-default.service";

/// One property of the unit.
pub(crate) fn property(guest: &Guest, name: &str) -> Result<String> {
    Ok(guest.run(&["systemctl", "--user", "show", "--value", "-p", name, UNIT]).ok()?.text().to_owned())
}

pub(crate) fn made(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    let wanted = [
        ("ActiveState", "active"),
        ("UnitFileState", "enabled"),
        ("Type", "notify"),
        ("Delegate", "yes"),
        ("Restart", "on-failure"),
        ("NRestarts", "0"),
    ];
    for (name, value) in wanted {
        let is = property(guest, name)?;
        ensure!(is == value, "{name} of the unit is {is:?}");
    }
    ensure!(property(guest, "WatchdogUSec")? != "0", "nobody watches the unit");
    guest.kubectl(&["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=120s"])?;
    is_well(guest)?;
    // A guest is slow, and has no registry: pods that came before the bundle's images would have failed.
    let failed = guest.kubectl(&["get", "events", "-A", "--field-selector", "reason=Failed", "-o", "name"])?;
    ensure!(failed.text().is_empty(), "pods failed to start:\n{failed}");
    // Further data that later scenarios look for.
    guest.kubectl(&["create", "namespace", "kept"])?;
    let namespace = Namespace::existing(guest, "kept");
    namespace.kubectl(&["wait", "--for=create", "serviceaccount/default", "--timeout=60s"])?;
    namespace.kubectl(&["create", "configmap", "kept", "--from-literal=key=value"])?;
    namespace.pod("keeper", "sleep 36000")?;
    namespace.ready(&["pod/keeper"])
}

/// The data is there and the pod runs again: not as the API server remembers it, but so that it can be entered.
pub(crate) fn still_there(guest: &Guest) -> Result<()> {
    is_well(guest)?;
    let namespace = Namespace::existing(guest, "kept");
    ensure!(namespace.field("configmap/kept", ".data.key")? == "value", "the ConfigMap is lost");
    guest.until("the pod runs again", 120, |_| {
        Ok(namespace.prepare(&["exec", "keeper", "--", "true"]).output()?.code() == Some(0))
    })
}

pub(crate) fn stopped(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    let cgroup = property(guest, "ControlGroup")?;
    guest.run(&["systemctl", "--user", "stop", UNIT]).limit(150).ok()?;
    ensure!(property(guest, "ActiveState")? == "inactive", "a stopped unit is {}", property(guest, "ActiveState")?);
    ensure!(property(guest, "Result")? == "success", "stopping ended with {}", property(guest, "Result")?);
    let left = guest.admin(&format!("test ! -e /sys/fs/cgroup{cgroup} || find /sys/fs/cgroup{cgroup} -type d"))?;
    ensure!(left.text().is_empty(), "cgroups are left:\n{left}");
    nobody_left(guest)?;
    // systemd calls it started when all components are ready. The exit code is also the Node's, which comes later.
    let at_once = guest.sh(&format!("systemctl --user start {UNIT}; usernetes-rs status -o json || true")).limit(150);
    let status = at_once.ok()?.json()?;
    let components = status["components"]["components"].as_array().context("no components")?;
    let ready = |component: &serde_json::Value| component["state"] == "ready";
    ensure!(!components.is_empty() && components.iter().all(ready), "started, but {components:#?}");
    still_there(guest)
}

/// No process of a subordinate id, and none of ours.
fn nobody_left(guest: &Guest) -> Result<()> {
    let ours = guest.admin("ps -eo pid=,uid=,args= | awk '$2 >= 100000 || /[u]sernetes|[s]lirp4netns|[k]ubelet/'")?;
    ensure!(ours.text().is_empty(), "processes are left:\n{ours}");
    Ok(())
}

/// 0 while there is none.
fn main_pid(guest: &Guest) -> Result<u32> {
    Ok(property(guest, "MainPID")?.parse()?)
}

/// The unit's process, started by us when an earlier scenario left the unit stopped.
pub(crate) fn running(guest: &Guest) -> Result<u32> {
    guest.run(&["systemctl", "--user", "start", UNIT]).limit(150).ok()?;
    let pid = main_pid(guest)?;
    ensure!(pid != 0, "a started unit has no process");
    Ok(pid)
}

pub(crate) fn parent_killed(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    let before = running(guest)?;
    guest.sh(&format!("kill -9 {before}")).ok()?;
    comes_back(guest, before)
}

/// A process that no longer does anything says nothing either, and systemd ends it.
pub(crate) fn parent_hung(testbed: &Testbed) -> Result<()> {
    let parent = running(testbed.guest())?;
    hung(testbed.guest(), parent)
}

/// Nothing but the watchdog sees that this process no longer does anything.
pub(crate) fn hung(guest: &Guest, process: u32) -> Result<()> {
    let timeouts = || {
        let journal = guest.sh(&format!("journalctl --user -u {UNIT} --no-pager")).ok()?;
        anyhow::Ok(journal.text().matches("Watchdog timeout").count())
    };
    let (parent, before) = (running(guest)?, timeouts()?);
    guest.admin(&format!("kill -STOP {process}"))?;
    comes_back(guest, parent)?;
    ensure!(timeouts()? == before + 1, "it was not the watchdog");
    Ok(())
}

pub(crate) fn comes_back(guest: &Guest, before: u32) -> Result<()> {
    guest.until("systemd has started the unit again", 180, |guest| {
        let now = main_pid(guest)?;
        Ok(now != 0 && now != before && property(guest, "ActiveState")? == "active")
    })?;
    still_there(guest)
}

/// A unit that the user has masked stays masked, and this is reported.
pub(crate) fn masked(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    guest.sh(&format!("systemctl --user mask {UNIT}")).ok()?;
    let said = guest.init::<&str>(&[]).output()?.exits(1)?;
    said.says(&["usernetes-default.service is masked", "systemctl --user unmask usernetes-default.service"])?;
    guest.sh(&format!("systemctl --user unmask {UNIT}")).ok()?;
    guest.init::<&str>(&[]).ok()?;
    is_well(guest)
}
