//! The cache is emptied: by a cleaner, or by a user who needs space.

use anyhow::{Result, ensure};
use usernetes_e2e::{Host, Machine, Namespace, Testbed};

const PROGRAMS: &str = "/home/alice/.local/share/usernetes/default/bundle";

/// The programs of a node lie in its state: pods start, components come back, the node starts again.
pub(crate) fn nothing_of_a_node_is_in_a_cache(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.tool(&["bundle", "import", "/srv/bundle"]).limit(300).ok()?;
    host.tool(&["init"]).limit(300).ok()?;
    let shared =
        host.sh(&format!("find {PROGRAMS} -name kubelet -links 1; find {PROGRAMS} -name kubelet | wc -l")).ok()?;
    ensure!(shared.text() == "1", "the kubelet is a second copy: {shared}");
    host.sh("rm -rf ~/.cache/usernetes").ok()?;
    let namespace = Namespace::new(host, "cache")?;
    start_pod(&namespace, "one")?;
    host.admin("pkill -KILL -u alice -x kubelet")?;
    start_pod(&namespace, "two")?;
    restart(host)?;
    start_pod(&namespace, "three")?;
    host.tool(&["bundle", "verify"]).ok()?.says(&[PROGRAMS])?;
    let cache = host.sh("ls ~/.cache/usernetes 2>/dev/null || true").ok()?;
    ensure!(cache.text().is_empty(), "the cache is written to: {cache}");
    host.tool(&["token", "create"]).ok()?;
    host.tool(&["reset", "--force"]).ok()?;
    Ok(())
}

fn restart(host: &Host) -> Result<()> {
    host.tool(&["stop"]).limit(120).ok()?;
    host.tool(&["start", "--wait"]).limit(300).ok()?;
    Ok(())
}

fn start_pod(namespace: &Namespace, name: &str) -> Result<()> {
    namespace.pod(name, "sleep 3600")?;
    namespace.ready(&[&format!("pod/{name}")])
}
