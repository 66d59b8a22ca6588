//! Clusters of what files of kubeadm's users ask for.

use anyhow::{Result, ensure};
use usernetes_e2e::{Machine, Testbed};

/// Audit log, scheduler's file, a read-only directory at another path, a variable from a field, kubeadm's taint, settings that
/// cannot be in a user namespace, another patch release and kubeadm's phase names.
const EVERYTHING: &str = include_str!("everything.yaml");

pub(crate) fn volumes_and_variables_reach_components(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.write("audit/policy.yaml", "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n")?;
    let scheduler = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n\
                     clientConnection: {kubeconfig: /etc/kubernetes/scheduler.conf}\nleaderElection: {leaderElect: false}\n";
    host.write("scheduler.yaml", scheduler)?;
    let config = host.write("config.yaml", &EVERYTHING.replace("HOME", &host.home()))?;
    let output = host.tool(&["init", "--bundle", "/srv/bundle", "--config", &config]).ok()?;
    output.says(&[
        "protectKernelDefaults has no effect",
        "conntrack.min has no effect",
        "v1.36.0: the bundle has",
        "upload-certs",
    ])?;

    let log = host.state().join("node/var/log/kubernetes/audit/audit.log");
    ensure!(std::fs::read_to_string(&log)?.contains("\"level\":\"Metadata\""), "{} has no event", log.display());
    let inside = |script: &str| host.tool(&["shell", "sh", "-c", script]).ok();
    inside("tr '\\0' '\\n' < /proc/$(pgrep -o kube-scheduler)/cmdline")?
        .says(&["--config=/etc/kubernetes/sched.yaml"])?;
    inside("tr '\\0' '\\n' < /proc/$(pgrep -o kube-scheduler)/environ")?
        .says(&[&format!("NODE_NAME={}", host.name())])?;
    inside("! touch /etc/kubernetes/audit/new 2>&1")?.says(&["ead-only"])?;
    let node = host.tool(&["kubectl", "get", "node", "-o", "jsonpath={.items[0].spec.taints}"]).ok()?;
    node.says(&["node-role.kubernetes.io/control-plane", "example.com/gpu"])?;
    inside("cat /var/lib/kubelet/config.yaml")?.says(&["KubeletInUserNamespace: true", "maxPods: 42"])?;
    // Volumes are there after a restart as well.
    host.tool(&["stop"]).ok()?;
    host.tool(&["start", "--wait"]).ok()?;
    inside("test -s /var/log/kubernetes/audit/audit.log && test -s /etc/kubernetes/sched.yaml").map(drop)
}

/// ClusterConfiguration and KubeletConfiguration as real kubeadm uploads them.
pub(crate) fn a_cluster_of_kubeadms_documents_is_joined(testbed: &Testbed) -> Result<()> {
    let [first, second] = testbed.hosts() else { anyhow::bail!("two hosts") };
    first.init::<&str>(&[]).ok()?;
    let edit = format!(
        "/srv/bundle/bin/kubeadm config print init-defaults | sed 's/1.2.3.4/{}/; s/name: node/name: {}/' > k.yaml
         /srv/bundle/bin/kubeadm init phase upload-config kubeadm --config k.yaml \
           --kubeconfig ~/.local/share/usernetes/default/admin.conf",
        first.address(),
        first.name()
    );
    first.sh(&edit).ok()?;
    let map = first.tool(&["kubectl", "-n", "kube-system", "get", "configmap", "kubeadm-config", "-o", "yaml"]).ok()?;
    ensure!(map.text().contains("certificatesDir"), "kubeadm's document: {map}");
    let token = first.tool(&["token", "create"]).ok()?.text().to_owned();
    second.tool(&["join", "--bundle", "/srv/bundle", "-"]).input(token).ok().map(drop)
}
