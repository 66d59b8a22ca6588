//! `init` that is interrupted, killed or started twice.

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::time::Duration;
use usernetes_e2e::{Background, Host, Machine, Testbed};

use crate::{quiet, works};

const LIMIT: Duration = Duration::from_mins(5);

/// Starts `init` and waits until it enters a phase; none if it ended before.
fn init_until(host: &Host, phase: &str) -> Result<Background> {
    let init = host.init(&["-o", "json"]).spawn()?;
    init.line(LIMIT, |line| event(line).is_some_and(|e| e["name"] == phase && e["state"] == "running"))?;
    Ok(init)
}

fn event(line: &str) -> Option<Value> {
    serde_json::from_str::<Value>(line).ok().filter(|event| event["type"] == "phase")
}

/// The phases that `init` has, from its own help.
fn phases(host: &Host) -> Result<Vec<String>> {
    let list = host.tool(&["init", "phase"]).ok()?;
    let top = list.text().lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    let names: Vec<String> = top.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    ensure!(names.len() >= 10, "{list}");
    Ok(names)
}

/// In each of these phases, in their order, on one host: `init` ends with the signal's code, leaves nothing running, and
/// the next one goes on with what was made.
fn in_phases(testbed: &Testbed, phases: &[String], code: i32, send: fn(&Background) -> Result<()>) -> Result<()> {
    let host = testbed.host();
    let mut ca = None;
    for phase in phases {
        let init = init_until(host, phase).with_context(|| format!("before phase {phase}"))?;
        send(&init)?;
        let output = init.wait(LIMIT)?;
        ensure!(!output.late, "{output}");
        // The last phase may be over before the signal comes: then there is a cluster, whatever is still said about it.
        if phase == "show-join-command" && host.tool(&["status"]).output()?.code() == Some(0) {
            break;
        }
        output.exits(code).with_context(|| format!("in phase {phase}"))?;
        quiet(host).with_context(|| format!("in phase {phase}"))?;
        let now = std::fs::read(host.state().join("node/etc/kubernetes/pki/ca.crt")).ok();
        ensure!(ca.is_none() || now == ca, "the CA did not outlive the signal in phase {phase}");
        ca = now;
    }
    host.init::<&str>(&[]).ok()?;
    ensure!(std::fs::read(host.state().join("node/etc/kubernetes/pki/ca.crt")).ok() == ca, "the CA was made again");
    works(host)
}

/// As a terminal does at Ctrl-C: the whole foreground process group gets it.
pub(crate) fn by_sigint(testbed: &Testbed) -> Result<()> {
    in_phases(testbed, &phases(testbed.host())?, 130, |init| init.signal_group(Signal::SIGINT))
}

/// Taken by the same code as the other signal, so not in every phase again: each costs a start of the node.
pub(crate) fn by_sigterm(testbed: &Testbed) -> Result<()> {
    let phases = ["preflight", "certs", "node-start", "wait-dns"].map(str::to_owned);
    in_phases(testbed, &phases, 143, |init| init.signal(Signal::SIGTERM))
}

/// A killed `init` cannot clean up; the next one takes over what runs, or starts it again.
pub(crate) fn by_sigkill(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    for phase in ["certs", "node-start", "wait-control-plane", "addon"] {
        let init = init_until(host, phase)?;
        init.signal(Signal::SIGKILL)?;
        drop(init.wait(LIMIT)?);
    }
    host.init::<&str>(&[]).ok()?;
    works(host)
}

pub(crate) fn second_init_at_the_same_time(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let first = init_until(host, "bundle")?;
    let second = host.init::<&str>(&[]).limit(30).output()?;
    second.exits(1)?.says(&["init", "is running on this cluster", "hint:"])?;
    host.tool(&["reset", "--force"]).limit(30).output()?.exits(1)?.says(&[
        "init",
        "is running on this cluster",
        "hint:",
    ])?;
    first.wait(LIMIT)?.ok()?;
    works(host)
}
