//! Ids for pods with `hostUsers: false`: each takes a range of its own, behind the ids of the node itself.

use usernetes_api::Config;
use usernetes_host::Finding;
use usernetes_rootless::SubIds;

/// The kubelet's default of `maxPods`.
const MAX_PODS: u64 = 110;

/// How many pods the user's subordinate ids suffice for, and how many pods the node may have.
pub struct PodIds {
    available: u64,
    max_pods: u64,
}

impl PodIds {
    /// From the ids of the user and `maxPods` of the KubeletConfiguration.
    pub fn new(ids: &SubIds, config: &Config) -> Self {
        let max_pods = config.kubelet.as_ref().and_then(|kubelet| kubelet.get("maxPods")?.as_u64());
        Self { available: ids.pods(), max_pods: max_pods.unwrap_or(MAX_PODS) }
    }

    /// Whether every pod can have its own range. A kubelet with fewer ids refuses to start, and one without a configured
    /// range takes ids that the user does not have.
    pub fn suffice(&self) -> bool {
        self.available >= self.max_pods
    }

    /// The line of `/etc/subuid` inside the node.
    pub(crate) fn subid_line(&self) -> String {
        format!("kubelet:{}:{}\n", SubIds::OF_A_POD, self.available * u64::from(SubIds::OF_A_POD))
    }

    /// The preflight check `PodSubID`.
    pub fn finding(&self, ids: &SubIds) -> Finding {
        const CHECK: &str = "PodSubID";
        if self.suffice() {
            return Finding::passed(CHECK);
        }
        let message = format!(
            "the subordinate ids of {} suffice for {} pods with hostUsers: false, and the node may have {}: such pods stay Pending",
            ids.user, self.available, self.max_pods,
        );
        Finding::warning(
            CHECK,
            message,
            ids.add_command((self.max_pods - self.available) * u64::from(SubIds::OF_A_POD)),
        )
    }
}
