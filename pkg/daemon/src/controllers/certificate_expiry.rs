//! Events about certificates of the control plane that expire within a month.

use super::{Context, emit_node_event};
use jiff::Timestamp;
use std::path::Path;
use std::time::Duration;
use usernetes_api::constants::{KUBERNETES_DIR, PKI_DIR};
use usernetes_pki::expiry;

/// Pause between two looks at the files.
const PERIOD: Duration = Duration::from_hours(24);
/// Pause before an Event that could not be written is tried again.
const EVENT_RETRY: Duration = Duration::from_secs(10);
/// Reason of the Events.
const REASON: &str = "CertificateExpiry";

/// Looks at the start of the node and once a day.
pub(super) async fn run(context: Context) {
    loop {
        let messages = match expiry::check(Path::new(KUBERNETES_DIR), Path::new(PKI_DIR)) {
            Ok(report) => describe(&report),
            Err(error) => vec![error.to_string()],
        };
        for message in messages {
            tracing::warn!(message, "validity of a certificate");
            while let Err(error) = emit_node_event(&context.plan, REASON, &message).await {
                tracing::debug!(%error, "Event not written yet");
                tokio::time::sleep(EVENT_RETRY).await;
            }
        }
        tokio::time::sleep(PERIOD).await;
    }
}

fn describe(report: &expiry::Report) -> Vec<String> {
    let problems = report.validity_problems(Timestamp::now());
    problems.map(|(entry, problem)| format!("{} {problem}; hint: {}", entry.name, entry.hint(problem))).collect()
}
