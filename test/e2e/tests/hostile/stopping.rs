//! Ends of pods when their node stops, and components that hang.

use anyhow::{Context, Result, ensure};
use usernetes_e2e::{Host, IMAGE, Machine, Namespace, Testbed};

/// Writes a line for each thing that happens to it into a directory of the host.
fn recorder(name: &str, node: &str, priority: &str, grace: u32, handler: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: {grace}
  priorityClassName: {priority}
  volumes: [{{name: record, hostPath: {{path: /home/alice/record, type: DirectoryOrCreate}}}}]
  containers:
  - name: main
    image: {IMAGE}
    imagePullPolicy: IfNotPresent
    volumeMounts: [{{name: record, mountPath: /record}}]
    command: [sh, -c, 'trap \"{handler}\" TERM; echo {name} runs >> /record/all; while true; do sleep 0.2; done']
    lifecycle: {{preStop: {{exec: {{command: [sh, -c, 'echo {name} preStop >> /record/all']}}}}}}
"
    )
}

fn recorded(host: &Host) -> Result<Vec<String>> {
    Ok(host.sh("cat /home/alice/record/all").ok()?.text().lines().map(str::to_owned).collect())
}

/// Their `preStop` hooks run, their handlers get the grace period that they ask for, critical pods are stopped last. The
/// pods run again after the next start.
pub(crate) fn pods_end_in_their_own_time(testbed: &Testbed) -> Result<()> {
    let first = testbed.host();
    let namespace = Namespace::existing(first, "kube-system");
    // Longer than the ten seconds after which everything was killed.
    let slow = "echo slow TERM >> /record/all; sleep 14; echo slow done >> /record/all; exit 0";
    namespace.apply(&recorder("slow", &first.name(), "\"\"", 40, slow))?;
    let critical = "echo critical TERM >> /record/all; exit 0";
    namespace.apply(&recorder("critical", &first.name(), "system-node-critical", 40, critical))?;
    namespace.ready(&["pod/slow", "pod/critical"])?;
    first.tool(&["stop"]).limit(120).ok()?;
    let ends = recorded(first)?;
    let expected = ["slow preStop", "slow TERM", "slow done", "critical preStop", "critical TERM"].map(str::to_owned);
    ensure!(ends[2..] == expected, "{ends:?}");
    first.tool(&["start", "--wait"]).limit(120).ok()?;
    first.until("the pods run again", 120, |host| Ok(recorded(host)?.len() == 9))?;
    // Another stop in a hurry.
    first.tool(&["stop", "--stop-timeout", "2h"]).output()?.exits(1)?.says(&["longer than stopTimeout", "hint"])?;
    let reset = ["reset", "--force", "--stop-timeout", "2h"];
    first.tool(&reset).output()?.exits(1)?.says(&["longer than stopTimeout", "pass at most 1m"])?;
    first.tool(&["stop", "--stop-timeout", "2s"]).limit(60).ok()?;
    let done = recorded(first)?.into_iter().filter(|line| line == "slow done").count();
    ensure!(done == 1, "the handler was waited for");
    first.tool(&["start", "--wait"]).limit(120).ok()?;
    namespace.kubectl(&["delete", "pod", "slow", "critical", "--force"]).map(drop)
}

/// A runtime that hangs still accepts connections. `status` shows it at once, and it is started again.
pub(crate) fn hung_runtime_is_noticed(testbed: &Testbed) -> Result<()> {
    let [_, worker] = testbed.hosts() else { anyhow::bail!("not two hosts") };
    let containerd = |field: &str| -> Result<serde_json::Value> {
        let status = worker.tool(&["status", "-o", "json"]).output()?.json()?;
        let components = status["components"]["components"].as_array().context("no components")?;
        let found = components.iter().find(|component| component["name"] == "containerd").context("no containerd")?;
        Ok(found[field].clone())
    };
    let pid = containerd("pid")?.to_string();
    worker.tool(&["shell", "--", "kill", "-STOP", &pid]).ok()?;
    worker.until("status shows it", 60, |_| Ok(containerd("state")? == "not-ready"))?;
    let status = worker.tool(&["status"]).output()?;
    status.says(&["containerd", "NotReady", "since", "Version: no answer within"])?;
    worker.until(
        "it is started again",
        240,
        |_| Ok(containerd("restarts")? == 1 && containerd("state")? == "ready"),
    )?;
    // Meanwhile the network driver, which is watched as well, answered.
    worker.tool(&["status"]).output()?.says(&["restarted 0 times"]).map(drop)
}
