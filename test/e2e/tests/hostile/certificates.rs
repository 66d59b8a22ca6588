//! Serving certificates of kubelets: a worker gets none for the names and addresses of others.

use anyhow::{Result, bail, ensure};
use usernetes_e2e::kubelet_certificates::{kubelet_shows_certificate_of, request_serving_certificate};
use usernetes_e2e::{Host, Machine, Output, Testbed};

const PKI: &str = "~/.local/share/usernetes/default/node/etc/kubernetes/pki";

/// What the worker writes into its own Node, and what it asks for then.
const CASES: [(&str, &str, &str, &str); 7] = [
    ("control-plane", "198.51.100.11", "IP:198.51.100.11", "198.51.100.11 is the address of node host1"),
    ("service", "10.96.0.1", "IP:10.96.0.1", "10.96.0.1 is inside the cluster's range"),
    ("tap", "10.0.2.100", "IP:10.0.2.100", "10.0.2.100 is inside the cluster's range"),
    ("loopback", "127.0.0.1", "IP:127.0.0.1", "127.0.0.1 is not the address of one host"),
    ("stranger", "198.51.100.77", "IP:198.51.100.77", "no kubelet with its certificate answers"),
    (
        "api",
        "198.51.100.12",
        "DNS:kubernetes.default.svc",
        "kubernetes.default.svc is not a name or address of node host2",
    ),
    ("other", "198.51.100.12", "DNS:host2,DNS:host1,IP:198.51.100.12", "host1 is not a name or address of node host2"),
];

/// Row 2: what a kubelet writes into the status of its Node proves nothing.
pub(crate) fn worker_gets_no_certificate_of_others(testbed: &Testbed) -> Result<()> {
    let [first, worker] = testbed.hosts() else { bail!("not two hosts") };
    first.until("the worker has its own", 60, |first| is_verified(first, worker))?;
    for (name, address, asked, why) in CASES {
        write_status(worker, address)?;
        request_serving_certificate(first, name, "host2", asked)?;
        first.until(&format!("an Event about {name}"), 40, |first| {
            let events = first.kubectl(&["describe", "node", "host2"])?;
            Ok(events.text().contains(why) && events.text().contains(&format!("kubectl certificate approve {name}")))
        })?;
        let path = "jsonpath={.status.conditions}{.status.certificate}";
        let status = first.kubectl(&["get", "csr", name, "-o", path])?;
        ensure!(status.text().is_empty(), "{name}: {status}");
        first.kubectl(&["delete", "csr", name])?;
    }
    // By an administrator's word it is signed, and no client of the API believes it.
    write_status(worker, "198.51.100.11")?;
    request_serving_certificate(first, "approved", "host2", "IP:198.51.100.11")?;
    first.kubectl(&["certificate", "approve", "approved"])?;
    first.kubectl(&["wait", "--for=jsonpath={.status.certificate}", "csr/approved", "--timeout=30s"])?;
    let certificate =
        "usernetes-rs kubectl get csr approved -o jsonpath={.status.certificate} | base64 -d > ~/approved.crt";
    first.sh(certificate).ok()?;
    let believed = first.sh(&format!("openssl verify -CAfile {PKI}/ca.crt ~/approved.crt")).output()?;
    ensure!(believed.code() != Some(0), "{believed}");
    first.kubectl(&["delete", "csr", "approved"]).map(drop)
}

/// The API server connects to no kubelet that it cannot verify.
pub(crate) fn kubelets_are_verified(testbed: &Testbed) -> Result<()> {
    let first = testbed.host();
    for host in testbed.hosts() {
        first.until(&format!("{} is verified", host.name()), 60, |first| is_verified(first, host))?;
        let believed = kubelet_shows_certificate_of("ca.crt", first, host)?;
        ensure!(!believed, "the kubelet of {} has a certificate of the cluster's CA", host.name());
        let path = format!("/api/v1/nodes/{}/proxy/healthz", host.name());
        first.kubectl(&["get", "--raw", &path])?.says(&["ok"])?;
    }
    let servers = first.processes()?;
    let mut arguments = servers.iter().flat_map(|process| &process.command);
    let verifies = arguments.any(|argument| argument.starts_with("--kubelet-certificate-authority="));
    ensure!(verifies, "the API server verifies no kubelet");
    Ok(())
}

/// With the credentials of the worker's kubelet, which writes its own address back within seconds.
fn write_status(worker: &Host, address: &str) -> Result<()> {
    let patch = format!(
        r#"{{"status":{{"addresses":[{{"type":"InternalIP","address":"{address}"}},{{"type":"InternalDNS","address":"kubernetes.default.svc"}},{{"type":"Hostname","address":"host2"}}]}}}}"#
    );
    as_kubelet(worker, "PATCH", "/api/v1/nodes/host2/status", &patch).map(drop)
}

fn is_verified(first: &Host, host: &Host) -> Result<bool> {
    kubelet_shows_certificate_of("kubelet-serving-ca.crt", first, host)
}

/// Sends a request with the credentials of a worker's kubelet. A status other than 2xx is an error.
pub(crate) fn as_kubelet(worker: &Host, method: &str, path: &str, body: &str) -> Result<Output> {
    let script = format!(
        "cd ~/.local/share/usernetes/default/node
         pem=$(ls var/lib/kubelet/pki/kubelet-client-2*.pem | tail -n 1)
         curl -sS --fail-with-body --cacert etc/kubernetes/pki/ca.crt --cert $pem --key $pem -X {method} \
             -H 'Content-Type: application/merge-patch+json' --data-binary @- https://198.51.100.11:6443{path}"
    );
    worker.sh(&script).input(body).ok()
}
