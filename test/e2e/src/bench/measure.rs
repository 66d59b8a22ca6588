//! One run, of the product or of the floor.

use anyhow::{Context, Result, anyhow};
use nix::sys::signal::Signal;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::floor::{self, Floor};
use super::memory::{self, Memory};
use super::moments::Watched;
use crate::command::background::Background;
use crate::command::output::Output;
use crate::testbed::host::{Host, WORKFLOW};
use crate::testbed::machine::Machine;

/// After `init` has returned, until memory is looked at: the node is idle by then.
const SETTLE: Duration = Duration::from_secs(5);
/// The administrator's certificate past RBAC, in the product's state.
pub(super) const SUPER_ADMIN: &str = "node/etc/kubernetes/super-admin.conf";

/// Seconds from the start of `init`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Artifacts {
    pub(super) livez: f64,
    pub(super) node_ready: f64,
    pub(super) dns: f64,
    pub(super) returned: f64,
    pub(super) memory: Memory,
    /// What each phase took, as `init` says.
    pub(super) phases: BTreeMap<String, f64>,
}

/// Seconds from the start of the script.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ByHand {
    pub(super) livez: f64,
    pub(super) node_ready: f64,
}

/// A run that is not measured; afterwards the floor knows what to start.
pub(super) fn first(host: &Host) -> Result<Floor> {
    host.tool(&["init"]).ok()?;
    let floor = Floor::of_running(host, &floor::CONTROL_PLANE)?;
    reset(host)?;
    Ok(floor)
}

/// `init` from empty state to its return, then away with it.
pub(super) fn product(host: &Host) -> Result<Artifacts> {
    let kubeconfig = host.state().join(SUPER_ADMIN);
    let over = AtomicBool::new(false);
    let watched = Watched { host, start: Instant::now(), over: &over };
    let init = host.tool(&["-o", "json", "init"]).spawn()?;
    let product = thread::scope(|scope| {
        let livez = scope.spawn(|| watched.livez(&kubeconfig));
        let node_ready = scope.spawn(|| watched.node_ready(&kubeconfig, &host.name()));
        let dns = scope.spawn(|| watched.dns());
        let output = init.wait(Duration::from_secs(WORKFLOW)).and_then(Output::ok);
        let returned = watched.start.elapsed().as_secs_f64();
        // After a failure nothing more is to be seen.
        over.store(output.is_err(), Ordering::Relaxed);
        let (livez, node_ready, dns) = (join(livez), join(node_ready), join(dns));
        let phases = phases(&output?.stdout);
        thread::sleep(SETTLE);
        let memory = memory::of(host)?;
        anyhow::Ok(Artifacts { livez: livez?, node_ready: node_ready?, dns: dns?, returned, memory, phases })
    })?;
    reset(host)?;
    Ok(product)
}

/// The scripts from empty directories to a Ready node, then away with it.
pub(super) fn floor(host: &Host, floor: &Floor) -> Result<ByHand> {
    floor.prepare(host)?;
    let over = AtomicBool::new(false);
    let watched = Watched { host, start: Instant::now(), over: &over };
    let script = floor.start(host)?;
    let by_hand = thread::scope(|scope| {
        let livez = scope.spawn(|| watched.livez(&floor.kubeconfig));
        let node_ready = scope.spawn(|| watched.node_ready(&floor.kubeconfig, &host.name()));
        let (livez, node_ready) = (join(livez), join(node_ready));
        anyhow::Ok(ByHand { livez: livez?, node_ready: node_ready? })
    });
    let output = end(host, script)?;
    by_hand.with_context(|| output.to_string())
}

/// Ends a floor; nothing in it is worth an orderly end.
pub(super) fn end(host: &Host, script: Background) -> Result<Output> {
    for process in host.processes()? {
        let _ = process.signal(Signal::SIGKILL);
    }
    let output = script.wait(Duration::from_secs(20))?;
    // The kernel is still ending what ran in the namespaces; the next run must not take it for its own.
    host.silent()?;
    Ok(output)
}

pub(super) fn reset(host: &Host) -> Result<()> {
    host.tool(&["reset", "--force"]).ok()?;
    host.silent()
}

pub(super) fn join<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a watching thread panicked"))?
}

pub(super) fn phases(output: &str) -> BTreeMap<String, f64> {
    let events = output.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let done = events.filter(|event| event["type"] == "phase" && event["state"] == "done");
    done.filter_map(|event| Some((event["name"].as_str()?.to_owned(), event["seconds"].as_f64()?))).collect()
}
