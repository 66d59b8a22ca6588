//! What pods can do.

use anyhow::{Result, ensure};
use usernetes_e2e::{Host, IMAGE, Rig, Space, pod};

pub(crate) fn logs_exec_and_cp(rig: &Rig) -> Result<()> {
    let host = rig.host();
    let space = Space::new(host, "logs-exec-and-cp")?;
    space.pod("main", "echo first line; echo second line >&2; sleep 3600")?;
    space.ready(&["pod/main"])?;
    let logs = space.kubectl(&["logs", "main"])?;
    ensure!(logs.text().lines().count() == 2, "{logs}");
    space.prepare(&["exec", "main", "--", "sh", "-c", "exit 9"]).output()?.exits(9)?;
    let input = space.prepare(&["exec", "-i", "main", "--", "sha256sum"]).input(vec![7; 1 << 20]).ok()?;
    ensure!(input.text().len() == 67, "{input}");
    host.sh("head -c 3000000 /dev/urandom > ~/sent").ok()?;
    space.kubectl(&["cp", "/home/alice/sent", "main:/tmp/there"])?;
    space.kubectl(&["cp", "main:/tmp/there", "/home/alice/returned"])?;
    host.sh("cmp ~/sent ~/returned; rm ~/sent ~/returned").ok()?;
    Ok(())
}

pub(crate) fn names_and_the_outside(rig: &Rig) -> Result<()> {
    let space = Space::new(rig.host(), "names-and-the-outside")?;
    resolves_and_reaches(&space, rig.host())
}

pub(crate) fn resolves_and_reaches(space: &Space, host: &Host) -> Result<()> {
    space.pod("main", "sleep 3600")?;
    space.ready(&["pod/main"])?;
    let script = "nslookup -type=a kubernetes.default.svc.cluster.local. && wget -q -O - http://outside.example:8080/";
    host.until("a new pod resolves a Service and reaches the outside", 60, |_| {
        Ok(space.prepare(&["exec", "main", "--", "sh", "-c", script]).output()?.code() == Some(0))
    })
}

/// A server on the second node, a client on the first.
pub(crate) fn reach_each_other(host: &Host) -> Result<()> {
    let space = Space::new(host, "reach-each-other")?;
    let on = |node| format!("  nodeName: {node}");
    let serve = "echo from the other > /tmp/index.html; exec httpd -f -p 8080 -h /tmp";
    space.apply(&pod("server", serve, &on("host2")))?;
    space.apply(&pod("client", "sleep 3600", &on("host1")))?;
    space.ready(&["pod/server", "pod/client"])?;
    let address = space.field("pod/server", ".status.podIP")?;
    let body = space.sh("client", &format!("wget -q -T 10 -O - http://{address}:8080/"))?;
    ensure!(body == "from the other", "{body}");
    Ok(())
}

/// CRI-O makes them itself, not by a CNI plugin.
pub(crate) fn host_ports(rig: &Rig) -> Result<()> {
    let host = rig.host();
    let space = Space::new(host, "host-ports")?;
    let port = "    ports: [{containerPort: 8080, hostPort: 18080}]\n";
    space.apply(&(pod("web", "echo from the pod > /tmp/index.html; exec httpd -f -p 8080 -h /tmp", "") + port))?;
    space.ready(&["pod/web"])?;
    host.until("the pod answers at its hostPort", 30, |host| {
        Ok(host.fetch(&format!("{}:18080", host.address())).is_ok_and(|body| body.trim() == "from the pod"))
    })
}

pub(crate) fn images_come_by_archive(rig: &Rig) -> Result<()> {
    let host = rig.host();
    let archive = "/srv/bundle/images/busybox.tar";
    host.tool(&["images", "import", archive]).ok()?.says(&[IMAGE])?;
    let from_pipe = host.sh(&format!("gzip -1 < {archive} | usernetes-rs images import -")).limit(120);
    from_pipe.ok()?.says(&[IMAGE])?;
    let list = host.tool(&["images", "list"]).ok()?.says(&["IMAGE", "PINNED", "registry.k8s.io/pause"])?;
    ensure!(list.text().lines().any(|line| line.starts_with(IMAGE) && line.ends_with("yes")), "{list}");
    host.sh(&format!("skopeo --insecure-policy --tmpdir . copy docker-archive:{archive} oci:layout:7")).ok()?;
    host.tool(&["images", "import", "--base-name", "registry.example/app", "layout"]).ok()?;
    host.tool(&["images", "list"]).ok()?.says(&["registry.example/app:7"])?;
    // Nobody listens there, so nothing outside is asked.
    let pull = host.tool(&["images", "pull", "127.0.0.1:1/app:1"]).output()?;
    pull.exits(1)?.says(&["cannot pull 127.0.0.1:1/app:1", "connection refused", "logs crio"])?;
    Ok(())
}

pub(crate) fn killed_container_restarts(rig: &Rig) -> Result<()> {
    let space = Space::new(rig.host(), "killed-container-restarts")?;
    space.pod("main", "sleep 3600 & echo $! > /pid; wait; exit 137")?;
    space.ready(&["pod/main"])?;
    space.kill("main")?;
    space.wait("jsonpath={.status.containerStatuses[0].restartCount}=1", &["pod/main"])?;
    space.ready(&["pod/main"])?;
    let code = space.field("pod/main", ".status.containerStatuses[0].lastState.terminated.exitCode")?;
    ensure!(code == "137", "ended with {code}");
    Ok(())
}
