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

/// An etcd that another host runs, and one in a directory of the user's.
pub(crate) fn etcd_is_where_the_file_says(testbed: &Testbed) -> Result<()> {
    let [first, second] = testbed.hosts() else { anyhow::bail!("two hosts") };
    let url = format!("http://{}:2379", second.address());
    let serve = format!(
        "/srv/bundle/bin/etcd --data-dir ~/etcd --listen-client-urls {url} --advertise-client-urls {url} >etcd.log 2>&1 &"
    );
    second.sh(&serve).ok()?;
    let header = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n";
    let external = first.write("external.yaml", &format!("{header}etcd: {{external: {{endpoints: ['{url}']}}}}\n"))?;
    first.tool(&["init", "--bundle", "/srv/bundle", "--config", &external]).ok()?;
    let list = format!("/srv/bundle/bin/etcdctl --endpoints {url} get --prefix --keys-only /registry/minions");
    second.sh(&list).ok()?.says(&[&first.name()])?;
    let pki = first.state().join("node/etc/kubernetes/pki");
    ensure!(!pki.join("etcd").exists() && !pki.join("apiserver-etcd-client.crt").exists(), "certificates of etcd");
    first.tool(&["reset", "--force"]).ok()?;

    let data = format!("{}/disk/etcd", first.home());
    let local = first.write("local.yaml", &format!("{header}etcd: {{local: {{dataDir: {data}}}}}\n"))?;
    first.tool(&["init", "--bundle", "/srv/bundle", "--config", &local]).ok()?;
    ensure!(first.in_home("disk/etcd/member/wal").is_dir(), "{data} has no data of etcd");
    first.tool(&["stop"]).ok()?;
    first.tool(&["start", "--wait"]).ok()?;
    first.tool(&["reset", "--force"]).ok()?;
    ensure!(!first.in_home("disk/etcd/member").exists(), "data are left");
    Ok(())
}
