//! Ids for pods with `hostUsers: false`: each takes a range of its own, behind the ids of the node itself.

use usernetes_api::Config;
use usernetes_host::Finding;
use usernetes_rootless::SubIds;

/// Ids that the node itself uses.
const OWN: u64 = 65536;
/// Ids of one pod: the kubelet's unit.
const OF_A_POD: u64 = 65536;
/// The kubelet's default of `maxPods`.
const MAX_PODS: u64 = 110;

/// How many pods there are ids for, and how many there must be.
pub(crate) struct PodIds {
    room: u64,
    pods: u64,
}

impl PodIds {
    pub(crate) fn new(ids: &SubIds, config: &Config) -> Self {
        let (uids, gids) = ids.totals();
        let max_pods = config.kubelet.as_ref().and_then(|kubelet| kubelet.get("maxPods")?.as_u64());
        Self { room: uids.min(gids).saturating_sub(OWN) / OF_A_POD, pods: max_pods.unwrap_or(MAX_PODS) }
    }

    /// A kubelet refuses to start with fewer ids than all its pods may want, and takes ids that are none when it is not told
    /// which there are.
    pub(crate) fn suffice(&self) -> bool {
        self.room >= self.pods
    }

    /// The line of `/etc/subuid` inside.
    pub(super) fn line(&self) -> String {
        format!("kubelet:{OWN}:{}\n", self.room * OF_A_POD)
    }

    /// For preflight.
    pub(crate) fn finding(&self, ids: &SubIds) -> Finding {
        const CHECK: &str = "PodSubID";
        if self.suffice() {
            return Finding::passed(CHECK);
        }
        let (uids, gids) = ids.totals();
        let wanted = OWN + self.pods * OF_A_POD;
        let message = format!(
            "{} has {} subordinate ids: pods with hostUsers: false stay Pending; for {} of them {wanted} are needed",
            ids.user,
            uids.min(gids),
            self.pods,
        );
        Finding::warning(CHECK, message, ids.add_command(wanted - uids.min(gids)))
    }
}
