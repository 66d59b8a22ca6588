//! Memory of parent and child before, during and after floods of connections, and whether the node stays ready.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::memory;
use super::report::{Report, Row, load};
use crate::flood::{Flood, Kind};
use crate::kubernetes::{Namespace, pod};
use crate::suite;
use crate::testbed::Testbed;
use crate::testbed::host::Host;
use crate::testbed::machine::Machine;

/// Connections without a byte, by several processes: one may not have so many.
const IDLE: usize = 20_000;
const PROCESSES: usize = 2;
/// Connections that send a byte now and then, or that read nothing of a file.
const SLOW: usize = 2_000;
/// Longer than the limit of the first byte.
const FLOOD: Duration = Duration::from_secs(40);
const AFTER: Duration = Duration::from_secs(15);
const NODE_PORT: u16 = 30_080;
const BUNDLE_PORT: u16 = 10_261;
/// RSS of parent and child in MiB.
const GOAL: f64 = 160.0;

/// A port and where its flood comes from.
struct Target<'a> {
    name: &'static str,
    port: u16,
    pod: Option<&'a str>,
    slow: Kind<'static>,
}

/// Figures of one flood, in MiB.
struct Flooded {
    name: String,
    open: usize,
    before: f64,
    most: f64,
    after: f64,
}

pub(super) fn run(runs: usize) -> Result<Report> {
    let testbed = Testbed::new(1)?;
    let host = testbed.host();
    host.init::<&str>(&[]).ok()?;
    let namespace = Namespace::new(host, "flood")?;
    namespace.apply(&pod("web", "exec httpd -f -p 8080 -h /etc", ""))?;
    namespace.kubectl(&["expose", "pod", "web", "--type=NodePort", "--port=80", "--target-port=8080"])?;
    let port = format!(r#"[{{"op":"replace","path":"/spec/ports/0/nodePort","value":{NODE_PORT}}}]"#);
    namespace.kubectl(&["patch", "service", "web", "--type=json", "-p", &port])?;
    namespace.ready(&["pod/web"])?;
    let mut flooded = Vec::new();
    for number in 1..=runs {
        for target in targets() {
            flooded.extend(flood_target(host, &namespace, &target)?);
        }
        suite::print_error(&format!("{number}/{runs}; load {}", load()));
    }
    let rows = flooded.iter().flat_map(Flooded::rows).collect();
    let all = flooded.iter().map(Flooded::json).collect();
    Ok(Report::new("flood", "memory", rows, all, std::iter::empty()))
}

fn targets() -> [Target<'static>; 4] {
    let reader = Kind::Reader("/bundle.yaml");
    [
        Target { name: "API server", port: 6443, pod: None, slow: Kind::Slow },
        Target { name: "kubelet", port: 10250, pod: None, slow: Kind::Slow },
        Target { name: "NodePort", port: NODE_PORT, pod: None, slow: Kind::Slow },
        Target { name: "bundle, from a pod", port: BUNDLE_PORT, pod: Some("web"), slow: reader },
    ]
}

fn flood_target(host: &Host, namespace: &Namespace, target: &Target) -> Result<[Flooded; 2]> {
    let start = |count, kind| match target.pod {
        None => Flood::from_stranger(host, target.port, count, kind),
        Some(pod) => Flood::from_pod(host, namespace, pod, target.port, count, kind),
    };
    let idle = watch_flood(host, format!("{}: {IDLE} idle", target.name), || {
        (0..PROCESSES).map(|_| start(IDLE / PROCESSES, Kind::Idle)).collect()
    })?;
    let slow = watch_flood(host, format!("{}: {SLOW} slow", target.name), || Ok(vec![start(SLOW, target.slow)?]))?;
    Ok([idle, slow])
}

/// The node has to stay ready all the time.
fn watch_flood(host: &Host, name: String, start: impl FnOnce() -> Result<Vec<Flood>>) -> Result<Flooded> {
    let before = memory::of(host)?.rss;
    let floods = start()?;
    let end = Instant::now() + FLOOD;
    let mut most = before;
    while Instant::now() < end {
        host.kubectl(&["get", "--raw", "/readyz"])?;
        most = most.max(memory::of(host)?.rss);
        sleep(Duration::from_secs(2));
    }
    let open = floods.iter().map(|flood| flood.open).sum();
    drop(floods);
    sleep(AFTER);
    ensure!(host.tool(&["status"]).output()?.code() == Some(0), "the node is not healthy after {name}");
    let flooded = Flooded { name, open, before, most, after: memory::of(host)?.rss };
    suite::print_error(&format!(
        "{}: {} open at first, RSS {:.1}, {:.1}, {:.1} MiB",
        flooded.name, flooded.open, flooded.before, flooded.most, flooded.after
    ));
    Ok(flooded)
}

impl Flooded {
    fn rows(&self) -> [Row; 3] {
        [("before", self.before, GOAL), ("during", self.most, GOAL), ("after", self.after, GOAL)]
            .map(|(moment, value, goal)| Row::plain(format!("{}, {moment}", self.name), &[value], "MiB", goal))
    }

    fn json(&self) -> Value {
        json!({ "flood": self.name, "open": self.open, "before": self.before, "during": self.most, "after": self.after })
    }
}
