//! When a node that starts answers, seen from inside its network.

use anyhow::{Result, bail, ensure};
use std::fs;
use std::io::{BufRead as _, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::api::Api;
use crate::testbed::host::Host;
use crate::testbed::lan;
use crate::testbed::machine::Machine;
use crate::testbed::namespaces::{Inside, enter};

/// Between two questions to the API server.
const PACE: Duration = Duration::from_millis(20);
/// Between two questions to CoreDNS, and how long each waits.
const DNS_PACE: Duration = Duration::from_millis(100);
/// Nothing takes longer than this.
const LIMIT: Duration = Duration::from_mins(2);
/// CoreDNS's ClusterIP and a name that it knows.
const DNS: (&str, &str) = ("10.96.0.10:53", "kubernetes.default.svc.cluster.local");

/// The run that is watched.
pub(super) struct Watched<'a> {
    pub(super) host: &'a Host,
    pub(super) start: Instant,
    /// Set when the run has failed.
    pub(super) over: &'a AtomicBool,
}

impl Watched<'_> {
    /// Seconds until `/livez` answers 200.
    pub(super) fn livez(&self, kubeconfig: &Path) -> Result<f64> {
        let api = self.api(kubeconfig)?;
        self.inside(|| self.until("/livez", PACE, || api.get("/livez").is_ok()))
    }

    /// Seconds until the API says that a node is Ready; watched, not asked.
    pub(super) fn node_ready(&self, kubeconfig: &Path, node: &str) -> Result<f64> {
        let api = self.api(kubeconfig)?;
        let path = format!("/api/v1/nodes?watch=true&fieldSelector=metadata.name%3D{node}");
        let ready = || {
            let Ok(body) = api.get(&path) else { return false };
            body.lines().map_while(Result::ok).any(|line| is_ready(&line))
        };
        self.inside(|| self.until("node Ready", PACE, ready))
    }

    /// Seconds until CoreDNS answers through its ClusterIP.
    pub(super) fn dns(&self) -> Result<f64> {
        let server: SocketAddr = DNS.0.parse()?;
        self.inside(|| self.until("CoreDNS", DNS_PACE, || lan::look_up(server, DNS.1, DNS_PACE).is_ok()))
    }

    /// Seconds until a pod with this label on a node answers on port 8080, asked by its address from the watched host's
    /// node, through the pod network.
    pub(super) fn pod_answers(&self, kubeconfig: &Path, label: &str, node: &str) -> Result<f64> {
        let api = self.api(kubeconfig)?;
        let path = format!("/api/v1/pods?labelSelector={label}&fieldSelector=spec.nodeName%3D{node}");
        let address = || {
            let mut text = String::new();
            api.get(&path).ok()?.read_to_string(&mut text).ok()?;
            let pods: serde_json::Value = serde_json::from_str(&text).ok()?;
            pods.pointer("/items/0/status/podIP")?.as_str()?.parse::<IpAddr>().ok()
        };
        let mut pod = None;
        self.inside(|| {
            self.until("a pod that answers", PACE, || {
                pod = pod.or_else(address);
                pod.is_some_and(|pod| greets(SocketAddr::new(pod, 8080)).is_ok())
            })
        })
    }

    fn api(&self, kubeconfig: &Path) -> Result<Api> {
        let mut text = String::new();
        self.until("kubeconfig", PACE, || fs::read_to_string(kubeconfig).map(|read| text = read).is_ok())?;
        Api::new(&text, format!("{}:6443", self.host.address()).parse()?)
    }

    /// In the network of the node, as soon as it has one.
    fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let mut pid = 0;
        self.until("etcd's process", PACE, || {
            let processes = self.host.processes().unwrap_or_default();
            let found = processes.iter().find(|process| process.program() == "etcd");
            found.inspect(|process| pid = process.pid.unsigned_abs()).is_some()
        })?;
        enter(pid, Inside::Network, work)
    }

    /// Repeats a question at a steady pace; seconds since the start at which it was answered with yes.
    fn until(&self, what: &str, pace: Duration, mut question: impl FnMut() -> bool) -> Result<f64> {
        loop {
            let asked = Instant::now();
            if question() {
                return Ok(self.start.elapsed().as_secs_f64());
            }
            if self.over.load(Ordering::Relaxed) || self.start.elapsed() > LIMIT {
                bail!("{what}: not seen");
            }
            thread::sleep(pace.saturating_sub(asked.elapsed()));
        }
    }
}

/// One request, answered with whatever page.
fn greets(address: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, DNS_PACE)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    write!(stream, "GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer)?;
    ensure!(&answer == b"HTTP/", "no HTTP");
    Ok(())
}

fn is_ready(event: &str) -> bool {
    let event: serde_json::Value = serde_json::from_str(event).unwrap_or_default();
    let conditions = event.pointer("/object/status/conditions").and_then(serde_json::Value::as_array);
    conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_a_ready_node_is_one() {
        let event = |status| {
            format!(
                r#"{{"type":"MODIFIED","object":{{"status":{{"conditions":[{{"type":"Ready","status":"{status}"}}]}}}}}}"#
            )
        };
        assert!(super::is_ready(&event("True")));
        assert!(!super::is_ready(&event("False")));
        assert!(!super::is_ready("nonsense"));
    }
}
