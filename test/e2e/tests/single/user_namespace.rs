//! Pods with `hostUsers: false`.

use anyhow::{Context, Result, ensure};
use usernetes_e2e::{Machine, Namespace, Testbed, pod};

const VOLUMES: &str = "  hostUsers: false
  securityContext: {fsGroup: 2000}
  volumes:
  - {name: disk, emptyDir: {}}
  - {name: memory, emptyDir: {medium: Memory}}
  - {name: settings, configMap: {name: settings, defaultMode: 0400}}
  - {name: pass, secret: {secretName: pass, defaultMode: 0400}}
  - {name: home, hostPath: {path: /home/alice/mapped, type: Directory}}";
const MOUNTS: &str = "    volumeMounts:
    - {name: disk, mountPath: /v/disk}
    - {name: disk, mountPath: /v/part, subPath: part}
    - {name: memory, mountPath: /v/memory}
    - {name: settings, mountPath: /v/settings}
    - {name: pass, mountPath: /v/pass}
    - {name: home, mountPath: /v/home}
";

/// The kubelet gives a pod any of the ranges, at random.
const EVERY_RANGE: &str = "
IFS=: read -r _ first count < /etc/subuid
test $((count / 65536)) -ge 110
for start in $(seq $first 65536 $((first + count - 1))); do
  unshare --user sleep 10 & pid=$!
  until test $(readlink /proc/$pid/ns/user) != $(readlink /proc/self/ns/user); do :; done
  for map in uid_map gid_map; do echo 0 $start 65536 > /proc/$pid/$map || exit; done
  kill $pid
done";

/// No pod names a RuntimeClass, and volumes belong to the pod's root although the node can map no disk.
pub(crate) fn own_user_namespace(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let namespace = Namespace::new(host, "own-user-namespace")?;
    host.sh("mkdir -p ~/mapped; echo readable > ~/mapped/file; chmod 755 ~ ~/mapped").ok()?;
    namespace.kubectl(&["create", "configmap", "settings", "--from-literal=colour=blue"])?;
    namespace.kubectl(&["create", "secret", "generic", "pass", "--from-literal=word=s3cret"])?;
    namespace.apply(&(pod("mapped", "sleep 3600 & echo $! > /pid; wait; exit 1", VOLUMES) + MOUNTS))?;
    namespace.pod("plain", "sleep 3600")?;
    namespace.ready(&["pod/mapped", "pod/plain"])?;
    ensure!(namespace.field("pod/mapped", ".spec.runtimeClassName")? == "userns");
    ensure!(namespace.field("pod/plain", ".spec.runtimeClassName")?.is_empty());

    let map = namespace.sh("mapped", "cat /proc/self/uid_map /proc/self/gid_map")?;
    let is_own = |line: &str| matches!(line.split_whitespace().collect::<Vec<_>>()[..], ["0", outside, "65536"] if outside != "0");
    ensure!(map.lines().count() == 2 && map.lines().all(is_own), "{map}");
    let written = "cd /v; for d in disk part memory; do echo $d > $d/file; cat $d/file; stat -c %u:%g $d $d/file; done";
    let read = "cat settings/colour pass/word; echo; cat home/file; stat -c %u /etc/hosts /etc/hostname /; id -u";
    let all = namespace
        .sh("mapped", &format!("{written}; {read}; test -s /var/run/secrets/kubernetes.io/serviceaccount/token"))?;
    let expected =
        "disk\n0:2000\n0:2000\npart\n0:2000\n0:2000\nmemory\n0:2000\n0:2000\nblues3cret\nreadable\n0\n0\n0\n0";
    ensure!(all == expected, "{all}");

    host.tool(&["shell", "--", "sh", "-euc", EVERY_RANGE]).ok()?;
    let root = namespace.sh("plain", "grep ' / ' /proc/mounts")?;
    ensure!(root.starts_with("overlay "), "other pods stay on overlays: {root}");
    counted(testbed, &["mapped", "plain"])?;
    comes_back(&namespace)
}

/// With a second snapshotter the kubelet's statistics must still hold every pod.
fn counted(testbed: &Testbed, names: &[&str]) -> Result<()> {
    testbed.host().until("the kubelet counts both pods", 60, |host| {
        let summary = host.kubectl(&["get", "--raw", "/api/v1/nodes/host1/proxy/stats/summary"])?.json()?;
        let pods = summary["pods"].as_array().context("no pods in the summary")?;
        Ok(names.iter().all(|name| pods.iter().any(|pod| pod["podRef"]["name"] == *name)))
    })
}

/// A container that starts again finds its volumes as it left them.
fn comes_back(namespace: &Namespace) -> Result<()> {
    namespace.kill("mapped")?;
    namespace.wait("jsonpath={.status.containerStatuses[0].restartCount}=1", &["pod/mapped"])?;
    namespace.ready(&["pod/mapped"])?;
    ensure!(namespace.sh("mapped", "cat /v/disk/file /v/settings/colour")? == "disk\nblue");
    Ok(())
}
