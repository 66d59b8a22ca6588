//! Liveness: a process that no longer answers is restarted, as the kubelet does with kubeadm's static Pods.

use crate::probe::{Probe, is_outside_validity, is_own_failure};
use std::future::pending;
use std::time::Duration;
use tokio::time::sleep;

/// Settings of a liveness probe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Liveness {
    /// Interval of the probe.
    pub(super) period: Duration,
    /// Limit of one probe.
    pub(super) timeout: Duration,
    /// Number of consecutive failures after which the process is restarted.
    pub(super) failures: u32,
    /// Time to become ready. A process that is not ready then is restarted.
    pub(super) start: Duration,
}

impl Default for Liveness {
    /// The values of kubeadm's static Pods.
    fn default() -> Self {
        Self {
            period: Duration::from_secs(10),
            timeout: Duration::from_secs(15),
            failures: 8,
            start: Duration::from_mins(4),
        }
    }
}

impl Liveness {
    /// Probes until there were too many failures and returns the reason; never returns without a probe. A probe that this
    /// process could not make is none. `report` gets the reason of each failure, and `None` after a success.
    pub(super) async fn wait_for_failure(self, live: Option<&Probe>, report: impl Fn(Option<String>)) -> String {
        let Some(probe) = live else { return pending().await };
        let mut failures = 0;
        loop {
            sleep(self.period).await;
            match probe.alive(self.timeout).await {
                Ok(()) => {
                    failures = 0;
                    report(None);
                }
                Err(error) if is_own_failure(&error) => tracing::warn!(%error, "no liveness probe"),
                // A restart mends neither an expired certificate nor a wrong clock.
                Err(error) if is_outside_validity(&error) => {
                    tracing::warn!(%error, "the certificate of the component is expired or not yet valid; it is not restarted");
                }
                Err(error) => {
                    failures += 1;
                    report(Some(error.to_string()));
                    if failures >= self.failures {
                        return format!("liveness probe failed {failures} times: {error}");
                    }
                }
            }
        }
    }
}
