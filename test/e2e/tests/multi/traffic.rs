//! Traffic between nodes and from hosts into the cluster.

use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};
use usernetes_e2e::{Host, Rig, Space, pod};

use crate::one_on_every_node;

pub(crate) fn node_port_through_every_host(rig: &Rig) -> Result<()> {
    let space = Space::new(rig.host(), "node-port")?;
    let script = "mkdir /www; echo served > /www/index.html; exec httpd -f -p 8080 -h /www";
    space.apply(&pod("web", script, "  nodeSelector: {kubernetes.io/hostname: host2}"))?;
    space.ready(&["pod/web"])?;
    space.apply(
        "apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 30090}]}
",
    )?;
    for from in rig.hosts() {
        for to in rig.hosts() {
            let address = format!("{}:30090", to.address());
            from.until(&format!("{address} answers {}", from.name()), 30, |from| {
                Ok(from.fetch(&address).is_ok_and(|body| body.trim() == "served"))
            })?;
        }
    }
    space.kubectl(&["delete", "service", "web"])?;
    for host in rig.hosts() {
        let address = format!("{}:30090", host.address());
        host.until(&format!("{address} is gone"), 30, |host| Ok(!host.reaches(&address)?))?;
    }
    Ok(())
}

pub(crate) fn udp_between_nodes(rig: &Rig) -> Result<()> {
    let host = rig.host();
    let space = Space::new(host, "udp")?;
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
    for (pod, node) in one_on_every_node(&space)? {
        for server in servers.text().split_whitespace().chain(["10.96.0.10"]) {
            let answer = space.sh(&pod, &format!("nslookup -type=a kubernetes.default.svc.cluster.local. {server}"))?;
            ensure!(answer.contains("10.96.0.1"), "{node} asks {server}: {answer}");
        }
    }
    Ok(())
}

/// Says a GiB that has no short period, and its checksum.
const GIBIBYTE: &str = "yes \"$(seq 1 700)\" | head -c 1073741824";
const CHECKSUM: &str = "5b89813b574da73f216b0a4e0fdbd511b4473830f1f9eb30a8e818665e237b49";

pub(crate) fn a_gibibyte_between_nodes(rig: &Rig) -> Result<()> {
    let space = Space::new(rig.host(), "gibibyte")?;
    let pods = one_on_every_node(&space)?;
    let on = |name: &str| pods.iter().find(|(_, node)| node == name).map(|(pod, _)| pod.clone());
    let (from, to) = (on("host2").context("no pod on host2")?, on("host3").context("no pod on host3")?);
    let receiver = rig.hosts().get(2).context("no third host")?;
    let before = relay_drops(receiver)?;
    let received = carry(&space, &from, &to, GIBIBYTE, 300)?;
    ensure!(received.starts_with(CHECKSUM), "expected {CHECKSUM}\nreceived {received}");
    let lost = relay_drops(receiver)? - before;
    ensure!(lost == 0, "{lost} datagrams were lost at the relay of {}", receiver.name());
    Ok(())
}

/// Sends what a script says from one pod to another; the checksum of what arrived.
pub(crate) fn carry(space: &Space, from: &str, to: &str, script: &str, seconds: u64) -> Result<String> {
    let address = space.field(&format!("pod/{to}"), ".status.podIP")?;
    // Standard input stays open: nc tells its end to the other side, which would then end with half of it sent.
    let receive = "rm -f /open; mkfifo /open; nc -l -p 9000 <> /open | sha256sum";
    let receive = space.prepare(&["exec", to, "--", "sh", "-c", receive]).spawn()?;
    space.sh(to, "until grep -q ':2328 .* 0A ' /proc/net/tcp6 /proc/net/tcp; do sleep 0.1; done")?;
    let send = format!("{script} | nc {address} 9000");
    space.prepare(&["exec", from, "--", "sh", "-c", &send]).limit(seconds).ok()?;
    Ok(receive.wait(Duration::from_mins(1))?.ok()?.text().to_owned())
}

/// Datagrams that the kernel had no room for at the host's VXLAN port, 0x2118.
fn relay_drops(host: &Host) -> Result<u64> {
    let sockets = host.sh("cat /proc/net/udp").ok()?;
    let relay = sockets.text().lines().find(|line| line.contains(":2118 ")).context("nothing listens on 8472/udp")?;
    Ok(relay.split_whitespace().last().context("no counter")?.parse()?)
}

/// Ports that another program of the host has, and ports for administrators: told at the Service, and cured at once.
pub(crate) fn load_balancer_on_every_host(rig: &Rig) -> Result<()> {
    const PORT: u16 = 8090;
    let space = Space::new(rig.host(), "balanced")?;
    let worker = rig.hosts().get(1).context("no worker")?;
    let taken = worker.listen(&format!("{}:{PORT}", worker.address()))?;
    let script = "mkdir /www; echo balanced > /www/index.html; exec httpd -f -p 8080 -h /www";
    space.apply(&pod("web", script, "  nodeSelector: {kubernetes.io/hostname: host2}"))?;
    space.apply(
        "apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{name: high, port: 8090, targetPort: 8080}, {name: low, port: 81, targetPort: 8080}]}
",
    )?;
    space.ready(&["pod/web"])?;
    let addresses = rig.hosts().iter().map(Host::address).collect::<Vec<_>>();
    rig.host().until("the status names every host", 10, |_| {
        let status = space.field("service/web", ".status.loadBalancer.ingress[*].ip")?;
        Ok(addresses.iter().all(|address| status.contains(address)))
    })?;
    for what in ["is in use", "net.ipv4.ip_unprivileged_port_start=81"] {
        rig.host().until(&format!("an Event says {what:?}"), 10, |_| {
            let events =
                space.kubectl(&["get", "events", "--field-selector", "involvedObject.name=web", "-o", "yaml"])?;
            Ok(events.stdout.contains(what))
        })?;
    }
    worker.tool(&["status"]).output()?.says(&["in use", "ip_unprivileged_port_start"])?;
    drop(taken);
    for host in rig.hosts() {
        let address = format!("{}:{PORT}", host.address());
        rig.host().until(&format!("{address} answers"), 15, |from| {
            Ok(from.fetch(&address).is_ok_and(|body| body.trim() == "balanced"))
        })?;
    }
    Ok(())
}

/// From the moment at which a Service is made, or gone, to the moment at which the hosts show it.
pub(crate) fn ports_follow_within_a_second(rig: &Rig) -> Result<()> {
    let space = Space::new(rig.host(), "follow")?;
    let manifest = "apiVersion: v1
kind: Service
metadata: {name: late}
spec: {type: NodePort, selector: {app: nobody}, ports: [{port: 80, nodePort: 30091}]}
";
    let all = |open: bool| {
        rig.hosts().iter().try_fold(true, |so_far, host| {
            let reached = host.reaches(&format!("{}:30091", host.address()))?;
            anyhow::Ok(so_far && reached == open)
        })
    };
    for (open, change) in [(true, "made"), (false, "gone")] {
        if open {
            space.apply(manifest)?;
        } else {
            space.kubectl(&["delete", "service", "late"])?;
        }
        let start = Instant::now();
        while !all(open)? {
            ensure!(start.elapsed() < Duration::from_secs(1), "a second after the Service was {change}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(())
}
