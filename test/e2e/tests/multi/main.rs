//! Several hosts, one cluster, over a real network between them.

mod clients;
mod cut;
mod images;
mod inject;
mod kubeadm;
mod loss;
mod mtu;
mod peer;
mod ports;
mod refusals;
mod serving;
mod smoke;
mod tokens;
mod traffic;

use anyhow::{Context, Result};
use std::process::ExitCode;
use std::thread;
use usernetes_e2e::{Host, Machine, Namespace, Requirement, Run, Scenario, SharedCluster, Testbed, main as suite};

const NEEDS: [Requirement; 4] =
    [Requirement::Hosts, Requirement::Program, Requirement::Bundle, Requirement::Command("init")];

fn main() -> ExitCode {
    suite("multi", scenarios(), Some(SharedCluster { topology: 3.into(), create: create_cluster }))
}

fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::own("two_clusters_on_two_hosts", 2, &NEEDS, two_clusters_on_two_hosts),
        Scenario::own("joins_that_are_refused", 4, &NEEDS, refusals::joins_that_are_refused),
        Scenario::own("classic_join", 2, &NEEDS, tokens::classic_join),
        Scenario::own("images_come_before_pods", 2, &NEEDS, images::images_come_before_pods),
        Scenario::own("kubeadm_as_peer", 2, &NEEDS, kubeadm::kubeadm_as_peer),
        Scenario::own("bundle_from_peer", 2, &NEEDS, peer::bundle_from_peer),
        Scenario::own("kubelet_configuration", 2, &NEEDS, serving::kubelet_configuration),
        Scenario::shared("all_nodes_are_ready", smoke::all_nodes_are_ready),
        Scenario::shared("logs_and_exec_on_every_node", smoke::logs_and_exec_on_every_node),
        Scenario::shared("stateful_set", smoke::stateful_set),
        Scenario::shared("joined_host_is_not_joined_again", tokens::joined_host_is_not_joined_again),
        Scenario::shared("node_port_through_every_host", traffic::node_port_through_every_host),
        Scenario::shared("ports_follow_within_a_second", ports::ports_follow_within_a_second),
        Scenario::shared("load_balancer_on_every_host", ports::load_balancer_on_every_host),
        Scenario::shared("two_services_want_one_port", ports::two_services_want_one_port),
        Scenario::shared("service_from_every_node", traffic::service_from_every_node),
        Scenario::shared("udp_node_port_through_every_host", traffic::udp_node_port_through_every_host),
        Scenario::shared("client_addresses", clients::client_addresses),
        Scenario::shared("session_affinity", clients::session_affinity),
        Scenario::shared("udp_between_nodes", traffic::udp_between_nodes),
        Scenario::shared(
            "strangers_cannot_send_into_the_pod_network",
            inject::strangers_cannot_send_into_the_pod_network,
        ),
        Scenario::shared("a_gibibyte_between_nodes", traffic::a_gibibyte_between_nodes),
        Scenario::shared("two_percent_are_lost", loss::two_percent_are_lost),
        Scenario::shared("low_ports_are_shifted", ports::low_ports_are_shifted),
        Scenario::shared("worker_stopped_and_started", cut::worker_stopped_and_started),
        Scenario::shared("control_plane_stopped_and_started", cut::control_plane_stopped_and_started),
        Scenario::shared("worker_cut_off_for_a_minute", cut::worker_cut_off_for_a_minute),
        Scenario::shared("worker_leaves_and_joins_again", cut::worker_leaves_and_joins_again),
    ]
}

/// One `init`, then two hosts that join at the same time with one token, and need no CA certificates for it.
fn create_cluster(testbed: &Testbed) -> Result<()> {
    let [first, workers @ ..] = testbed.hosts() else { anyhow::bail!("no hosts") };
    first.init::<&str>(&[]).ok()?;
    let token = token(first)?;
    let join = |host| join(host, &[&token]).env("SSL_CERT_FILE", "/dev/null").ok();
    thread::scope(|scope| {
        let joins: Vec<_> = workers.iter().map(|host| scope.spawn(move || join(host))).collect();
        joins.into_iter().try_for_each(|join| join.join().ok().context("a join panicked")?.map(drop))
    })
}

fn token(host: &Host) -> Result<String> {
    Ok(host.tool(&["token", "create"]).ok()?.text().to_owned())
}

/// Prepares `usernetes-rs join` with the bundle under test.
fn join<'a>(host: &'a Host, arguments: &[&str]) -> Run<'a> {
    host.tool(&[&["join", "--bundle", "/srv/bundle"], arguments].concat())
}

/// The kubeconfig of one host's `cluster-info` as a file on another.
fn discovery_file(of: &Host, on: &Host) -> Result<String> {
    let path = "jsonpath={.data.kubeconfig}";
    let file = of.kubectl(&["-n", "kube-public", "get", "configmap", "cluster-info", "-o", path])?;
    on.write("discovery.conf", &file.stdout)
}

/// A pod on every node, each named as `kubectl get` shows it, with its node.
fn one_on_every_node(namespace: &Namespace) -> Result<Vec<(String, String)>> {
    namespace.apply(&format!(
        "apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: client}}
spec:
  selector: {{matchLabels: {{app: client}}}}
  template:
    metadata: {{labels: {{app: client}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: {}
        imagePullPolicy: IfNotPresent
        command: [sh, -c, 'echo here I am; sleep 36000']
",
        usernetes_e2e::IMAGE
    ))?;
    namespace.kubectl(&["rollout", "status", "daemonset/client", "--timeout=180s"])?;
    let columns = "jsonpath={range .items[*]}{.metadata.name} {.spec.nodeName}{'\\n'}{end}";
    let pods = namespace.kubectl(&["get", "pods", "-l", "app=client", "-o", columns])?;
    let pair = |line: &str| line.split_once(' ').map(|(pod, node)| (pod.to_owned(), node.to_owned()));
    Ok(pods.text().lines().filter_map(pair).collect())
}

/// Hosts of one network do not disturb each other, with the same ports and ranges on both.
fn two_clusters_on_two_hosts(testbed: &Testbed) -> Result<()> {
    for host in testbed.hosts() {
        host.init::<&str>(&[]).ok()?;
    }
    for host in testbed.hosts() {
        host.kubectl(&["get", "nodes", "-o", "name"])?.says(&[&host.name()])?;
    }
    Ok(())
}
