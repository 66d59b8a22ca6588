//! Data that pods write to hostPaths, and directories of the host that a node covers.

use crate::NEEDS;
use anyhow::{Result, ensure};
use usernetes_e2e::{Machine, Namespace, Scenario, Testbed, pod};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![Scenario::own("host_paths_are_kept", 1, &NEEDS, host_paths_are_kept)]
}

/// A pod with hostPath volumes, each at `/NAME`.
fn with_paths(name: &str, script: &str, paths: &[(&str, &str, &str)]) -> String {
    let volumes: Vec<_> = paths
        .iter()
        .map(|(name, path, kind)| format!("{{name: {name}, hostPath: {{path: {path}, type: {kind}}}}}"))
        .collect();
    let mounts: Vec<_> = paths.iter().map(|(name, ..)| format!("{{name: {name}, mountPath: /{name}}}")).collect();
    let spec = pod(name, script, &format!("  volumes: [{}]", volumes.join(", ")));
    format!("{spec}    volumeMounts: [{}]\n", mounts.join(", "))
}

fn host_paths_are_kept(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.sh("mkdir -p /run/user/$(id -u)/p; perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1) or die' /run/user/$(id -u)/p/s").ok()?;
    host.init::<&str>(&[]).ok()?;
    let namespace = Namespace::existing(host, "default");
    let kept = [
        ("opt", "/opt/local-path-provisioner"),
        ("var-lib", "/var/lib/hp"),
        ("var-log", "/var/log/app"),
        ("etc-app", "/etc/app.d"),
    ];
    let volumes = kept.map(|(name, path)| (name, path, "DirectoryOrCreate"));
    let script = "cat /opt/k /var-lib/k /var-log/k /etc-app/k
        for d in opt var-lib var-log etc-app; do echo kept-$d > /$d/k; chown 1000 /$d/k; done; sleep 9999";
    namespace.apply(&with_paths("p", script, &volumes))?;
    namespace.ready(&["pod/p"])?;
    // Paths that cannot be there are explained at the pod.
    let runtime = host.runtime_dir();
    namespace.apply(&with_paths("socket", "sleep 9999", &[("s", &format!("{runtime}/p/s"), "Socket")]))?;
    namespace.apply(&with_paths("data", "sleep 9999", &[("d", "/data-of-nobody", "DirectoryOrCreate")]))?;
    host.until("Events name the paths", 60, |_| {
        let events = namespace.kubectl(&["get", "events"])?.stdout;
        Ok(events.contains("/run is the node's own") && events.contains("sudo mkdir -p /data-of-nobody"))
    })?;
    namespace.kubectl(&["delete", "pod", "socket", "data", "--force"])?;
    host.tool(&["stop"]).limit(120).ok()?;
    host.tool(&["start", "--wait"]).limit(120).ok()?;
    host.until("the pod has its files again", 90, |_| {
        let logs = namespace.prepare(&["logs", "p"]).output()?.stdout;
        Ok(kept.iter().all(|(name, _)| logs.contains(&format!("kept-{name}"))))
    })?;
    // The host is as it was, and shows through.
    ensure!(
        host.sh("ls -d /opt/local-path-provisioner /var/lib/hp /etc/app.d").output()?.code() != Some(0),
        "on the host"
    );
    host.tool(&["shell", "--", "ls", "/var/lib/dpkg/status"]).ok()?;
    // What an administrator adds later to /etc is seen.
    host.admin("mkdir /etc/new.d; echo late > /etc/new.d/file")?;
    host.tool(&["shell", "--", "cat", "/etc/new.d/file"]).ok()?.says(&["late"])?;
    let asked = host.tool(&["reset"]).input("n\n").output()?;
    asked.exits(1)?.says(&["/opt/local-path-provisioner", "/var/lib/hp", "/var/log/app", "/etc/app.d"])?;
    host.tool(&["reset", "--force"]).limit(120).ok()?.says(&["/opt/local-path-provisioner"])?;
    host.sh("! ls ~/.local/share/usernetes/default 2>/dev/null").ok().map(drop)
}
