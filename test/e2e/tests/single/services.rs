//! Services, from pods and from the host.

use anyhow::{Result, ensure};
use usernetes_e2e::{Host, IMAGE, Machine, Namespace, Testbed};

/// A Deployment whose pods answer with a text on port 8080.
fn web(name: &str, text: &str, replicas: u32) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: web
        image: {IMAGE}
        imagePullPolicy: IfNotPresent
        command: [sh, -c, 'mkdir /www; echo {text} > /www/index.html; exec httpd -f -p 8080 -h /www']
        readinessProbe: {{tcpSocket: {{port: 8080}}, periodSeconds: 1}}
"
    )
}

fn service(name: &str, app: &str, node_port: u16) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  type: NodePort
  selector: {{app: {app}}}
  ports: [{{port: 80, targetPort: 8080, nodePort: {node_port}}}]
"
    )
}

fn answers(host: &Host, address: &str, text: &str) -> Result<()> {
    host.until(&format!("{address} answers {text:?}"), 30, |host| {
        Ok(host.fetch(address).is_ok_and(|body| body.trim() == text))
    })
}

pub(crate) fn service_by_cluster_ip_and_node_port(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let namespace = Namespace::new(host, "service")?;
    namespace.apply(&web("web", "served", 2))?;
    namespace.apply(&service("web", "web", 30080))?;
    namespace.pod("client", "sleep 3600")?;
    namespace.kubectl(&["rollout", "status", "deployment/web", "--timeout=120s"])?;
    namespace.ready(&["pod/client"])?;
    let address = namespace.field("service/web", ".spec.clusterIP")?;
    for target in [&address, "web", "web.service.svc.cluster.local", "198.51.100.11:30080"] {
        let answer = namespace.sh("client", &format!("wget -q -O - http://{target}/"))?;
        ensure!(answer == "served", "{target}: {answer}");
    }
    answers(host, "198.51.100.11:30080", "served")?;
    answers(host, "127.0.0.1:30080", "served")?;
    host.tool(&["ports", "list"]).ok()?.says(&["30080"])?;
    namespace.kubectl(&["delete", "service", "web"])?;
    host.until("the port is gone after its Service", 30, |host| Ok(!host.reaches("198.51.100.11:30080")?))?;
    host.until("the loopback port is gone too", 30, |host| Ok(!host.reaches("127.0.0.1:30080")?))
}

/// The cluster's own name server, published: the one UDP server that is surely there.
pub(crate) fn udp_service(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let namespace = Namespace::existing(host, "kube-system");
    namespace.apply(
        "apiVersion: v1
kind: Service
metadata: {name: published-dns}
spec:
  type: NodePort
  selector: {k8s-app: kube-dns}
  ports: [{port: 53, protocol: UDP, nodePort: 30053}]
",
    )?;
    let name = "kubernetes.default.svc.cluster.local";
    let answered = |host: &Host| Ok(host.look_up("198.51.100.11:30053", name).is_ok_and(|a| a == "10.96.0.1"));
    host.until("the published name server answers over UDP", 30, answered)?;
    namespace.kubectl(&["delete", "service", "published-dns"])?;
    host.until("the UDP port is gone after its Service", 30, |host| {
        Ok(!host.tool(&["ports", "list"]).ok()?.text().contains("30053"))
    })
}

/// Such a packet must not leave for the outside world, where a host might answer. kube-proxy's nftables mode refuses
/// a port that a Service does not have, and drops what is for no Service.
pub(crate) fn unassigned_service_port_is_refused(testbed: &Testbed) -> Result<()> {
    let namespace = Namespace::new(testbed.host(), "unassigned")?;
    namespace.pod("client", "sleep 3600")?;
    namespace.ready(&["pod/client"])?;
    let ask = |address: &str, patience: u8| {
        namespace.sh("client", &format!("nc -w {patience} {address} < /dev/null 2>&1 && echo connected || echo failed"))
    };
    let assigned = ask("10.96.0.1 4444", 10)?;
    ensure!(assigned.contains("failed") && !assigned.contains("timed out"), "not refused at once: {assigned}");
    let nobodys = ask("10.96.200.200 80", 2)?;
    ensure!(nobodys.contains("failed"), "somebody answers: {nobodys}");
    Ok(())
}

