//! Traffic between nodes and from hosts into the cluster.

use anyhow::{Context, Result, ensure};
use usernetes_e2e::{Rig, Space, pod};

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

pub(crate) fn a_gibibyte_between_nodes(rig: &Rig) -> Result<()> {
    let space = Space::new(rig.host(), "gibibyte")?;
    let pods = one_on_every_node(&space)?;
    let on = |name: &str| pods.iter().find(|(_, node)| node == name).map(|(pod, _)| pod.clone());
    let (from, to) = (on("host2").context("no pod on host2")?, on("host3").context("no pod on host3")?);
    let address = space.field(&format!("pod/{to}"), ".status.podIP")?;
    let make = "yes \"$(seq 1 700)\" | head -c 1073741824";
    let receive = space.prepare(&["exec", &to, "--", "sh", "-c", "nc -l -p 9000 | sha256sum"]).spawn()?;
    space.sh(&to, "until grep -q ':2328 .* 0A ' /proc/net/tcp6 /proc/net/tcp; do sleep 0.1; done")?;
    space.prepare(&["exec", &from, "--", "sh", "-c", &format!("{make} | nc {address} 9000")]).limit(600).ok()?;
    let received = receive.wait(std::time::Duration::from_mins(1))?.ok()?;
    let expected = space.sh(&from, &format!("{make} | sha256sum"))?;
    ensure!(received.text() == expected, "sent {expected}\nreceived {received}");
    Ok(())
}
