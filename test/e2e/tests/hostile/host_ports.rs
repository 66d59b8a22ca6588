//! Pods whose hostPorts are ports of the node itself.

use super::{Policy, web};
use anyhow::{Result, ensure};
use usernetes_e2e::{Host, Machine, Namespace, Testbed};

const OF_CONTROL_PLANE: [u16; 9] = [2379, 2380, 2381, 6443, 10248, 10250, 10257, 10259, 10261];
const OF_WORKER: [u16; 3] = [6443, 10248, 10250];

/// The pods run, and their hostPorts lead nowhere. Deleting them is all that heals takes.
pub(crate) fn host_ports_divert_nothing_of_a_node(testbed: &Testbed) -> Result<()> {
    let [first, worker] = testbed.hosts() else { anyhow::bail!("not two hosts") };
    let namespace = Namespace::new(first, "host-ports")?;
    for (what, protocol) in [("containers", "TCP"), ("initContainers", "TCP"), ("containers", "UDP")] {
        let port = if protocol == "TCP" { 10248 } else { 8472 };
        let ports = format!("{{containerPort: 8080, hostPort: {port}, protocol: {protocol}}}");
        let mut pod = web("refused", &worker.name(), &ports);
        if what == "initContainers" {
            pod = pod.replace("  containers:", "  containers: [{name: main, image: none}]\n  initContainers:");
            pod = pod.replace("    readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}\n", "");
        }
        let refused = namespace.prepare(&["apply", "-f", "-"]).input(pod).output()?.exits(1)?;
        refused.says(&["usernetes-reserved-ports", &format!("{protocol}/{port} is reserved for the node itself")])?;
    }
    let policy = Policy::deleted(first)?;
    for (host, ports) in [(first, &OF_CONTROL_PLANE[..]), (worker, &OF_WORKER[..])] {
        let name = format!("taker-{}", host.name());
        let udp = "{containerPort: 8080, hostPort: 8472, protocol: UDP}, {containerPort: 8080, hostPort: 8090}";
        let tcp: Vec<_> = ports.iter().map(|port| format!("{{containerPort: 8080, hostPort: {port}}}")).collect();
        namespace.apply(&web(&name, &host.name(), &format!("{udp}, {}", tcp.join(", "))))?;
    }
    let pods = [first, worker].map(|host| format!("pod/taker-{}", host.name()));
    namespace.ready(&pods.each_ref().map(String::as_str))?;
    for host in [first, worker] {
        host.until("a hostPort of its own leads to the pod", 30, |host| {
            Ok(host.fetch(&format!("{}:8090", host.address())).is_ok_and(|body| body.trim() == "taken"))
        })?;
    }
    // As the supervisor's probes, the kubelet, the API server and other hosts ask.
    inside(first, "https://127.0.0.1:10259/livez", "ok")?;
    inside(first, "https://127.0.0.1:10257/healthz", "ok")?;
    inside(first, "http://127.0.0.1:2381/livez", "ok")?;
    inside(first, &format!("https://{}:6443/livez", first.address()), "ok")?;
    inside(first, &format!("http://{}:10261/bundle.yaml", first.address()), "kind: Bundle")?;
    for host in [first, worker] {
        inside(host, "http://127.0.0.1:10248/healthz", "ok")?;
        inside(host, &format!("https://{}:6443/livez", first.address()), "ok")?;
        let from_host = host.sh(&format!("curl -sk https://{}:6443/livez", first.address())).ok()?;
        ensure!(from_host.text() == "ok", "from {}: {from_host}", host.name());
    }
    for pod in &pods {
        let name = namespace.kubectl(&["exec", pod, "--", "hostname"])?;
        ensure!(pod.ends_with(name.text()), "{name}");
        // From a pod as well: the API server speaks TLS alone.
        let plain = format!("wget -q -O - http://{}:6443/ 2>&1 || true", first.address());
        let answer = namespace.sh(pod, &plain)?;
        ensure!(answer.contains("400 Bad Request"), "{answer}");
    }
    namespace.kubectl(&["delete", "--wait", &pods[0], &pods[1]])?;
    drop(policy);
    let status = first.tool(&["status"]).ok()?;
    let rows = status.text().lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let restarted = rows.into_iter().any(|row| matches!(row[..], [_, "Ready", _, restarts] if restarts != "0"));
    ensure!(!restarted, "a component was restarted: {status}");
    Ok(())
}

/// Asks a server inside the node.
fn inside(host: &Host, url: &str, answer: &str) -> Result<()> {
    let output = host.tool(&["shell", "--", "curl", "-sk", "--max-time", "10", url]).ok()?;
    ensure!(output.text().contains(answer), "{url} on {}: {output}", host.name());
    Ok(())
}
