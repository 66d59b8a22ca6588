//! Waits of `init` and `join` that end with the cause.

use super::NEEDS;
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};
use usernetes_e2e::{Host, Machine, Output, Scenario, Testbed};

/// Longest wait for a component that exits at once again and again, on a loaded machine.
const LIMIT: Duration = Duration::from_mins(1);

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![Scenario::own("component_that_cannot_start", 1, &NEEDS, component_that_cannot_start)]
}

/// P27: labels and taints are refused at once; another flag of the kubelet ends the wait with the kubelet's own words.
fn component_that_cannot_start(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let label = init_with_kubelet_flag(host, "node-labels", "node-role.kubernetes.io/worker=")?;
    label.exits(3)?.says(&["must not set the label node-role.kubernetes.io/worker", "kubectl label node"])?;
    let taint = init_with_kubelet_flag(host, "register-with-taints", "a=b")?;
    taint.exits(3)?.says(&["is not a taint", "NoSchedule"])?;
    host.silent()?;
    let began = Instant::now();
    let flag = init_with_kubelet_flag(host, "no-such-flag", "1")?;
    flag.exits(1)?.says(&["kubelet cannot start", "unknown flag: --no-such-flag", "logs kubelet"])?;
    ensure!(began.elapsed() < LIMIT, "it took {:?}", began.elapsed());
    host.silent()?;
    // What was wrong is corrected: the same command continues.
    init_with_kubelet_flag(host, "v", "2")?.ok().map(drop)
}

fn init_with_kubelet_flag(host: &Host, name: &str, value: &str) -> Result<Output> {
    let config = format!(
        "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n\
         nodeRegistration: {{kubeletExtraArgs: [{{name: {name}, value: {value:?}}}]}}\n"
    );
    let config = host.write("kubelet.yaml", &config)?;
    host.init(&["--config", &config]).limit(300).output()
}
