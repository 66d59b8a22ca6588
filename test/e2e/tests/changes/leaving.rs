//! Nodes that leave: sent away, by themselves, or without a word.

use anyhow::{Result, bail, ensure};
use std::time::Duration;
use usernetes_e2e::{Host, IMAGE, Machine, Namespace, Testbed};

use crate::{join, ready, token, works_on};

/// How long a node that was removed is looked at for coming back by itself.
const WHILE: Duration = Duration::from_secs(15);

/// A Deployment whose two pods want different nodes and of which one must always be there; one of them on `node`.
fn guarded(namespace: &Namespace, node: &str) -> Result<()> {
    namespace.apply(&format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 0
      affinity:
        nodeAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - {{weight: 100, preference: {{matchExpressions: [{{key: kubernetes.io/hostname, operator: In, values: [{node}]}}]}}}}
      containers:
      - {{name: main, image: '{IMAGE}', imagePullPolicy: IfNotPresent, command: [sleep, '36000']}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: web}}
spec: {{minAvailable: 1, selector: {{matchLabels: {{app: web}}}}}}
"
    ))?;
    namespace.kubectl(&["rollout", "status", "deployment/web", "--timeout=180s"])?;
    let nodes = places(namespace)?;
    ensure!(nodes.contains(node), "nothing runs on {node}, but on {nodes}");
    Ok(())
}

fn places(namespace: &Namespace) -> Result<String> {
    let path = "jsonpath={.items[*].spec.nodeName}";
    Ok(namespace.kubectl(&["get", "pods", "-l", "app=web", "-o", path])?.text().to_owned())
}

/// The pods of the Deployment run elsewhere.
fn moved(namespace: &Namespace, node: &str) -> Result<()> {
    namespace.kubectl(&["rollout", "status", "deployment/web", "--timeout=180s"])?;
    let nodes = places(namespace)?;
    ensure!(!nodes.contains(node), "still on {node}: {nodes}");
    Ok(())
}

fn gone(first: &Host, node: &str) -> Result<()> {
    let nodes = first.kubectl(&["get", "nodes", "-o", "name"])?;
    ensure!(!nodes.text().contains(node), "{nodes}");
    Ok(())
}

fn come_back(testbed: &Testbed, worker: &Host, name: &str) -> Result<()> {
    worker.tool(&["reset", "--force"]).ok()?;
    worker.silent()?;
    join(worker, &token(testbed.host())?).ok()?;
    ready(testbed.host(), &worker.name(), "True")?;
    works_on(testbed, &worker.name(), name)
}

/// As with kubeadm: a kubelet registers its node when it starts and only then, and its certificate stays good.
pub(crate) fn node_is_removed_by_the_control_plane(testbed: &Testbed) -> Result<()> {
    let [first, worker, _] = testbed.hosts() else { bail!("not three hosts") };
    first.tool(&["nodes", "remove", "host9"]).output()?.exits(1)?.says(&["host9", "nodes list"])?;
    let namespace = Namespace::new(first, "removed")?;
    guarded(&namespace, "host2")?;
    first.tool(&["nodes", "remove", "host2"]).ok()?.says(&["host2 deleted", "reset", "registers the node again"])?;
    moved(&namespace, "host2")?;
    std::thread::sleep(WHILE);
    gone(first, "host2")?;
    worker.tool(&["status"]).output()?.exits(1)?.says(&["no node host2", "reset", "registers the node again"])?;

    worker.tool(&["stop"]).ok()?;
    worker.tool(&["start", "--wait"]).ok()?;
    first.kubectl(&["wait", "--for=create", "node/host2", "--timeout=60s"])?;
    works_on(testbed, "host2", "registered-again")?;
    first.tool(&["nodes", "remove", "host2"]).ok()?;
    come_back(testbed, worker, "removed-and-joined")
}

/// The pods go first, one by one, then the Node object, then everything on the host.
pub(crate) fn worker_drains_and_leaves(testbed: &Testbed) -> Result<()> {
    let [first, _, worker] = testbed.hosts() else { bail!("not three hosts") };
    let namespace = Namespace::new(first, "drained")?;
    guarded(&namespace, "host3")?;
    let said = worker.tool(&["reset", "--force", "--drain"]).ok()?.says(&["left the cluster"])?;
    ensure!(!said.stderr.contains("Node object stays"), "{said}");
    gone(first, "host3")?;
    worker.silent()?;
    moved(&namespace, "host3")?;
    come_back(testbed, worker, "drained-and-joined")
}

/// Its pods cannot report that they have ended, so the drain does not wait for them.
pub(crate) fn host_is_gone(testbed: &Testbed) -> Result<()> {
    let [first, worker, _] = testbed.hosts() else { bail!("not three hosts") };
    let namespace = Namespace::new(first, "gone")?;
    guarded(&namespace, "host2")?;
    testbed.unplug(worker)?;
    // No API server is reachable that could evict the pods, so nothing is removed.
    let spared = worker.tool(&["reset", "--force", "--drain"]).output()?;
    spared.exits(1)?.says(&["host2 cannot be drained", "reset without --drain"])?;
    ensure!(!worker.processes()?.is_empty(), "the node is gone");
    // The cluster has not noticed yet.
    first.tool(&["nodes", "remove", "host2", "--force"]).limit(30).ok()?;
    gone(first, "host2")?;
    // The garbage collector of pods looks around every 20 s and waits 40 s more.
    first.until("the pods run elsewhere", 150, |_| Ok(!places(&namespace)?.contains("host2")))?;
    moved(&namespace, "host2")?;
    // Cleaned without the cluster, and said so.
    let said = worker.tool(&["reset", "--force"]).ok()?;
    worker.silent()?;
    said.says(&["the Node object stays", "nodes remove host2"])?;
    testbed.plug(worker)?;
    // The kernel remembers for a moment that the neighbour did not answer.
    worker.until("the API server is reached", 30, |host| host.reaches(&format!("{}:6443", first.address())))?;
    come_back(testbed, worker, "gone-and-joined")
}
