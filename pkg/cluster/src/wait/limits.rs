//! Limits of the host behind the failures of pods: what the kernel's error numbers mean where pods are made.

use crate::{Cluster, Error, Verb};
use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod};
use kube::ResourceExt;
use kube::api::ListParams;
use std::collections::BTreeMap;

/// A limit that an administrator of the host raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostLimit {
    /// The setting, by the name that people look for.
    pub setting: &'static str,
    /// What raises it.
    pub cure: &'static str,
}

/// A pod that does not start for want of something that its host limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// `namespace/name`.
    pub pod: String,
    /// Its node.
    pub node: String,
    /// What it runs into.
    pub limit: HostLimit,
}

/// Twice as much as now, for good: a fixed figure may be less than what has just been used up.
macro_rules! double {
    ($($setting:literal)+) => {
        concat!(
            "for s in", $(" ", $setting,)+
            "; do printf \"$s=%d\\n\" $((2 * $(sudo sysctl -n $s))); done | sudo tee -a /etc/sysctl.d/99-usernetes.conf && sudo sysctl --system"
        )
    };
}

const INSTANCES: HostLimit =
    HostLimit { setting: "fs.inotify.max_user_instances", cure: double!("fs.inotify.max_user_instances") };
const WATCHES: HostLimit =
    HostLimit { setting: "fs.inotify.max_user_watches", cure: double!("fs.inotify.max_user_watches") };
const KEYS: HostLimit =
    HostLimit { setting: "kernel.keys.maxkeys", cure: double!("kernel.keys.maxkeys" "kernel.keys.maxbytes") };
const PROCESSES: HostLimit = HostLimit {
    setting: "TasksMax or nproc",
    cure: "sudo systemctl set-property user-$(id -u).slice TasksMax=infinity; \
           echo \"$USER - nproc unlimited\" | sudo tee /etc/security/limits.d/99-usernetes-nproc.conf, log in again and start the node again",
};
const FILES: HostLimit = HostLimit {
    setting: "nofile",
    cure: "echo \"$USER hard nofile 1048576\" | sudo tee /etc/security/limits.d/99-usernetes-nofile.conf, log in again and start the node again",
};

/// Which limit an event's message tells of. The words are the runtime's, around those of the kernel's error.
pub(super) fn limit(message: &str) -> Option<HostLimit> {
    let message = message.to_lowercase();
    let says = |word: &str| message.contains(word);
    if says("key") && says("disk quota exceeded") {
        Some(KEYS)
    } else if (says("inotify") || says("watch")) && says("no space left on device") {
        Some(WATCHES)
    } else if (says("inotify") || says("fsnotify") || says("watch")) && says("too many open files") {
        Some(INSTANCES)
    } else if ["fork", "clone", "thread", "newosproc"].iter().any(|word| says(word))
        && says("resource temporarily unavailable")
    {
        Some(PROCESSES)
    } else if says("too many open files") {
        Some(FILES)
    } else {
        None
    }
}

impl Cluster {
    /// Pods with containers that do not start because of a limit of their host, once each.
    pub async fn held_by_limits(&self) -> Result<Vec<Held>, Error> {
        let warnings = ListParams::default().fields("type=Warning,involvedObject.kind=Pod");
        let events = self.all::<Event>().list(&warnings).await.map_err(Error::request(Verb::List, "Events"))?.items;
        if !events.iter().any(|event| event.message.as_deref().and_then(limit).is_some()) {
            return Ok(Vec::new());
        }
        let begun = ListParams::default().fields("status.phase!=Succeeded,status.phase!=Failed");
        let pods = self.all::<Pod>().list(&begun).await.map_err(Error::request(Verb::List, "Pods"))?.items;
        Ok(held(&pods, &events))
    }
}

fn held(pods: &[Pod], events: &[Event]) -> Vec<Held> {
    let reason = |event: &Event| {
        let limit = limit(event.message.as_deref()?)?;
        Some((event.involved_object.uid.clone()?, limit))
    };
    let limits: BTreeMap<_, _> = events.iter().filter_map(reason).collect();
    let one = |pod: &Pod| {
        let limit = *limits.get(&pod.uid()?)?;
        let name = format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any());
        let node = pod.spec.as_ref()?.node_name.clone()?;
        Some(Held { pod: name, node, limit })
    };
    pods.iter().filter(|pod| waits(pod)).filter_map(one).collect()
}

/// Whether the pod, or a container of it, has yet to start: an event outlives its cause by an hour.
fn waits(pod: &Pod) -> bool {
    let Some(status) = &pod.status else { return true };
    let waiting = |container: &ContainerStatus| container.state.as_ref().is_some_and(|state| state.waiting.is_some());
    status.phase.as_deref() == Some("Pending") || status.container_statuses.iter().flatten().any(waiting)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn messages_of_the_runtime() {
        let cases = [
            "failed to create shim task: OCI runtime create failed: unable to join session keyring: unable to create session key: disk quota exceeded",
            "failed to create fsnotify watcher: too many open files",
            "inotify_add_watch /sys/fs/cgroup: no space left on device",
            "fork/exec /bin/runc: resource temporarily unavailable",
            "failed to write /data: no space left on device",
            "accept4: too many open files",
        ];
        let found: Vec<_> = cases.iter().map(|case| limit(case).map_or("-", |limit| limit.setting)).collect();
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
    fn a_cure_for_a_shell() {
        insta::assert_snapshot!(KEYS.cure, @r##"for s in kernel.keys.maxkeys kernel.keys.maxbytes; do printf "$s=%d\n" $((2 * $(sudo sysctl -n $s))); done | sudo tee -a /etc/sysctl.d/99-usernetes.conf && sudo sysctl --system"##);
    }

    #[test]
    fn only_containers_that_still_wait() {
        let pod = |uid: &str, state: &str| {
            let containers = json!([{ "name": "main", "image": "", "imageID": "", "ready": false, "restartCount": 1, "state": { state: {} } }]);
            let value = json!({
                "metadata": { "name": uid, "namespace": "a", "uid": uid },
                "spec": { "nodeName": "host1", "containers": [] },
                "status": { "phase": "Running", "containerStatuses": containers },
            });
            serde_json::from_value::<Pod>(value).expect("a Pod")
        };
        let event = |uid: &str, message: &str| {
            let value = json!({ "metadata": {}, "involvedObject": { "uid": uid }, "message": message });
            serde_json::from_value::<Event>(value).expect("an Event")
        };
        let full = "unable to create session key: disk quota exceeded";
        let events =
            [event("b", full), event("b", full), event("gone", full), event("c", "back-off"), event("d", full)];
        let expected = Held { pod: "a/b".into(), node: "host1".into(), limit: KEYS };
        assert_eq!(held(&[pod("b", "waiting"), pod("c", "waiting"), pod("d", "running")], &events), [expected]);
    }
}
