//! Limits of the host behind failures of pods, recognized by the messages of the kernel and the container runtime.

use crate::{Cluster, Error, Verb};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::ResourceExt;
use kube::api::ListParams;
use std::collections::BTreeMap;

/// A limit that the administrator of a host can raise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostLimit {
    /// Name of the setting, such as a sysctl.
    pub setting: &'static str,
    /// Command that raises it.
    pub hint: &'static str,
}

/// A pod that does not start because its host has reached a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockedPod {
    /// `namespace/name`.
    pub pod: String,
    /// Name of its node.
    pub node: String,
    /// The limit.
    pub limit: HostLimit,
}

/// Command that doubles sysctls permanently: a fixed value could be below the one that has just been reached.
macro_rules! double_sysctls {
    ($($setting:literal)+) => {
        concat!(
            "for s in", $(" ", $setting,)+
            "; do printf \"$s=%d\\n\" $((2 * $(sudo sysctl -n $s))); done | sudo tee -a /etc/sysctl.d/99-usernetes.conf && sudo sysctl --system"
        )
    };
}

const INSTANCES: HostLimit =
    HostLimit { setting: "fs.inotify.max_user_instances", hint: double_sysctls!("fs.inotify.max_user_instances") };
const WATCHES: HostLimit =
    HostLimit { setting: "fs.inotify.max_user_watches", hint: double_sysctls!("fs.inotify.max_user_watches") };
const KEYS: HostLimit =
    HostLimit { setting: "kernel.keys.maxkeys", hint: double_sysctls!("kernel.keys.maxkeys" "kernel.keys.maxbytes") };
const PROCESSES: HostLimit = HostLimit {
    setting: "TasksMax or nproc",
    hint: "sudo systemctl set-property user-$(id -u).slice TasksMax=infinity; \
           echo \"$USER - nproc unlimited\" | sudo tee /etc/security/limits.d/99-usernetes-nproc.conf, log in again and restart the node",
};
const FILES: HostLimit = HostLimit {
    setting: "nofile",
    hint: "echo \"$USER hard nofile 1048576\" | sudo tee /etc/security/limits.d/99-usernetes-nofile.conf, log in again and restart the node",
};

/// Words of the container runtime and of the kernel's error, and the limit that an event with both is about. The first
/// match wins.
const PATTERNS: [(&[&str], &str, HostLimit); 5] = [
    (&["key"], "disk quota exceeded", KEYS),
    (&["inotify", "watch"], "no space left on device", WATCHES),
    (&["inotify", "fsnotify", "watch"], "too many open files", INSTANCES),
    (&["fork", "clone", "thread", "newosproc"], "resource temporarily unavailable", PROCESSES),
    (&[""], "too many open files", FILES),
];

/// The limit that the message of an event is about.
pub(super) fn find_limit(message: &str) -> Option<HostLimit> {
    let message = message.to_lowercase();
    let mut patterns = PATTERNS.into_iter();
    patterns.find_map(|(runtime, kernel, limit)| {
        let found = message.contains(kernel) && runtime.iter().any(|word| message.contains(word));
        found.then_some(limit)
    })
}

impl Cluster {
    /// Pods with containers that do not start because of a limit of their host, each once.
    pub async fn list_blocked_pods(&self) -> Result<Vec<BlockedPod>, Error> {
        let warnings = ListParams::default().fields("type=Warning,involvedObject.kind=Pod");
        let events = self.all::<Event>().list(&warnings).await.map_err(Error::request(Verb::List, "Events"))?.items;
        if !events.iter().any(|event| event.message.as_deref().and_then(find_limit).is_some()) {
            return Ok(Vec::new());
        }
        let not_ended = ListParams::default().fields("status.phase!=Succeeded,status.phase!=Failed");
        let pods = self.all::<Pod>().list(&not_ended).await.map_err(Error::request(Verb::List, "Pods"))?.items;
        Ok(blocked_pods(&pods, &events))
    }
}

fn blocked_pods(pods: &[Pod], events: &[Event]) -> Vec<BlockedPod> {
    let limits: BTreeMap<_, _> = events.iter().filter_map(limit_of_event).collect();
    pods.iter().filter(|pod| is_waiting(pod)).filter_map(|pod| blocked_pod(pod, &limits)).collect()
}

/// Uid of the pod, and its limit.
fn limit_of_event(event: &Event) -> Option<(String, HostLimit)> {
    let limit = find_limit(event.message.as_deref()?)?;
    Some((event.involved_object.uid.clone()?, limit))
}

fn blocked_pod(pod: &Pod, limits: &BTreeMap<String, HostLimit>) -> Option<BlockedPod> {
    let limit = *limits.get(&pod.uid()?)?;
    let name = format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any());
    Some(BlockedPod { pod: name, node: pod.spec.as_ref()?.node_name.clone()?, limit })
}

/// Whether the pod, or a container of it, has yet to start: an event stays for an hour after its cause is gone.
fn is_waiting(pod: &Pod) -> bool {
    let Some(status) = &pod.status else { return true };
    status.phase.as_deref() == Some("Pending")
        || status.container_statuses.iter().flatten().any(|c| c.state.as_ref().is_some_and(|s| s.waiting.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn limits_are_found_in_messages() {
        let cases = [
            "failed to create shim task: OCI runtime create failed: unable to join session keyring: unable to create session key: disk quota exceeded",
            "failed to create fsnotify watcher: too many open files",
            "inotify_add_watch /sys/fs/cgroup: no space left on device",
            "fork/exec /bin/runc: resource temporarily unavailable",
            "failed to write /data: no space left on device",
            "accept4: too many open files",
        ];
        let found: Vec<_> = cases.iter().map(|case| find_limit(case).map_or("-", |limit| limit.setting)).collect();
        let expected = [
            "kernel.keys.maxkeys",
            "fs.inotify.max_user_instances",
            "fs.inotify.max_user_watches",
            "TasksMax or nproc",
            "-",
            "nofile",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_hint_is_a_shell_command() {
        insta::assert_snapshot!(KEYS.hint, @r##"for s in kernel.keys.maxkeys kernel.keys.maxbytes; do printf "$s=%d\n" $((2 * $(sudo sysctl -n $s))); done | sudo tee -a /etc/sysctl.d/99-usernetes.conf && sudo sysctl --system"##);
    }

    fn pod(uid: &str, state: &str) -> Pod {
        let containers = json!([{
            "name": "main", "image": "", "imageID": "", "ready": false, "restartCount": 1, "state": { state: {} },
        }]);
        let value = json!({
            "metadata": { "name": uid, "namespace": "a", "uid": uid },
            "spec": { "nodeName": "host1", "containers": [] },
            "status": { "phase": "Running", "containerStatuses": containers },
        });
        serde_json::from_value(value).expect("a Pod")
    }

    fn event(uid: &str, message: &str) -> Event {
        let value = json!({ "metadata": {}, "involvedObject": { "uid": uid }, "message": message });
        serde_json::from_value(value).expect("an Event")
    }

    #[test]
    fn only_waiting_containers_are_blocked() {
        let full = "unable to create session key: disk quota exceeded";
        let events =
            [event("b", full), event("b", full), event("gone", full), event("c", "back-off"), event("d", full)];
        let pods = [pod("b", "waiting"), pod("c", "waiting"), pod("d", "running")];
        let expected = BlockedPod { pod: "a/b".into(), node: "host1".into(), limit: KEYS };
        assert_eq!(blocked_pods(&pods, &events), [expected]);
    }
}
