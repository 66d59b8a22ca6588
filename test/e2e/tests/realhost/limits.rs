//! Limits of pods, as the kernel has them, and what the kubelet counts.

use anyhow::{Context, Result, ensure};
use usernetes_e2e::{Guest, Machine, Namespace, Testbed, pod};

use crate::apply_hint;
use crate::unit::property;

pub(crate) const RESOURCES: &str = "    resources: {limits: {cpu: 200m, memory: 64Mi}}\n";

pub(crate) fn hold(testbed: &Testbed) -> Result<()> {
    let namespace = Namespace::new(testbed.guest(), "limits")?;
    namespace.apply(&(pod("limited", "sleep 3600", "") + RESOURCES))?;
    namespace.pod("free", "sleep 3600")?;
    namespace.ready(&["pod/limited", "pod/free"])?;
    let read = |pod: &str, file: &str| namespace.sh(pod, &format!("cat /sys/fs/cgroup/{file}"));
    for (pod, file, value) in [
        ("limited", "memory.max", "67108864"),
        ("limited", "cpu.max", "20000 100000"),
        ("free", "memory.max", "max"),
        ("free", "cpu.max", "max 100000"),
    ] {
        let is = read(pod, file)?;
        ensure!(is == value, "{file} of {pod} is {is:?}");
    }
    under_the_unit(testbed.guest(), &namespace)?;
    ensure!(namespace.field("pod/limited", ".status.qosClass")? == "Guaranteed", "not guaranteed");
    throttled(&namespace)
}

/// The kubelet's tree is the unit's, and a pod's processes are counted in it. Their limit is podPidsLimit, where it is set.
fn under_the_unit(guest: &Guest, namespace: &Namespace) -> Result<()> {
    let (unit, pod) = (property(guest, "ControlGroup")?, namespace.field("pod/limited", ".metadata.uid")?);
    ensure!(unit.ends_with("/usernetes-default.service"), "the unit's cgroup is {unit:?}");
    let count = guest.admin(&format!(
        "cd /sys/fs/cgroup{unit}/kubepods; test -d burstable; test -d besteffort; cat pod{pod}/pids.current"
    ))?;
    ensure!(count.text().parse::<u32>()? > 1, "neither the pod's own process nor its pause is counted: {count}");
    Ok(())
}

/// A busy pod gets its fifth of a processor.
fn throttled(namespace: &Namespace) -> Result<()> {
    namespace.kubectl(&["exec", "limited", "--", "timeout", "3", "sh", "-c", "while :; do :; done"]).ok();
    let stat = namespace.sh("limited", "cat /sys/fs/cgroup/cpu.stat")?;
    let count = stat.lines().find_map(|line| line.strip_prefix("nr_throttled ")).context("no nr_throttled")?;
    ensure!(count.parse::<u32>()? > 5, "hardly throttled:\n{stat}");
    Ok(())
}

pub(crate) fn hog(testbed: &Testbed) -> Result<()> {
    let namespace = Namespace::new(testbed.guest(), "hog")?;
    let hog = pod("hog", "head -c 200m /dev/zero | tail -c 190m > /dev/null", "  restartPolicy: Never");
    namespace.apply(&(hog + RESOURCES))?;
    namespace.wait("jsonpath={.status.phase}=Failed", &["pod/hog"])?;
    let reason = namespace.field("pod/hog", ".status.containerStatuses[0].state.terminated.reason")?;
    ensure!(reason == "OOMKilled", "the hog ended as {reason:?}");
    Ok(())
}

/// What `kubectl top` rests on.
pub(crate) fn usage(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    let path = "/api/v1/nodes/guest1/proxy/stats/summary";
    guest.until("the kubelet counts the pod's memory and processor time", 60, |guest| {
        let summary = guest.kubectl(&["get", "--raw", path])?.json()?;
        let pods = summary["pods"].as_array().context("no pods in the summary")?;
        let keeper = pods.iter().find(|pod| pod["podRef"]["name"] == "keeper").context("no pod keeper")?;
        let positive = |value: &serde_json::Value| value.as_u64().is_some_and(|number| number > 0);
        Ok(positive(&keeper["memory"]["workingSetBytes"])
            && positive(&keeper["cpu"]["usageCoreNanoSeconds"])
            && positive(&summary["node"]["memory"]["workingSetBytes"]))
    })
}

