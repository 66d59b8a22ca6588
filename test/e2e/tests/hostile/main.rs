//! What tenants, workers, other users of the host and passing time may not do to a node. Each scenario is one attack.

mod bundle_readers;
mod cache;
mod certificates;
mod expiry;
mod host_ports;
mod idle_connections;
mod policies;
mod reset;
mod services;
mod sockets;
mod stopping;
mod tokens;
mod vxlan;
mod workers;

use anyhow::{Context as _, Result};
use std::process::ExitCode;
use usernetes_e2e::{
    Host, IMAGE, Machine, Namespace, Process, Requirement, Run, Scenario, SharedCluster, Testbed, main as suite,
};

const NEEDS: [Requirement; 4] =
    [Requirement::Hosts, Requirement::Program, Requirement::Bundle, Requirement::Command("init")];

fn main() -> ExitCode {
    let scenarios = vec![
        Scenario::shared("sockets_are_known", sockets::sockets_are_known),
        Scenario::shared("external_ips_are_refused", services::external_ips_are_refused),
        Scenario::shared("load_balancers_get_no_port_of_a_node", services::load_balancers_get_no_port_of_a_node),
        Scenario::shared("load_balancers_leave_the_host_its_ports", services::load_balancers_leave_the_host_its_ports),
        Scenario::shared("host_ports_divert_nothing_of_a_node", host_ports::host_ports_divert_nothing_of_a_node),
        Scenario::shared("worker_gets_no_certificate_of_others", certificates::worker_gets_no_certificate_of_others),
        Scenario::shared("kubelets_are_verified", certificates::kubelets_are_verified),
        Scenario::shared("tokens_are_not_in_the_list_of_processes", tokens::tokens_are_not_in_the_list_of_processes),
        Scenario::shared("deleted_tokens_stay_dead", tokens::deleted_tokens_stay_dead),
        Scenario::shared("pods_end_in_their_own_time", stopping::pods_end_in_their_own_time),
        Scenario::shared("hung_runtime_is_noticed", stopping::hung_runtime_is_noticed),
        Scenario::shared("idle_connections_stop_nothing", idle_connections::idle_connections_stop_nothing),
        Scenario::shared("slow_connections_stop_nothing", idle_connections::slow_connections_stop_nothing),
        Scenario::shared("a_shortage_restarts_nothing", idle_connections::a_shortage_restarts_nothing),
        Scenario::shared("slow_readers_of_the_bundle", bundle_readers::slow_readers_of_the_bundle),
        Scenario::shared("forged_packets_reach_no_pod", vxlan::forged_packets_reach_no_pod),
        Scenario::shared("annotations_open_no_relay", vxlan::annotations_open_no_relay),
        Scenario::shared("quarantine_holds", workers::quarantine_holds),
        Scenario::shared("reachability_is_no_port_scanner", workers::reachability_is_no_port_scanner),
        Scenario::shared("endless_answers_are_cut_off", workers::endless_answers_are_cut_off),
        Scenario::shared("network_policies_warn", policies::network_policies_warn),
        Scenario::own("expired_certificates_are_named", 1, &NEEDS, expiry::expired_certificates_are_named),
        Scenario::own("nothing_of_a_node_is_in_a_cache", 1, &NEEDS, cache::nothing_of_a_node_is_in_a_cache),
        Scenario::own("reset_removes_only_what_is_ours", 1, &NEEDS, reset::reset_removes_only_what_is_ours),
    ];
    suite("hostile", scenarios, Some(SharedCluster { topology: 2.into(), create: create_cluster }))
}

/// A control plane and a worker.
fn create_cluster(testbed: &Testbed) -> Result<()> {
    let [first, worker] = testbed.hosts() else { anyhow::bail!("not two hosts") };
    first.init::<&str>(&[]).ok()?;
    let token = first.tool(&["token", "create"]).ok()?.text().to_owned();
    worker.tool(&["join", "--bundle", "/srv/bundle", "-"]).input(token).ok().map(drop)
}

/// A namespace that enforces Pod Security `restricted`, and a ServiceAccount that may edit it and nothing else.
struct Tenant<'a> {
    namespace: Namespace<'a>,
    user: String,
}

impl<'a> Tenant<'a> {
    fn new(first: &'a Host, name: &str) -> Result<Self> {
        let namespace = Namespace::new(first, name)?;
        first.kubectl(&["label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted"])?;
        namespace.kubectl(&["create", "serviceaccount", "joe"])?;
        let account = format!("{name}:joe");
        namespace.kubectl(&["create", "rolebinding", "joe", "--clusterrole=edit", "--serviceaccount", &account])?;
        Ok(Self { namespace, user: format!("system:serviceaccount:{account}") })
    }

    /// Prepares `kubectl apply` of manifests as the ServiceAccount.
    fn apply(&self, manifests: &str) -> Run<'a> {
        self.namespace.prepare(&["apply", "--as", &self.user, "-f", "-"]).input(manifests)
    }
}

/// A pod of Pod Security `restricted` on a node that answers each HTTP request on port 8080; `ports` is YAML for `ports`.
fn web(name: &str, node: &str, ports: &str) -> String {
    let script = "mkdir /tmp/www; echo taken > /tmp/www/index.html; exec httpd -f -p 8080 -h /tmp/www";
    format!(
        "apiVersion: v1
kind: Pod
metadata:
  name: {name}
  labels: {{app: {name}}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 0
  securityContext: {{runAsNonRoot: true, runAsUser: 1000, seccompProfile: {{type: RuntimeDefault}}}}
  containers:
  - name: web
    image: {IMAGE}
    imagePullPolicy: IfNotPresent
    securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
    command: [sh, -c, '{script}']
    readinessProbe: {{tcpSocket: {{port: 8080}}, periodSeconds: 1}}
    ports: [{ports}]
"
    )
}

/// The admission policy of reserved ports, deleted until this is dropped.
struct Policy<'a>(&'a Host);

impl<'a> Policy<'a> {
    const OBJECTS: [&'static str; 2] = ["validatingadmissionpolicybinding", "validatingadmissionpolicy"];

    fn deleted(first: &'a Host) -> Result<Self> {
        for kind in Self::OBJECTS {
            first.kubectl(&["delete", kind, "usernetes-reserved-ports"])?;
        }
        let policy = Self(first);
        first.until("the policy is not enforced", 30, |_| policy.is_enforced().map(|enforced| !enforced))?;
        Ok(policy)
    }

    fn is_enforced(&self) -> Result<bool> {
        let service = ["create", "service", "loadbalancer", "probe", "--tcp=6443", "--dry-run=server"];
        Ok(self.0.tool(&[&["kubectl"], &service[..]].concat()).output()?.code() != Some(0))
    }

    fn restore(&self) -> Result<()> {
        self.0.tool(&["init", "phase", "addon", "reserved-ports"]).ok()?;
        self.0.until("the policy is enforced", 30, |_| self.is_enforced())
    }
}

impl Drop for Policy<'_> {
    fn drop(&mut self) {
        let _ = self.restore();
    }
}

/// Resident memory of the node's child, PID 1 of its namespaces, in MiB.
fn child_memory(host: &Host) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child_process(host)?.pid))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}

/// The node's child.
fn child_process(host: &Host) -> Result<Process> {
    let all = host.processes()?;
    let parent =
        all.iter().find(|p| p.command.get(1).is_some_and(|word| word == "daemon")).context("no parent runs")?;
    let child = all.iter().find(|p| p.parent == parent.pid && p.program() != "slirp4netns");
    child.cloned().context("no child runs")
}
