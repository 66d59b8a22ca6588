//! Hosts that go away and come back.

use anyhow::{Context, Result, ensure};
use std::time::Duration;
use usernetes_e2e::{Host, Machine, Namespace, Testbed};

use crate::{join, one_on_every_node, token};

fn wait_for_node(host: &Host, node: &str, ready: bool) -> Result<()> {
    // A node that does not report is Unknown, one that reports trouble is False.
    let status = |value: &str| format!("--for=jsonpath={{.status.conditions[?(@.type==\"Ready\")].status}}={value}");
    let wanted = status(if ready { "True" } else { "Unknown" });
    host.kubectl(&["wait", &wanted, &format!("node/{node}"), "--timeout=180s"]).map(drop)
}

/// New pods on every node, each reaching the one on every other.
fn all_reach_all(testbed: &Testbed, name: &str) -> Result<()> {
    let namespace = Namespace::new(testbed.host(), name)?;
    let pods = one_on_every_node(&namespace)?;
    ensure!(pods.len() == testbed.hosts().len(), "{pods:?}");
    for (from, node) in &pods {
        for (to, other) in &pods {
            let address = namespace.field(&format!("pod/{to}"), ".status.podIP")?;
            testbed.host().until(&format!("{node} reaches {other}"), 60, |_| {
                let ping = format!("ping -c 1 -w 2 {address}");
                Ok(namespace.prepare(&["exec", from, "--", "sh", "-c", &ping]).output()?.code() == Some(0))
            })?;
        }
    }
    Ok(())
}

pub(crate) fn worker_stopped_and_started(testbed: &Testbed) -> Result<()> {
    let worker = testbed.hosts().last().context("no worker")?;
    worker.init::<&str>(&[]).output()?.exits(1)?.says(&["this host is a worker", "usernetes-rs reset"])?;
    for command in [&["token", "list"][..], &["nodes", "list"], &["certs", "check-expiration"]] {
        worker.tool(command).output()?.exits(1)?.says(&["run it on the control-plane host"])?;
    }
    worker.tool(&["stop"]).ok()?;
    worker.silent()?;
    wait_for_node(testbed.host(), &worker.name(), false)?;
    testbed.host().tool(&["nodes", "list"]).ok()?;
    worker.tool(&["start"]).ok()?;
    wait_for_node(testbed.host(), &worker.name(), true)?;
    all_reach_all(testbed, "worker-started")
}

pub(crate) fn control_plane_stopped_and_started(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.tool(&["stop"]).ok()?;
    host.silent()?;
    host.tool(&["start"]).ok()?;
    for other in testbed.hosts() {
        wait_for_node(host, &other.name(), true)?;
    }
    all_reach_all(testbed, "control-plane-started")
}

/// A minute is what the scenario is about: longer than the node's grace period.
pub(crate) fn worker_cut_off_for_a_minute(testbed: &Testbed) -> Result<()> {
    let worker = testbed.hosts().last().context("no worker")?;
    testbed.unplug(worker)?;
    std::thread::sleep(Duration::from_mins(1));
    wait_for_node(testbed.host(), &worker.name(), false)?;
    testbed.plug(worker)?;
    wait_for_node(testbed.host(), &worker.name(), true)?;
    all_reach_all(testbed, "worker-back")
}

pub(crate) fn worker_leaves_and_joins_again(testbed: &Testbed) -> Result<()> {
    let worker = testbed.hosts().last().context("no worker")?;
    worker.tool(&["reset", "--force", "--drain"]).ok()?;
    worker.silent()?;
    testbed.host().kubectl(&["wait", "--for=delete", &format!("node/{}", worker.name()), "--timeout=60s"])?;
    join(worker, &[&token(testbed.host())?]).ok()?;
    wait_for_node(testbed.host(), &worker.name(), true)?;
    all_reach_all(testbed, "joined-again")
}
