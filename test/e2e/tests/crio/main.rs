//! CRI-O as the runtime of a host's pods, on a CRI-O that `hack/crio` has built.

mod life;
mod pods;

use anyhow::{Result, ensure};
use std::process::ExitCode;
use usernetes_e2e::{
    Host, Machine, Requirement, Scenario, SharedCluster, Testbed, install_crio, main as suite, pod_checks,
};

const NEEDS: [Requirement; 5] =
    [Requirement::Hosts, Requirement::Program, Requirement::Bundle, Requirement::Command("init"), Requirement::Crio];
const SOCKET: &str = "unix:///run/crio/crio.sock";

fn main() -> ExitCode {
    let shared = |name, run| Scenario::shared_with(name, &NEEDS, run);
    let scenarios = vec![
        Scenario::own("without_crio_init_prints_a_hint", 1, &NEEDS[..4], without_crio),
        Scenario::own("joins_beside_containerd", 2, &NEEDS, joins_beside_containerd),
        Scenario::own("native_copies_layers", 1, &NEEDS, native_copies_layers),
        shared("the_kubelet_speaks_with_crio", the_kubelet_speaks_with_crio),
        shared("logs_exec_and_cp", pod_checks::logs_exec_and_cp),
        shared("names_and_the_outside", pods::names_and_the_outside),
        shared("host_ports", pods::host_ports),
        shared("images_come_by_archive", pods::images_come_by_archive),
        shared("killed_container_restarts", pod_checks::killed_container_restarts),
        shared("crio_killed", life::crio_killed),
        shared("stop_and_start", life::stop_and_start),
        shared("parent_killed", life::parent_killed),
        shared("reset", life::reset),
    ];
    suite("crio", scenarios, Some(SharedCluster { topology: 1.into(), create: create_cluster }))
}

fn create_cluster(testbed: &Testbed) -> Result<()> {
    install_crio(testbed.host())?;
    testbed.host().init(&["--cri-socket", SOCKET]).ok().map(drop)
}

fn without_crio(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.init(&["--cri-socket", SOCKET]).output()?.exits(2)?.says(&["crio is neither in PATH", "https://cri-o.io"])?;
    let other = host.init(&["--cri-socket", "unix:///run/cri-dockerd.sock"]).output()?;
    other.exits(3)?.says(&["nodeRegistration.criSocket", "unix:///run/containerd/containerd.sock", SOCKET])?;
    Ok(())
}

/// Each node has the runtime that its own host is configured with; pods of both reach each other.
fn joins_beside_containerd(testbed: &Testbed) -> Result<()> {
    let [first, second] = testbed.hosts() else { anyhow::bail!("not two hosts") };
    first.init::<&str>(&[]).ok()?;
    install_crio(second)?;
    let token = first.tool(&["token", "create"]).ok()?.text().to_owned();
    second.tool(&["join", "--bundle", "/srv/bundle", "--cri-socket", SOCKET, &token]).ok()?;
    let runtimes = "jsonpath={.items[*].status.nodeInfo.containerRuntimeVersion}";
    let runtimes = first.kubectl(&["get", "nodes", "-o", runtimes])?;
    ensure!(runtimes.text().contains("containerd://") && runtimes.text().contains("cri-o://"), "{runtimes}");
    pods::reach_each_other(first)
}

/// CRI-O's word for it is vfs.
fn native_copies_layers(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    install_crio(host)?;
    host.init(&["--cri-socket", SOCKET, "--snapshotter", "native"]).ok()?;
    host.tool(&["images", "list"]).ok()?.says(&["registry.k8s.io/pause"])?;
    ensure!(host.state().join("node/var/lib/containers/storage/vfs-images").is_dir(), "not in vfs");
    pod_checks::logs_exec_and_cp(testbed)
}

fn the_kubelet_speaks_with_crio(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let runtime = "jsonpath={.items[0].status.nodeInfo.containerRuntimeVersion}";
    let version = host.kubectl(&["get", "nodes", "-o", runtime])?;
    ensure!(version.text().starts_with("cri-o://"), "{version}");
    let status = host.tool(&["status"]).ok()?;
    ensure!(status.text().contains("crio") && !status.text().contains("containerd"), "{status}");
    works(host)
}

/// A new pod is scheduled, runs, resolves and reaches the outside.
fn works(host: &Host) -> Result<()> {
    host.until("the node is healthy", 120, |host| Ok(host.tool(&["status"]).output()?.code() == Some(0)))?;
    host.kubectl(&["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s"])?;
    let name = format!("works-{}", host.sh("date +%s%N").ok()?.text());
    pods::resolves_and_reaches(&usernetes_e2e::Namespace::new(host, &name)?, host)
}
