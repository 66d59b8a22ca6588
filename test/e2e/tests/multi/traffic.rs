//! Traffic between nodes and from hosts into the cluster.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::time::Duration;
use usernetes_e2e::{Host, Machine, Namespace, Testbed, pod};

use crate::one_on_every_node;

pub(crate) fn node_port_through_every_host(testbed: &Testbed) -> Result<()> {
    let namespace = Namespace::new(testbed.host(), "node-port")?;
    let script = "mkdir /www; echo served > /www/index.html; exec httpd -f -p 8080 -h /www";
    namespace.apply(&pod("web", script, "  nodeSelector: {kubernetes.io/hostname: host2}"))?;
    namespace.ready(&["pod/web"])?;
    namespace.apply(
        "apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 30090}]}
",
    )?;
    for from in testbed.hosts() {
        for to in testbed.hosts() {
            let address = format!("{}:30090", to.address());
            from.until(&format!("{address} answers {}", from.name()), 30, |from| {
                Ok(from.fetch(&address).is_ok_and(|body| body.trim() == "served"))
            })?;
        }
    }
    namespace.kubectl(&["delete", "service", "web"])?;
    for host in testbed.hosts() {
        let address = format!("{}:30090", host.address());
        host.until(&format!("{address} is gone"), 30, |host| Ok(!host.reaches(&address)?))?;
    }
    Ok(())
}

/// A Service with a pod on every node, asked from a pod on every node: each reaches all of them.
pub(crate) fn service_from_every_node(testbed: &Testbed) -> Result<()> {
    let namespace = Namespace::new(testbed.host(), "everywhere")?;
    let pods = one_on_every_node(&namespace)?;
    for (pod, _) in &pods {
        namespace.sh(pod, "mkdir /www; hostname > /www/index.html; httpd -p 8080 -h /www")?;
    }
    namespace.apply(
        "apiVersion: v1
kind: Service
metadata: {name: all}
spec: {selector: {app: client}, ports: [{port: 80, targetPort: 8080}]}
",
    )?;
    let address = namespace.field("service/all", ".spec.clusterIP")?;
    let ask = format!("for i in $(seq 40); do wget -q -T 5 -O - http://{address}/ || echo nobody; done | sort -u");
    let expected: BTreeSet<_> = pods.iter().map(|(pod, _)| pod.as_str()).collect();
    for (pod, node) in &pods {
        testbed.host().until(&format!("{node} reaches all pods"), 30, |_| {
            let answers = namespace.sh(pod, &ask)?;
            Ok(answers.lines().collect::<BTreeSet<_>>() == expected)
        })?;
    }
    Ok(())
}

/// The cluster's name servers as a NodePort over UDP, asked from every host at every host.
pub(crate) fn udp_node_port_through_every_host(testbed: &Testbed) -> Result<()> {
    let namespace = Namespace::existing(testbed.host(), "kube-system");
    namespace.apply(
        "apiVersion: v1
kind: Service
metadata: {name: asked-everywhere}
spec: {type: NodePort, selector: {k8s-app: kube-dns}, ports: [{port: 53, protocol: UDP, nodePort: 30093}]}
",
    )?;
    let name = "kubernetes.default.svc.cluster.local";
    for from in testbed.hosts() {
        for to in testbed.hosts() {
            let server = format!("{}:30093", to.address());
            from.until(&format!("{server} answers {}", from.name()), 30, |from| {
                Ok(from.look_up(&server, name).is_ok_and(|address| address == "10.96.0.1"))
            })?;
        }
    }
    namespace.kubectl(&["delete", "service", "asked-everywhere"]).map(drop)
}

pub(crate) fn udp_between_nodes(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let namespace = Namespace::new(host, "udp")?;
    let servers = host.kubectl(&[
        "-n",
        "kube-system",
        "get",
        "pods",
        "-l",
        "k8s-app=kube-dns",
        "-o",
        "jsonpath={.items[*].status.podIP}",
    ])?;
    for (pod, node) in one_on_every_node(&namespace)? {
        for server in servers.text().split_whitespace().chain(["10.96.0.10"]) {
            let answer =
                namespace.sh(&pod, &format!("nslookup -type=a kubernetes.default.svc.cluster.local. {server}"))?;
            ensure!(answer.contains("10.96.0.1"), "{node} asks {server}: {answer}");
        }
    }
    Ok(())
}

/// Says a GiB that has no short period, and its checksum.
const GIBIBYTE: &str = "yes \"$(seq 1 700)\" | head -c 1073741824";
const CHECKSUM: &str = "5b89813b574da73f216b0a4e0fdbd511b4473830f1f9eb30a8e818665e237b49";

pub(crate) fn a_gibibyte_between_nodes(testbed: &Testbed) -> Result<()> {
    let namespace = Namespace::new(testbed.host(), "gibibyte")?;
    let pods = one_on_every_node(&namespace)?;
    let on = |name: &str| pods.iter().find(|(_, node)| node == name).map(|(pod, _)| pod.clone());
    let (from, to) = (on("host2").context("no pod on host2")?, on("host3").context("no pod on host3")?);
    let receiver = testbed.hosts().get(2).context("no third host")?;
    let before = relay_drops(receiver)?;
    let received = carry(&namespace, &from, &to, GIBIBYTE, 300)?;
    ensure!(received.starts_with(CHECKSUM), "expected {CHECKSUM}\nreceived {received}");
    let lost = relay_drops(receiver)? - before;
    ensure!(lost == 0, "{lost} datagrams were lost at the relay of {}", receiver.name());
    Ok(())
}

/// Sends what a script says from one pod to another; the checksum of what arrived.
pub(crate) fn carry(namespace: &Namespace, from: &str, to: &str, script: &str, seconds: u64) -> Result<String> {
    let address = namespace.field(&format!("pod/{to}"), ".status.podIP")?;
    // Standard input stays open: nc would shut its side down, and the other side would end with half of it sent.
    let receive = "rm -f /open; mkfifo /open; nc -l -p 9000 <> /open | sha256sum";
    let receive = namespace.prepare(&["exec", to, "--", "sh", "-c", receive]).spawn()?;
    namespace.sh(to, "until grep -q ':2328 .* 0A ' /proc/net/tcp6 /proc/net/tcp; do sleep 0.1; done")?;
    let send = format!("{script} | nc {address} 9000");
    namespace.prepare(&["exec", from, "--", "sh", "-c", &send]).limit(seconds).ok()?;
    Ok(receive.wait(Duration::from_mins(1))?.ok()?.text().to_owned())
}

/// Datagrams that the kernel had no room for at the host's VXLAN port, 0x2118, or behind it, inside.
fn relay_drops(host: &Host) -> Result<u64> {
    let sockets = host.sh("cat /proc/net/udp").ok()?;
    let relay = sockets.text().lines().find(|line| line.contains(":2118 ")).context("nothing listens on 8472/udp")?;
    let outside: u64 = relay.split_whitespace().last().context("no counter")?.parse()?;
    let ports = host.tool(&["ports", "list", "-o", "json"]).ok()?;
    let relay = ports.text().lines().find(|line| line.contains("\"relay\"")).context("no relay")?;
    let inside = serde_json::from_str::<serde_json::Value>(relay)?["lost"].as_u64().context("no counter inside")?;
    Ok(outside + inside)
}
