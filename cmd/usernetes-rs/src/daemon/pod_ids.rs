//! Ids for pods with `hostUsers: false`: each takes a range of its own, behind the ids of the node itself.

use usernetes_api::Config;
use usernetes_host::Finding;
use usernetes_rootless::SubIds;

/// The kubelet's default of `maxPods`.
const MAX_PODS: u64 = 110;

/// How many pods there are ids for, and how many there must be.
pub(crate) struct PodIds {
    room: u64,
    pods: u64,
}

impl PodIds {
    pub(crate) fn new(ids: &SubIds, config: &Config) -> Self {
        let max_pods = config.kubelet.as_ref().and_then(|kubelet| kubelet.get("maxPods")?.as_u64());
        Self { room: ids.pods(), pods: max_pods.unwrap_or(MAX_PODS) }
    }

    /// A kubelet refuses to start with fewer ids than all its pods may want, and takes ids that are none when it is not told
    /// which there are.
    pub(crate) fn suffice(&self) -> bool {
        self.room >= self.pods
    }

    /// The line of `/etc/subuid` inside.
    pub(super) fn line(&self) -> String {
        format!("kubelet:{}:{}\n", SubIds::OF_A_POD, self.room * u64::from(SubIds::OF_A_POD))
    }

    /// For preflight.
    pub(crate) fn finding(&self, ids: &SubIds) -> Finding {
        const CHECK: &str = "PodSubID";
        if self.suffice() {
            return Finding::passed(CHECK);
        }
        let message = format!(
            "the subordinate ids of {} are enough for {} pods with hostUsers: false, and the node may have {}: such pods stay Pending",
            ids.user, self.room, self.pods,
        );
        Finding::warning(CHECK, message, ids.add_command((self.pods - self.room) * u64::from(SubIds::OF_A_POD)))
    }
}
