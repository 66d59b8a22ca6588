//! Nodes and pods on every host.

use anyhow::{Context, Result, ensure};
use std::time::Duration;
use usernetes_e2e::{Host, IMAGE, Machine, Namespace, Testbed};

use crate::one_on_every_node;

pub(crate) fn all_nodes_are_ready(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.kubectl(&["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s"])?;
    let nodes = host.kubectl(&["get", "nodes", "-o", "json"])?.json()?;
    let nodes = nodes["items"].as_array().cloned().unwrap_or_default();
    ensure!(nodes.len() == testbed.hosts().len(), "{} nodes", nodes.len());
    for host in testbed.hosts() {
        let node = nodes.iter().find(|node| node["metadata"]["name"] == host.name());
        let addresses = node.map(|node| node["status"]["addresses"].to_string()).unwrap_or_default();
        ensure!(addresses.contains(&host.address()), "{}: {addresses}", host.name());
        host.tool(&["status"]).ok()?;
    }
    Ok(())
}

pub(crate) fn logs_and_exec_on_every_node(testbed: &Testbed) -> Result<()> {
    let namespace = Namespace::new(testbed.host(), "logs-and-exec")?;
    let pods = one_on_every_node(&namespace)?;
    ensure!(pods.len() == testbed.hosts().len(), "{pods:?}");
    for (pod, node) in pods {
        let logs = namespace.kubectl(&["logs", &pod])?;
        ensure!(logs.text() == "here I am", "{node}: {logs}");
        ensure!(namespace.sh(&pod, "hostname")? == pod, "exec on {node}");
        copy_and_forward(testbed.host(), &namespace, &pod).with_context(|| node.clone())?;
        statistics(testbed.host(), &pod, &node)?;
    }
    Ok(())
}

/// A file goes into a pod, is served there, and comes back through a forwarded port.
fn copy_and_forward(host: &Host, namespace: &Namespace, pod: &str) -> Result<()> {
    let file = host.write("copied", pod)?;
    namespace.sh(pod, "mkdir /www")?;
    namespace.kubectl(&["cp", &file, &format!("{pod}:/www/index.html")])?;
    namespace.sh(pod, "chmod 644 /www/index.html; httpd -p 8080 -h /www")?;
    let forward = namespace.prepare(&["port-forward", pod, ":8080"]).spawn()?;
    let line = forward.line(Duration::from_secs(10), |line| line.contains("Forwarding from 127.0.0.1:"))?;
    let port = line.split(':').nth(1).and_then(|rest| rest.split_whitespace().next()).context("no port")?;
    let fetched = host.fetch(&format!("127.0.0.1:{port}"))?;
    ensure!(fetched == pod, "{fetched}");
    forward.signal_group(nix::sys::signal::Signal::SIGKILL)
}

/// What `kubectl top` is made of.
fn statistics(host: &Host, pod: &str, node: &str) -> Result<()> {
    let path = format!("/api/v1/nodes/{node}/proxy/stats/summary");
    host.until(&format!("statistics of {node} know {pod}"), 30, |host| {
        let summary = host.kubectl(&["get", "--raw", &path])?.json()?;
        let pods = summary["pods"].as_array().cloned().unwrap_or_default();
        Ok(summary["node"]["nodeName"] == node && pods.iter().any(|one| one["podRef"]["name"] == pod))
    })
}

/// Three replicas on three nodes, each resolved and fetched by its own name from a pod on every node.
pub(crate) fn stateful_set(testbed: &Testbed) -> Result<()> {
    let namespace = Namespace::new(testbed.host(), "stateful-set")?;
    namespace.apply(&format!(
        "apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{clusterIP: None, selector: {{app: web}}, ports: [{{port: 8080}}]}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: web}}
spec:
  serviceName: web
  replicas: 3
  podManagementPolicy: Parallel
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 0
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
          - {{topologyKey: kubernetes.io/hostname, labelSelector: {{matchLabels: {{app: web}}}}}}
      containers:
      - name: web
        image: {IMAGE}
        imagePullPolicy: IfNotPresent
        command: [sh, -c, 'mkdir /www; hostname > /www/index.html; exec httpd -f -p 8080 -h /www']
        readinessProbe: {{tcpSocket: {{port: 8080}}, periodSeconds: 1}}
"
    ))?;
    let clients = one_on_every_node(&namespace)?;
    namespace.kubectl(&["rollout", "status", "statefulset/web", "--timeout=180s"])?;
    for (client, node) in clients {
        for replica in ["web-0", "web-1", "web-2"] {
            let fetch = format!("wget -q -O - http://{replica}.web.stateful-set.svc.cluster.local:8080/");
            // The name of a replica may be a few seconds younger than its readiness.
            testbed.host().until(&format!("{replica} answers on {node}"), 30, |_| {
                Ok(namespace.prepare(&["exec", &client, "--", "sh", "-c", &fetch]).output()?.text() == replica)
            })?;
        }
    }
    Ok(())
}
