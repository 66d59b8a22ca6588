//! What a worker may do with the credentials of its kubelet, and what not.

use anyhow::{Result, bail, ensure};
use usernetes_e2e::{Host, Machine, Testbed};

use crate::certificates::as_kubelet;

const OWN_NODE: &str = "/api/v1/nodes/host2";
const LABEL: &str = "node-restriction.kubernetes.io/zone";

/// Row 13: an administrator keeps a worker away from pods; it leaves and comes back in every way that it has.
pub(crate) fn quarantine_holds(testbed: &Testbed) -> Result<()> {
    let [first, worker] = testbed.hosts() else { bail!("not two hosts") };
    first.kubectl(&["taint", "node", "host2", "quarantine=yes:NoSchedule"])?;
    first.kubectl(&["label", "node", "host2", &format!("{LABEL}=a")])?;
    ensure!(as_kubelet(worker, "DELETE", OWN_NODE, "").is_err(), "a kubelet has deleted its Node");

    worker.tool(&["reset", "--force"]).ok()?.says(&["left the cluster"])?;
    ensure!(!first.kubectl(&["get", "nodes", "-o", "name"])?.text().contains("host2"), "the Node stays");
    join_again(first, worker)?;
    first.until("the marks are back", 30, is_marked)?;

    as_kubelet(worker, "PATCH", OWN_NODE, r#"{"metadata":{"annotations":{"usernetes.rs/leaving":"true"}}}"#)?;
    first.kubectl(&["wait", "--for=delete", "node/host2", "--timeout=30s"])?;
    worker.tool(&["stop"]).ok()?;
    worker.tool(&["start", "--wait"]).ok()?;
    first.until("the marks are back again", 30, is_marked)?;

    // The administrator's own word ends it, of a Node that has left as well.
    worker.tool(&["reset", "--force"]).ok()?;
    first.tool(&["nodes", "remove", "host2"]).ok()?;
    join_again(first, worker)?;
    ensure!(!is_marked(first)?, "the marks are back after nodes remove");
    Ok(())
}

fn join_again(first: &Host, worker: &Host) -> Result<()> {
    let token = first.tool(&["token", "create"]).ok()?.text().to_owned();
    worker.tool(&["join", "--bundle", "/srv/bundle", "-"]).input(token).ok().map(drop)
}

fn is_marked(first: &Host) -> Result<bool> {
    let path = r"jsonpath={.spec.taints[*].key} {.metadata.labels.node-restriction\.kubernetes\.io/zone}";
    let marks = first.kubectl(&["get", "node", "host2", "-o", path])?;
    Ok(marks.text().contains("quarantine") && marks.text().ends_with(" a"))
}

/// Row 19: the control plane connects to no address inside its own node, and tells nothing about it.
pub(crate) fn reachability_is_no_port_scanner(testbed: &Testbed) -> Result<()> {
    let [first, worker] = testbed.hosts() else { bail!("not two hosts") };
    for (address, why) in [
        ("127.0.0.1", "127.0.0.1 is not the address of one host"),
        ("10.96.0.1", "10.96.0.1 is inside the cluster's range"),
        ("198.51.100.11", "198.51.100.11 is the address of node host1"),
    ] {
        let patch = format!(
            r#"{{"status":{{"addresses":[{{"type":"InternalIP","address":"{address}"}}],"daemonEndpoints":{{"kubeletEndpoint":{{"Port":2381}}}}}}}}"#
        );
        // Again and again: the kubelet that runs there puts its own address back.
        let path = "jsonpath={.status.conditions[?(@.type==\"HostReachable\")].message}";
        first.until(&format!("the condition refuses {address}"), 20, |first| {
            let message = first.kubectl(&["get", "node", "host2", "-o", path])?;
            ensure!(!message.text().contains("2381 answers"), "{message}");
            let is_refused = message.text().contains(why);
            if !is_refused {
                as_kubelet(worker, "PATCH", &format!("{OWN_NODE}/status"), &patch)?;
            }
            Ok(is_refused)
        })?;
    }
    first.kubectl(&["wait", "--for=condition=HostReachable", "node/host2", "--timeout=60s"]).map(drop)
}

/// Row 20: a server that nothing has proved answers without end.
pub(crate) fn endless_answers_are_cut_off(testbed: &Testbed) -> Result<()> {
    let [first, worker] = testbed.hosts() else { bail!("not two hosts") };
    let server = "cd ~; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=a \
                  -addext subjectAltName=IP:198.51.100.11 -keyout endless.key -out endless.crt 2>/dev/null
exec python3 -uc '
import socket, ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(\"endless.crt\", \"endless.key\")
listener = socket.create_server((\"0.0.0.0\", 7443))
print(\"listening\")
while True:
    try:
        stream = context.wrap_socket(listener.accept()[0], server_side=True)
        stream.recv(65536)
        stream.sendall(b\"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\n\\r\\n\")
        while True:
            stream.sendall(b\" \" * 65536)
    except OSError:
        pass
'";
    let running = first.sh(server).limit(120).spawn()?;
    running.line(std::time::Duration::from_secs(20), |line| line.contains("listening"))?;
    let join = ["--cluster", "other", "join", "198.51.100.11:7443", "--discovery-token-unsafe-skip-ca-verification"];
    let refused = worker.tool(&join).env("USERNETES_TOKEN", "abcdef.0123456789abcdef").limit(60).output()?;
    running.signal_group(nix::sys::signal::Signal::SIGKILL)?;
    refused.exits(1)?.says(&["its answer is larger than 1024 KiB"])?;
    worker.tool(&["--cluster", "other", "reset", "--force"]).ok().map(drop)
}