pub(crate) fn host_port(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let namespace = Namespace::new(host, "host-port")?;
    let port = "        ports: [{containerPort: 8080, hostPort: 18081}]\n";
    let manifest = web("web", "hosted", 1);
    namespace.apply(&manifest.replace("        readinessProbe", &format!("{port}        readinessProbe")))?;
    namespace.kubectl(&["rollout", "status", "deployment/web", "--timeout=120s"])?;
    answers(host, "198.51.100.11:18081", "hosted")?;
    namespace.kubectl(&["delete", "deployment", "web"])?;
    host.until("the port is gone after its pod", 30, |host| Ok(!host.reaches("198.51.100.11:18081")?))
}

pub(crate) fn deployment_rolls(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let namespace = Namespace::new(host, "deployment-rolls")?;
    namespace.apply(&web("web", "old", 2))?;
    namespace.apply(&service("web", "web", 30081))?;
    namespace.kubectl(&["rollout", "status", "deployment/web", "--timeout=120s"])?;
    answers(host, "198.51.100.11:30081", "old")?;
    namespace.apply(&web("web", "new", 2))?;
    namespace.kubectl(&["rollout", "status", "deployment/web", "--timeout=120s"])?;
    answers(host, "198.51.100.11:30081", "new")?;
    namespace.kubectl(&["rollout", "undo", "deployment/web"])?;
    namespace.kubectl(&["rollout", "status", "deployment/web", "--timeout=120s"])?;
    answers(host, "198.51.100.11:30081", "old")
}

/// `ports add` and `remove`, seen from the host; a port that is taken stays its owner's.
pub(crate) fn ports_can_be_published(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.tool(&["ports", "list"]).ok()?.says(&["6443", "10250", "8472"])?;
    let list = host.tool(&["ports", "list", "-o", "json"]).ok()?;
    let ports: Vec<serde_json::Value> = list.text().lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    ensure!(ports.iter().any(|p| p["forward"]["spec"]["host"] == "198.51.100.11:6443"), "{list}");
    ensure!(!host.reaches("198.51.100.11:16443")?);
    host.tool(&["ports", "add", "16443:6443/tcp"]).ok()?;
    ensure!(host.reaches("198.51.100.11:16443")?, "the added port does not answer");
    host.tool(&["ports", "list"]).ok()?.says(&["16443"])?;
    // Once more is no error; to another port of the node is.
    host.tool(&["ports", "add", "16443:6443/tcp"]).ok()?;
    host.tool(&["ports", "add", "16443:10250/tcp"]).output()?.exits(1)?.says(&["16443", "already published"])?;
    host.tool(&["ports", "remove", "16443/tcp"]).ok()?;
    ensure!(!host.reaches("198.51.100.11:16443")?, "the removed port still answers");
    // One that could not be had at the last start is remembered, and can be forgotten.
    let kept = "cd ~/.local/share/usernetes/default;";
    host.tool(&["ports", "add", "16443:6443/tcp"]).ok()?;
    host.sh(&format!("{kept} cp ports.json /tmp/ports.json")).ok()?;
    host.tool(&["ports", "remove", "16443/tcp"]).ok()?;
    host.sh(&format!("{kept} mv /tmp/ports.json .")).ok()?;
    host.tool(&["ports", "remove", "16443/tcp"]).output()?.exits(1)?.says(&["16443"])?;
    ensure!(host.sh(&format!("{kept} cat ports.json")).ok()?.text() == "[]", "it is remembered still");
    let taken = host.listen("198.51.100.11:16444")?;
    host.tool(&["ports", "add", "16444:6443/tcp"]).output()?.exits(1)?.says(&["16444", "in use"])?;
    drop(taken);
    Ok(())
}
