//! Hosts of a cluster that change: their address, and whether they are there at all.

mod address;
mod leaving;

use anyhow::{Context, Result, ensure};
use std::process::ExitCode;
use std::thread;
use usernetes_e2e::{Host, Machine, Namespace, Run, Scenario, SharedCluster, Testbed, main as suite};

fn main() -> ExitCode {
    let scenarios = vec![
        Scenario::shared("worker_gets_another_address", address::worker_gets_another_address),
        Scenario::shared("worker_is_given_an_address", address::worker_is_given_an_address),
        Scenario::shared("control_plane_loses_its_address", address::control_plane_loses_its_address),
        Scenario::shared("host_ip_is_a_second_address", address::host_ip_is_a_second_address),
        Scenario::shared("node_is_removed_by_the_control_plane", leaving::node_is_removed_by_the_control_plane),
        Scenario::shared("worker_drains_and_leaves", leaving::worker_drains_and_leaves),
        Scenario::shared("host_is_gone", leaving::host_is_gone),
    ];
    suite("changes", scenarios, Some(SharedCluster { topology: 3.into(), create: create_cluster }))
}

fn create_cluster(testbed: &Testbed) -> Result<()> {
    let [first, workers @ ..] = testbed.hosts() else { anyhow::bail!("no hosts") };
    first.init::<&str>(&[]).ok()?;
    let token = token(first)?;
    thread::scope(|scope| {
        let joins: Vec<_> = workers.iter().map(|host| scope.spawn(|| join(host, &token).ok())).collect();
        joins.into_iter().try_for_each(|join| join.join().ok().context("a join panicked")?.map(drop))
    })
}

fn token(host: &Host) -> Result<String> {
    Ok(host.tool(&["token", "create"]).ok()?.text().to_owned())
}

/// Prepares `usernetes-rs join`, which reads the token from its standard input.
fn join<'a>(host: &'a Host, token: &str) -> Run<'a> {
    host.tool(&["join", "--bundle", "/srv/bundle", "-"]).input(token)
}

fn wait(first: &Host, object: &str, condition: &str) -> Result<()> {
    first.tool(&["kubectl", "wait", &format!("--for={condition}"), object, "--timeout=180s"]).ok().map(drop)
}

fn ready(first: &Host, node: &str, status: &str) -> Result<()> {
    let condition = format!("jsonpath={{.status.conditions[?(@.type==\"Ready\")].status}}={status}");
    wait(first, &format!("node/{node}"), &condition)
}

/// A new pod on a node is reached from a new pod on the first, by address, and by the kubelet's API.
fn works_on(testbed: &Testbed, node: &str, name: &str) -> Result<()> {
    let namespace = Namespace::new(testbed.host(), name)?;
    let on = |node: &str| format!("  nodeName: {node}");
    namespace.apply(&usernetes_e2e::pod("here", "sleep 36000", &on(&testbed.host().name())))?;
    namespace.apply(&usernetes_e2e::pod("there", "sleep 36000", &on(node)))?;
    namespace.ready(&["pod/here", "pod/there"])?;
    for (from, to) in [("here", "there"), ("there", "here")] {
        let address = namespace.field(&format!("pod/{to}"), ".status.podIP")?;
        testbed.host().until(&format!("{from} reaches {to}"), 60, |_| {
            let ping = format!("ping -c 1 -w 2 {address}");
            Ok(namespace.prepare(&["exec", from, "--", "sh", "-c", &ping]).output()?.code() == Some(0))
        })?;
    }
    ensure!(namespace.sh("there", "hostname")? == "there", "exec on {node}");
    Ok(())
}