/// The ids are those that preflight's hint gave; limits hold for such a pod, too.
pub(crate) fn own_user_namespace(testbed: &Testbed) -> Result<()> {
    let namespace = Namespace::new(testbed.guest(), "own-user-namespace")?;
    let more = "  hostUsers: false\n  volumes: [{name: disk, emptyDir: {}}]";
    let mounts = "    volumeMounts: [{name: disk, mountPath: /disk}]\n";
    namespace.apply(&(pod("mapped", "sleep 3600", more) + mounts + RESOURCES))?;
    namespace.ready(&["pod/mapped"])?;
    let map = namespace.sh("mapped", "cat /proc/self/uid_map")?;
    ensure!(!map.trim_start().starts_with("0          0") && map.ends_with(" 65536"), "{map}");
    let seen =
        namespace.sh("mapped", "touch /disk/file; stat -c %u /disk /disk/file; cat /sys/fs/cgroup/memory.max")?;
    ensure!(seen == "0\n0\n67108864", "{seen}");
    Ok(())
}

/// Limits of processes and of the node's memory, as a user's KubeletConfiguration asks for them.
pub(crate) fn of_a_configuration(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    let config = "apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
podPidsLimit: 64
evictionHard: {memory.available: 2Gi, nodefs.available: 64Mi, imagefs.available: 64Mi}
evictionPressureTransitionPeriod: 10s
";
    guest.run(&["sh", "-euc", "cat > kubelet.yaml"]).input(config).ok()?;
    guest.init(&["--config", "/home/alice/kubelet.yaml"]).ok()?;
    // systemReserved comes on top of what the threshold keeps free.
    let of_the_node = |what| guest.kubectl(&["get", "node", "guest1", "-o", &format!("jsonpath={{.status.{what}}}")]);
    let (all, pods) = (of_the_node("capacity.memory")?, of_the_node("allocatable.memory")?);
    let kib = |output: &usernetes_e2e::Output| output.text().trim_end_matches("Ki").parse::<u64>();
    ensure!(kib(&all)? - kib(&pods)? > 2 << 20, "of {all} pods may have {pods}");
    let namespace = Namespace::new(guest, "asked")?;
    namespace.pod("main", "sleep 3600")?;
    namespace.ready(&["pod/main"])?;
    // Of the pod, one above its containers'.
    let found = guest.admin("find /sys/fs/cgroup -path '*kubepods*' -name pids.max | xargs grep -lx 64 | wc -l")?;
    ensure!(found.text() != "0", "no pod has podPidsLimit");
    let many = "for i in $(seq 200); do sleep 30 & done; wait";
    namespace.prepare(&["exec", "main", "--", "sh", "-c", many]).output()?.exits(2)?.says(&["can't fork"])?;
    evicted(&namespace)
}

/// A pod that takes the node's memory is evicted, and the node keeps running.
fn evicted(namespace: &Namespace) -> Result<()> {
    let more = "  restartPolicy: Never
  volumes: [{name: memory, emptyDir: {medium: Memory}}]";
    let rest = "    volumeMounts: [{name: memory, mountPath: /memory}]\n";
    namespace.apply(&(pod("greedy", "head -c 1900m /dev/zero > /memory/all; sleep 3600", more) + rest))?;
    namespace.wait("jsonpath={.status.phase}=Failed", &["pod/greedy"])?;
    let reason = namespace.field("pod/greedy", ".status.reason")?;
    ensure!(reason == "Evicted", "the greedy pod ended as {reason:?}");
    Ok(())
}

/// A limit of the host that a pod runs into is named by `status`, with what raises it.
pub(crate) fn keys_run_out(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    guest.admin("loginctl enable-linger alice")?;
    guest.init::<&str>(&[]).ok()?;
    let namespace = Namespace::new(guest, "keys")?;
    guest.admin(
        "id=$(id -u alice)
         sysctl -w kernel.keys.maxkeys=$(awk -v id=$id: '$1 == id { split($4, used, \"/\"); print used[1] }' /proc/key-users)",
    )?;
    namespace.pod("main", "sleep 3600")?;
    let named = "the host of guest1 has reached its limit kernel.keys.maxkeys; there: ";
    let mut found = None;
    guest.until("status names the limit", 120, |guest| {
        let status = guest.tool(&["status", "-o", "json"]).output()?.json()?;
        let warnings = status["warnings"].as_array().cloned().unwrap_or_default();
        found = warnings.iter().find_map(|warning| Some(warning.as_str()?.split_once(named)?.1.to_owned()));
        Ok(found.is_some())
    })?;
    apply_hint(guest, &serde_json::json!({ "hint": found }))?;
    namespace.ready(&["pod/main"])
}
