//! Ids of pods that a rootless node does not have: its user's subordinate ids are all there are. The runtime and the kubelet
//! report only that an argument is invalid.

use crate::watch::{Change, Update, skip_object_error, watch_node_pods, watch_reconnecting};
use crate::{Cluster, Error, ObjectRef};
use futures::StreamExt as _;
use kube::core::Object;
use serde::Deserialize;
use std::convert::Infallible;
use std::path::Path;

/// Reason of the event.
const REASON: &str = "IdNotOnNode";
/// The last id of a pod with a user namespace of its own.
const LAST_OF_POD: i64 = 65535;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodSpec {
    host_users: Option<bool>,
    security_context: SecurityContext,
    containers: Vec<Container>,
    init_containers: Vec<Container>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    security_context: SecurityContext,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SecurityContext {
    run_as_user: Option<i64>,
    run_as_group: Option<i64>,
    fs_group: Option<i64>,
    supplemental_groups: Vec<i64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodStatus {
    container_statuses: Vec<ContainerStatus>,
    init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ContainerStatus {
    state: ContainerState,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ContainerState {
    waiting: Waiting,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Waiting {
    message: String,
}

type Pod = Object<PodSpec, PodStatus>;

/// Records an event on every pod of the node that asks for an id above `last`. Never ends; drop it to stop.
pub async fn warn_about_ids(
    kubeconfig: &Path,
    node: &str,
    last: i64,
    mut report: impl FnMut(Update<()>),
) -> Infallible {
    watch_reconnecting(kubeconfig, &mut report, move |cluster| {
        let pods = watch_node_pods(&cluster, node, move |pod| find_problem(pod, last));
        pods.then(move |change| warn(cluster.clone(), node, change)).boxed()
    })
    .await
}

async fn warn(cluster: Cluster, node: &str, change: Result<Change<(ObjectRef, String)>, Error>) -> Result<(), Error> {
    let Change::Set(_, Some((pod, message))) = change? else { return Ok(()) };
    skip_object_error(cluster.record_event(&pod, node, REASON, &message).await)
}

/// The pod and the message about it; `None` if the node has its ids.
fn find_problem(pod: &Pod, last: i64) -> Option<(ObjectRef, String)> {
    let last = if pod.spec.host_users == Some(false) { last.min(LAST_OF_POD) } else { last };
    let what = pod.spec.find_id(last).or_else(|| pod.status.as_ref()?.find_layer())?;
    let message = format!(
        "{what} is not on this rootless node, which has the ids 0 to {last}: use one of those, or let the host's administrator \
         add subordinate ids to /etc/subuid and /etc/subgid, then stop and start the node"
    );
    let object = ObjectRef::new("v1", "Pod", pod);
    Some((object, message))
}

impl PodSpec {
    fn find_id(&self, last: i64) -> Option<String> {
        let containers = self.containers.iter().chain(&self.init_containers).map(|c| &c.security_context);
        [&self.security_context].into_iter().chain(containers).find_map(|context| context.find_id(last))
    }
}

impl SecurityContext {
    fn find_id(&self, last: i64) -> Option<String> {
        let single = [("runAsUser", self.run_as_user), ("runAsGroup", self.run_as_group), ("fsGroup", self.fs_group)];
        let groups = self.supplemental_groups.iter().map(|id| ("supplementalGroups", Some(*id)));
        let mut ids = single.into_iter().chain(groups).filter_map(|(field, id)| Some((field, id?)));
        ids.find(|(_, id)| *id > last).map(|(field, id)| format!("{field} {id}"))
    }
}

impl PodStatus {
    /// A layer of an image whose files have an owner that the node lacks.
    fn find_layer(&self) -> Option<String> {
        let statuses = self.container_statuses.iter().chain(&self.init_container_statuses);
        let mut messages = statuses.map(|status| status.state.waiting.message.as_str());
        let refused = messages.any(|text| text.contains("chown") && text.contains("invalid argument"));
        refused.then(|| "the owner of a file of the image".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(spec: &str, status: &str) -> Option<String> {
        let pod = format!("{{metadata: {{name: a}}, spec: {spec}, status: {status}}}");
        let pod: Pod = serde_yaml::from_str(&pod).expect("a pod");
        find_problem(&pod, 7_274_496).map(|(_, message)| message.split(" is not").next().unwrap_or_default().to_owned())
    }

    #[test]
    fn ids_that_a_node_lacks() {
        assert_eq!(problem("{securityContext: {runAsUser: 7274496}}", "{}"), None);
        let found = [
            problem("{securityContext: {runAsUser: 1000660000}}", "{}"),
            problem("{securityContext: {fsGroup: 1000660000}}", "{}"),
            problem("{containers: [{securityContext: {runAsGroup: 7274497}}]}", "{}"),
            problem("{hostUsers: false, securityContext: {supplementalGroups: [5, 70000]}}", "{}"),
            problem(
                "{}",
                "{containerStatuses: [{state: {waiting: {message: 'failed to extract layer: lchown /a: invalid argument'}}}]}",
            ),
        ];
        let found: Vec<_> = found.into_iter().flatten().collect();
        assert_eq!(
            found,
            [
                "runAsUser 1000660000",
                "fsGroup 1000660000",
                "runAsGroup 7274497",
                "supplementalGroups 70000",
                "the owner of a file of the image"
            ]
        );
    }
}
