//! `join` of a second host, beside the same containerd and kubelet started there by hand with credentials at hand.

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::floor::{Floor, WORKER};
use super::measure::{self, SUPER_ADMIN};
use super::moments::Watched;
use super::report::{Report, Row, load, median};
use crate::command::output::Output;
use crate::suite;
use crate::testbed::Testbed;
use crate::testbed::host::{Host, WORKFLOW};
use crate::testbed::machine::Machine;

/// A server on every node, there before the node is.
const WEB: &str = "apiVersion: apps/v1
kind: DaemonSet
metadata: {name: web}
spec:
  selector: {matchLabels: {bench: web}}
  template:
    metadata: {labels: {bench: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - {name: web, image: IMAGE, imagePullPolicy: IfNotPresent, command: [httpd, -f, -p, '8080', -h, /etc]}
";

/// Seconds from the start of `join`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Joined {
    node_ready: f64,
    pod_answers: f64,
    returned: f64,
    phases: BTreeMap<String, f64>,
}

pub(super) fn run(runs: usize) -> Result<Report> {
    let testbed = Testbed::new(2)?;
    let [first, worker] = testbed.hosts() else { bail!("not two hosts") };
    for host in testbed.hosts() {
        host.tool(&["bundle", "import", crate::artifacts::BUNDLE]).ok()?;
    }
    // What comes before the runs warms the machine's caches and records the command lines for the floor; it does not count.
    suite::print_error("warming up");
    first.tool(&["init"]).ok()?;
    first.tool(&["kubectl", "apply", "-f", "-"]).input(WEB.replace("IMAGE", crate::IMAGE)).ok()?;
    joined(first, worker)?;
    let floor = Floor::of_running(worker, &WORKER)?;
    leave(first, worker)?;
    let mut pairs = Vec::new();
    for number in 1..=runs {
        let joined = joined(first, worker)?;
        leave(first, worker)?;
        let floor = by_hand(first, worker, &floor)?;
        forget(first, worker)?;
        suite::print_error(&format!(
            "{number}/{runs}: join Ready {:.2}, a pod answers {:.2}, return {:.2}; floor Ready {floor:.2}; load {}",
            joined.node_ready,
            joined.pod_answers,
            joined.returned,
            load()
        ));
        pairs.push((joined, floor));
    }
    let all = pairs.iter().map(|(join, floor)| json!({ "join": join, "floor": { "nodeReady": floor } })).collect();
    Ok(Report::new("join", "join", rows(&pairs), all, pairs.iter().map(|(joined, _)| &joined.phases)))
}

fn rows(pairs: &[(Joined, f64)]) -> Vec<Row> {
    let of = |value: fn(&Joined) -> f64| pairs.iter().map(|(joined, _)| value(joined)).collect::<Vec<_>>();
    let floor = median(&pairs.iter().map(|(_, floor)| *floor).collect::<Vec<_>>());
    vec![
        Row::plain("node Ready", &of(|j| j.node_ready), "s", 2.0),
        Row::ratio("node Ready, by floor", &of(|j| j.node_ready), floor, 1.3),
        Row::plain("a pod there answers", &of(|j| j.pod_answers), "s", f64::INFINITY),
        Row::plain("join returns", &of(|j| j.returned), "s", f64::INFINITY),
    ]
}

/// One `join` with the bundle imported and the token made; the node stays.
fn joined(first: &Host, worker: &Host) -> Result<Joined> {
    let token = first.tool(&["token", "create"]).ok()?.stdout;
    let (admin, node) = (first.state().join(SUPER_ADMIN), worker.name());
    let over = AtomicBool::new(false);
    let watched = Watched { host: first, start: Instant::now(), over: &over };
    let join = worker.tool(&["-o", "json", "join", "-"]).input(token).spawn()?;
    thread::scope(|scope| {
        let node_ready = scope.spawn(|| watched.node_ready(&admin, &node));
        let pod_answers = scope.spawn(|| watched.pod_answers(&admin, "bench%3Dweb", &node));
        let output = join.wait(Duration::from_secs(WORKFLOW)).and_then(Output::ok);
        let returned = watched.start.elapsed().as_secs_f64();
        over.store(output.is_err(), Ordering::Relaxed);
        let (node_ready, pod_answers) = (measure::join(node_ready), measure::join(pod_answers));
        let phases = measure::phases(&output?.stdout);
        Ok(Joined { node_ready: node_ready?, pod_answers: pod_answers?, returned, phases })
    })
}

/// The scripts from empty directories to a Ready node, then away with it.
fn by_hand(first: &Host, worker: &Host, floor: &Floor) -> Result<f64> {
    floor.prepare(worker)?;
    let admin = first.state().join(SUPER_ADMIN);
    let script = floor.start(worker)?;
    let ready = watch_node(first, worker, &admin);
    let output = measure::end(worker, script)?;
    ready.with_context(|| output.to_string())
}

fn watch_node(first: &Host, worker: &Host, admin: &Path) -> Result<f64> {
    let over = AtomicBool::new(false);
    Watched { host: first, start: Instant::now(), over: &over }.node_ready(admin, &worker.name())
}

fn leave(first: &Host, worker: &Host) -> Result<()> {
    measure::reset(worker)?;
    forget(first, worker)
}

/// The Node and its pods: the next one has the same name.
fn forget(first: &Host, worker: &Host) -> Result<()> {
    let node = worker.name();
    first.kubectl(&["delete", "node", &node, "--ignore-not-found"])?;
    let on_it = format!("--field-selector=spec.nodeName={node}");
    first.kubectl(&["delete", "pods", "-A", &on_it, "--force", "--grace-period=0", "--wait=false"])?;
    first.until("its pods are gone", 60, |first| {
        Ok(first.kubectl(&["get", "pods", "-A", &on_it, "-o", "name"])?.text().is_empty())
    })
}
