//! Liveness: a process that runs but no longer answers is ended, as the kubelet does with kubeadm's static Pods.

use crate::probe::Probe;
use std::future::pending;
use std::time::Duration;
use tokio::time::sleep;

/// How often and how patiently a ready component is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Liveness {
    pub(super) period: Duration,
    /// For one answer.
    pub(super) timeout: Duration,
    /// So many bad answers, one after another, are the end.
    pub(super) failures: u32,
}

impl Default for Liveness {
    /// The values of kubeadm's static Pods.
    fn default() -> Self {
        Self { period: Duration::from_secs(10), timeout: Duration::from_secs(15), failures: 8 }
    }
}

impl Liveness {
    /// Asks until there were too many bad answers; why it is not alive. For ever where nothing can be asked.
    pub(super) async fn lost(self, live: Option<&Probe>) -> String {
        let Some(probe) = live else { return pending().await };
        let mut failures = 0;
        loop {
            sleep(self.period).await;
            let Err(error) = probe.alive(self.timeout).await else {
                failures = 0;
                continue;
            };
            failures += 1;
            if failures >= self.failures {
                return format!("ended because it did not answer its health check {failures} times: {error}");
            }
        }
    }
}
