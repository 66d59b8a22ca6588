//! Limits of the host behind the failures of pods: what the kernel's error numbers mean where pods are made.

use crate::{Cluster, Error, Verb};
use k8s_openapi::api::core::v1::{Event, Pod};
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
    cure: "sudo systemctl set-property user-$(id -u).slice TasksMax=infinity, and raise nproc in /etc/security/limits.conf",
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
    } else {
        None
    }
}

impl Cluster {
    /// Pods that have not started because of a limit of their host, once each.
    pub async fn held_by_limits(&self) -> Result<Vec<Held>, Error> {
        let waiting = ListParams::default().fields("status.phase=Pending");
        let pods = self.all::<Pod>().list(&waiting).await.map_err(Error::request(Verb::List, "Pods"))?.items;
        if pods.is_empty() {
            return Ok(Vec::new());
        }
        let warnings = ListParams::default().fields("type=Warning,involvedObject.kind=Pod");
        let events = self.all::<Event>().list(&warnings).await.map_err(Error::request(Verb::List, "Events"))?.items;
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
    pods.iter().filter_map(one).collect()
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
            "-",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_cure_for_a_shell() {
        insta::assert_snapshot!(KEYS.cure, @r##"for s in kernel.keys.maxkeys kernel.keys.maxbytes; do printf "$s=%d\n" $((2 * $(sudo sysctl -n $s))); done | sudo tee -a /etc/sysctl.d/99-usernetes.conf && sudo sysctl --system"##);
    }

    #[test]
    fn only_pods_that_still_wait() {
        let pod = |uid: &str| {
            let value = json!({ "metadata": { "name": uid, "namespace": "a", "uid": uid }, "spec": { "nodeName": "host1", "containers": [] } });
            serde_json::from_value::<Pod>(value).expect("a Pod")
        };
        let event = |uid: &str, message: &str| {
            let value = json!({ "metadata": {}, "involvedObject": { "uid": uid }, "message": message });
            serde_json::from_value::<Event>(value).expect("an Event")
        };
        let full = "unable to create session key: disk quota exceeded";
        let events = [event("b", full), event("b", full), event("gone", full), event("c", "back-off")];
        let expected = Held { pod: "a/b".into(), node: "host1".into(), limit: KEYS };
        assert_eq!(held(&[pod("b"), pod("c")], &events), [expected]);
    }
}
