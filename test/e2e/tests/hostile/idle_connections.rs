//! Connections without a byte, from another user of the host; and a node that is short of descriptors, whatever the cause.

use super::{child_memory, child_process};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::thread::sleep;
use std::time::{Duration, Instant};
use usernetes_e2e::flood::{Flood, Kind};
use usernetes_e2e::{Host, Machine, Testbed};

/// Longer than eight liveness probes, after which a component is restarted.
const WHILE: Duration = Duration::from_secs(100);
/// More than half of the descriptors that a test process may have.
const MANY: usize = 10_500;
/// Growth of the child in MiB.
const GROWTH: u64 = 64;

fn read_status(host: &Host) -> Result<Value> {
    Ok(serde_json::from_str(&host.tool(&["-o", "json", "status"]).output()?.stdout)?)
}

/// Restarts of each component.
fn restarts(host: &Host) -> Result<Vec<(String, u64)>> {
    let status = read_status(host)?;
    let components = status["components"]["components"].as_array().context("no components")?;
    let pair = |one: &Value| Some((one["name"].as_str()?.to_owned(), one["restarts"].as_u64()?));
    components.iter().map(|one| pair(one).context("no component")).collect()
}

/// The control plane answers its administrator and the kubelet its clients, from the address that the flood has.
pub(crate) fn idle_connections_stop_nothing(testbed: &Testbed) -> Result<()> {
    stands_flood(testbed, Kind::Idle)
}

/// With a byte now and then, a flood cannot be told from clients; its user can.
pub(crate) fn slow_connections_stop_nothing(testbed: &Testbed) -> Result<()> {
    stands_flood(testbed, Kind::Slow)
}

fn stands_flood(testbed: &Testbed, kind: Kind) -> Result<()> {
    let first = testbed.host();
    let before = restarts(first)?;
    let memory = child_memory(first)?;
    let kubelet = Flood::from_stranger(first, 10250, MANY, kind)?;
    let api = Flood::from_stranger(first, 6443, MANY, kind)?;
    ensure!(kubelet.open + api.open > 0, "there is no flood");
    let end = Instant::now() + WHILE;
    let mut most = memory;
    while Instant::now() < end {
        first.kubectl(&["get", "--raw", "/readyz"])?;
        let ask =
            format!("curl -sk --max-time 10 -o /dev/null -w '%{{http_code}}' https://{}:10250/pods", first.address());
        let answer = first.sh(&ask).output()?;
        ensure!(answer.text() == "401", "the kubelet answers {answer}");
        most = most.max(child_memory(first)?);
        sleep(Duration::from_secs(5));
    }
    ensure!(restarts(first)? == before, "{:?} after {before:?}", restarts(first)?);
    ensure!(most < memory + GROWTH, "{memory} MiB before, {most} MiB during the flood");
    drop((kubelet, api));
    // The allocator keeps what a flood took, for the next one.
    let after = child_memory(first)?;
    ensure!(after < memory + GROWTH, "{memory} MiB before, {after} MiB after the flood");
    Ok(())
}

/// Sets the soft limit of descriptors of a process; the hard one stays.
fn set_descriptors(host: &Host, pid: &Value, soft: &str) -> Result<()> {
    host.sh(&format!("prlimit --pid {pid} --nofile={soft}:")).ok().map(drop)
}

/// What the node cannot do for want of descriptors counts against no component, and it is done once there are some.
pub(crate) fn a_shortage_restarts_nothing(testbed: &Testbed) -> Result<()> {
    let first = testbed.host();
    let before = restarts(first)?;
    let child = child_process(first)?;
    let status = read_status(first)?;
    let pid = &status["network"]["childPid"];
    let scheduler = first.processes()?.into_iter().find(|p| p.program() == "kube-scheduler").context("no scheduler")?;
    set_descriptors(first, pid, "10")?;
    scheduler.signal(nix::sys::signal::Signal::SIGKILL)?;
    sleep(WHILE);
    set_descriptors(first, pid, "20000")?;
    ensure!(child.lives(), "the child ended");
    first.until("the scheduler runs again", 60, |first| Ok(first.tool(&["status"]).output()?.code() == Some(0)))?;
    let grown: Vec<_> = restarts(first)?.into_iter().filter(|one| !before.contains(one)).collect();
    ensure!(grown.len() == 1 && grown[0].0 == "kube-scheduler", "restarted: {grown:?}, before {before:?}");
    let (_, restarted) = &grown[0];
    let (_, earlier) = before.iter().find(|(name, _)| name == "kube-scheduler").context("no scheduler")?;
    ensure!(*restarted == earlier + 1, "restarted {restarted} times after {earlier}");
    Ok(())
}
