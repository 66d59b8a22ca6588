//! Certificates that expire while the node runs.

use anyhow::{Result, ensure};
use std::time::{Duration, Instant};
use usernetes_e2e::{Machine, Testbed};

/// Validity of the certificates, and then some.
const VALIDITY: Duration = Duration::from_secs(100);
/// The supervisor restarts a component after 8 failed probes, one every 10 s.
const PROBES: Duration = Duration::from_secs(95);

const CONFIG: &str = "apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
certificateValidityPeriod: 95s
";

/// Row 6: it is said before, nothing is killed, and `start` names the command at once.
pub(crate) fn expired_certificates_are_named(testbed: &Testbed) -> Result<()> {
    let first = testbed.host();
    let config = first.write("short.yaml", CONFIG)?;
    let made = Instant::now();
    first.init(&["--config", &config]).ok()?;
    first.tool(&["status"]).ok()?.says(&["apiserver expires at", "certs renew all"])?;
    let events = ["get", "events", "--field-selector", "reason=CertificateExpiry"];
    // The node writes it beside `init`, and tries again when the API server is busy.
    first.until("an Event says it", 60, |first| Ok(first.kubectl(&events)?.text().contains("apiserver expires at")))?;
    std::thread::sleep(VALIDITY.saturating_sub(made.elapsed()) + PROBES);
    let status = first.tool(&["status", "-o", "json"]).output()?;
    let components = status.json()?;
    let server = components["components"]["components"].as_array().into_iter().flatten();
    let server = server.into_iter().find(|component| component["name"] == "kube-apiserver");
    ensure!(server.is_some_and(|server| server["restarts"] == 0), "{status}");
    first.tool(&["status"]).output()?.exits(1)?.says(&["apiserver has expired at", "certs renew all"])?;

    first.tool(&["stop"]).ok()?;
    let begin = Instant::now();
    first.tool(&["start"]).output()?.exits(1)?.says(&["has expired at", "usernetes-rs certs renew all"])?;
    ensure!(begin.elapsed() < Duration::from_secs(10), "start took {:?}", begin.elapsed());
    first.silent()?;
    first.tool(&["certs", "renew", "all"]).ok()?;
    first.tool(&["start", "--wait"]).ok().map(drop)
}
