//! What the caller of the program hands down: mask, descriptors, group, environment.

use crate::NEEDS;
use anyhow::{Result, ensure};
use usernetes_e2e::{Machine, Namespace, Scenario, Testbed, pod};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![Scenario::own("nodes_start_clean", 1, &NEEDS, nodes_start_clean)]
}

/// A shell that hands down as much as it can: a mask, an open and locked file, ignored signals, limits, variables, and a
/// working directory that is gone.
const SHELL: &str = "mkdir -p ~/gone; cd ~/gone; rmdir ~/gone; umask 077
    ulimit -S -n 256; ulimit -S -f 100000
    export GODEBUG=x LD_LIBRARY_PATH=/nowhere KUBECONFIG=/nowhere ETCD_NAME=x BASH_ENV=/nowhere LC_ALL=xx_XX NOTIFY_SOCKET=/nowhere
    exec 9> ~/lock; flock -n 9
    exec perl -e '$SIG{$_} = \"IGNORE\" for qw(HUP CHLD INT QUIT); exec @ARGV or die' ";

fn nodes_start_clean(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    // With limits that cannot be raised, within a sandbox, or with a low priority: preflight names them.
    let low = host
        .sh("ulimit -f 1000; ulimit -t 3600; exec nice -n 5 usernetes-rs preflight --bundle /srv/bundle")
        .output()?;
    low.exits(2)?.says(&["ResourceLimits", "bytes in a file", "seconds of processor time", "Priority", "nice 5"])?;
    let files = host.sh("ulimit -n 256; exec usernetes-rs preflight --bundle /srv/bundle").output()?;
    files.exits(2)?.says(&["OpenFiles", "256 files open", "hint"])?;
    let sandbox = host.run(&["setpriv", "--no-new-privs", "usernetes-rs", "preflight", "--bundle", "/srv/bundle"]);
    sandbox.output()?.exits(2)?.says(&["NewPrivileges", "no_new_privs", "hint"])?;

    let init = format!("{SHELL} usernetes-rs init --bundle /srv/bundle");
    host.run(&["bash", "-c", &init]).limit(300).ok()?;
    host.sh("flock -n ~/lock true").ok()?;
    let held = host.sh("ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c '/home/alice/lock' || true").ok()?;
    ensure!(held.text() == "0", "{held}");
    let (namespace, name) = (Namespace::existing(host, "default"), host.name());
    let script = "ls / > /dev/null && echo OK1; cat /etc/resolv.conf > /dev/null && echo OK2
        nslookup kubernetes.default.svc.cluster.local > /dev/null && echo OK3; umask";
    let ids = "  restartPolicy: Never\n  securityContext: {runAsUser: 1000, runAsGroup: 1000}";
    namespace.apply(&pod("mask", script, &format!("{ids}\n  nodeName: {name}")))?;
    namespace.wait("jsonpath={.status.phase}=Succeeded", &["pod/mask"])?;
    namespace.kubectl(&["logs", "mask"])?.says(&["OK1", "OK2", "OK3", "0022"])?;
    // Every process of the node: mask, directory, signals and environment.
    let node = host.tool(&[
        "shell",
        "--",
        "sh",
        "-c",
        "cat /proc/1/status /proc/1/environ | tr '\\0' '\\n'; readlink /proc/1/cwd",
    ]);
    node.ok()?.says(&["Umask:\t0022", "LANG=C.UTF-8"])?.says_not(&["GODEBUG", "/nowhere", "LC_ALL"])?;
    let kubelet = "cat /proc/$(pgrep -x kubelet)/status /proc/$(pgrep -x kubelet)/limits";
    let kubelet = host.tool(&["shell", "--", "sh", "-c", kubelet]).ok()?;
    let ignored = kubelet.stdout.lines().find(|line| line.starts_with("SigIgn")).unwrap_or_default();
    ensure!(ignored.ends_with("0000000") && kubelet.stdout.contains("Umask:\t0022"), "{kubelet}");
    // No pod of the user has written anything.
    host.tool(&["reset", "--force"]).limit(120).ok()?.says_not(&["what pods wrote"]).map(drop)
}
