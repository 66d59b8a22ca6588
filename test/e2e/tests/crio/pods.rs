//! What pods can do.

use anyhow::{Result, ensure};
use usernetes_e2e::{Host, IMAGE, Machine, Namespace, Testbed, pod};

pub(crate) fn names_and_the_outside(testbed: &Testbed) -> Result<()> {
    let namespace = Namespace::new(testbed.host(), "names-and-the-outside")?;
    resolves_and_reaches(&namespace, testbed.host())
}

pub(crate) fn resolves_and_reaches(namespace: &Namespace, host: &Host) -> Result<()> {
    namespace.pod("main", "sleep 3600")?;
    namespace.ready(&["pod/main"])?;
    let script = "nslookup -type=a kubernetes.default.svc.cluster.local. && wget -q -O - http://outside.example:8080/";
    host.until("a new pod resolves a Service and reaches the outside", 60, |_| {
        Ok(namespace.prepare(&["exec", "main", "--", "sh", "-c", script]).output()?.code() == Some(0))
    })
}

/// A server on the second node, a client on the first.
pub(crate) fn reach_each_other(host: &Host) -> Result<()> {
    let namespace = Namespace::new(host, "reach-each-other")?;
    let on = |node| format!("  nodeName: {node}");
    let serve = "echo from the other > /tmp/index.html; exec httpd -f -p 8080 -h /tmp";
    namespace.apply(&pod("server", serve, &on("host2")))?;
    namespace.apply(&pod("client", "sleep 3600", &on("host1")))?;
    namespace.ready(&["pod/server", "pod/client"])?;
    let address = namespace.field("pod/server", ".status.podIP")?;
    let body = namespace.sh("client", &format!("wget -q -T 10 -O - http://{address}:8080/"))?;
    ensure!(body == "from the other", "{body}");
    Ok(())
}

/// CRI-O makes them itself, not by a CNI plugin.
pub(crate) fn host_ports(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let namespace = Namespace::new(host, "host-ports")?;
    let port = "    ports: [{containerPort: 8080, hostPort: 18080}]\n";
    namespace.apply(&(pod("web", "echo from the pod > /tmp/index.html; exec httpd -f -p 8080 -h /tmp", "") + port))?;
    namespace.ready(&["pod/web"])?;
    host.until("the pod answers at its hostPort", 30, |host| {
        Ok(host.fetch(&format!("{}:18080", host.address())).is_ok_and(|body| body.trim() == "from the pod"))
    })
}

pub(crate) fn images_come_by_archive(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let archive = "/srv/bundle/images/busybox.tar";
    host.tool(&["images", "import", archive]).ok()?.says(&[IMAGE])?;
    let from_pipe = host.sh(&format!("gzip -1 < {archive} | usernetes-rs images import -")).limit(120);
    from_pipe.ok()?.says(&[IMAGE])?;
    let list = host.tool(&["images", "list"]).ok()?.says(&["IMAGE", "PINNED", "registry.k8s.io/pause"])?;
    ensure!(list.text().lines().any(|line| line.starts_with(IMAGE) && line.ends_with("yes")), "{list}");
    host.sh(&format!("skopeo --insecure-policy --tmpdir . copy docker-archive:{archive} oci:layout:7")).ok()?;
    host.tool(&["images", "import", "--base-name", "registry.example/app", "layout"]).ok()?;
    host.tool(&["images", "list"]).ok()?.says(&["registry.example/app:7"])?;
    // Nothing listens there, so no registry outside is asked.
    let pull = host.tool(&["images", "pull", "127.0.0.1:1/app:1"]).output()?;
    pull.exits(1)?.says(&["cannot pull 127.0.0.1:1/app:1", "connection refused", "logs crio"])?;
    Ok(())
}
