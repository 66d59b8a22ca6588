//! Nodes that are killed, stopped, interrupted and removed.

mod death;
mod found;
mod interrupted;
mod layers;
mod nested;
mod reset;

use anyhow::{Result, ensure};
use std::process::ExitCode;
use usernetes_e2e::{Host, HostKind, Machine, Namespace, Requirement, Scenario, SharedCluster, main as suite};

const NEEDS: [Requirement; 4] =
    [Requirement::Hosts, Requirement::Program, Requirement::Bundle, Requirement::Command("init")];

fn main() -> ExitCode {
    let own = |name, run| Scenario::own(name, 1, &NEEDS, run);
    let scenarios = vec![
        own("reset_without_a_node", reset::without_a_node),
        own("reset_of_a_half_made_node", reset::of_a_half_made_node),
        own("second_init_at_the_same_time", interrupted::second_init_at_the_same_time),
        Scenario::shared("etcd_killed", |testbed| death::component(testbed, "etcd")),
        Scenario::shared("kube_apiserver_killed", |testbed| death::component(testbed, "kube-apiserver")),
        Scenario::shared("kube_controller_manager_killed", |testbed| {
            death::component(testbed, "kube-controller-manager")
        }),
        Scenario::shared("kube_scheduler_killed", |testbed| death::component(testbed, "kube-scheduler")),
        Scenario::shared("containerd_killed", |testbed| death::component(testbed, "containerd")),
        Scenario::shared("kubelet_killed", |testbed| death::component(testbed, "kubelet")),
        Scenario::shared("slirp4netns_killed", death::slirp4netns),
        Scenario::shared("kube_proxy_restarted_twice", death::kube_proxy_twice),
        Scenario::shared("stop_and_start_keep_data", death::stop_and_start),
        Scenario::shared("parent_killed", death::parent),
        Scenario::shared("child_killed", death::child),
        Scenario::shared("reset", reset::of_a_cluster),
        own("interrupted_by_sigint", interrupted::by_sigint),
        own("interrupted_by_sigterm", interrupted::by_sigterm),
        own("killed_init_resumes", interrupted::by_sigkill),
        own("state_where_overlay_does_not_work", layers::state_where_overlay_does_not_work),
        own("found_from_another_environment", found::from_another_environment),
        own("found_without_its_runtime_directory", found::without_its_runtime_directory),
        own("nested_in_a_user_namespace", nested::in_a_user_namespace).on(HostKind::Nested),
        own("nested_preflight_with_few_ids", nested::preflight_with_few_ids).on(HostKind::Nested),
        own("fuse_overlayfs_is_chosen", layers::fuse_overlayfs_is_chosen),
    ];
    let shared =
        SharedCluster { topology: 1.into(), create: |testbed| testbed.host().init::<&str>(&[]).ok().map(drop) };
    suite("lifecycle", scenarios, Some(shared))
}

/// The cluster works: a new pod is scheduled, runs, resolves and reaches the outside.
fn works(host: &Host) -> Result<()> {
    host.until("the node is healthy", 120, |host| Ok(host.tool(&["status"]).output()?.code() == Some(0)))?;
    host.kubectl(&["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s"])?;
    // Names must be new each time: deletion of the last namespace may still be under way.
    let name = format!("works-{}", host.sh("date +%s%N").ok()?.text());
    let namespace = Namespace::new(host, &name)?;
    namespace.pod("main", "sleep 3600")?;
    namespace.ready(&["pod/main"])?;
    host.until("a new pod resolves a Service and reaches the outside", 60, |_| {
        let script =
            "nslookup -type=a kubernetes.default.svc.cluster.local. && wget -q -O - http://outside.example:8080/";
        Ok(namespace.prepare(&["exec", "main", "--", "sh", "-c", script]).output()?.code() == Some(0))
    })
}

/// Something to lose: an object in etcd and a file in a volume of a pod that must run again.
fn keep_something(host: &Host, name: &str) -> Result<()> {
    host.kubectl(&["create", "namespace", name])?;
    let namespace = Namespace::existing(host, name);
    namespace.kubectl(&["wait", "--for=create", "serviceaccount/default", "--timeout=60s"])?;
    namespace.kubectl(&["create", "configmap", "kept", "--from-literal=key=value"])?;
    host.sh("mkdir -p ~/kept").ok()?;
    let more = "  volumes: [{name: kept, hostPath: {path: /home/alice/kept}}]";
    let rest = "    volumeMounts: [{name: kept, mountPath: /kept}]\n";
    namespace.apply(&(usernetes_e2e::pod("keeper", "date +%s%N >> /kept/starts; sleep 3600", more) + rest))?;
    namespace.ready(&["pod/keeper"])
}

fn still_there(host: &Host, name: &str) -> Result<()> {
    let namespace = Namespace::existing(host, name);
    ensure!(namespace.field("configmap/kept", ".data.key")? == "value", "the ConfigMap is lost");
    host.until("the pod runs again", 90, |_| {
        Ok(namespace.prepare(&["exec", "keeper", "--", "test", "-s", "/kept/starts"]).output()?.code() == Some(0))
    })
}

/// Nothing of the product runs on the host, is mounted there or listens.
fn quiet(host: &Host) -> Result<()> {
    host.silent()?;
    ensure!(!host.mounts()?.contains("/usernetes/"), "mounts are left:\n{}", host.mounts()?);
    for address in ["198.51.100.11:6443", "127.0.0.1:6443", "198.51.100.11:10250"] {
        ensure!(!host.reaches(address)?, "{address} still answers");
    }
    Ok(())
}
