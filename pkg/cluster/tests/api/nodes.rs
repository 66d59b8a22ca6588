//! Nodes without a machine: what a kubelet would write, written by the test with the kubelet's rights.

use crate::Outcome;
use crate::server::{LIMIT, NODE, Server};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, ServiceAccount};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;
use std::time::Duration;
use usernetes_api::constants::{CONTROL_PLANE_LABEL, EXCLUDE_LB_LABEL};
use usernetes_cluster::{Cluster, Error};

/// Registers the node of `kubelet.conf`, as its kubelet does.
pub(crate) async fn register(server: &Server) -> Result<Cluster, Error> {
    server.admin().await;
    let kubelet = Cluster::connect(&server.path("kubelet.conf")).await?;
    let node = serde_json::from_value(json!({ "metadata": { "name": NODE } })).expect("a Node");
    let api: Api<Node> = Api::all(kubelet.client());
    match api.create(&PostParams::default(), &node).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => {}
        result => drop(result.expect("a Node")),
    }
    let addresses =
        json!([{ "type": "InternalIP", "address": "198.51.100.11" }, { "type": "Hostname", "address": NODE }]);
    report(&kubelet, &json!({ "addresses": addresses })).await;
    Ok(kubelet)
}

async fn report(kubelet: &Cluster, status: &serde_json::Value) {
    let api: Api<Node> = Api::all(kubelet.client());
    let patch = Patch::Merge(json!({ "status": status }));
    api.patch_status(NODE, &PatchParams::default(), &patch).await.expect("a Node");
}

async fn ready(kubelet: &Cluster, heartbeat: Timestamp) {
    let heartbeat = heartbeat.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let condition = json!({
        "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready",
        "lastHeartbeatTime": heartbeat, "lastTransitionTime": heartbeat,
    });
    report(kubelet, &json!({ "conditions": [condition] })).await;
}

pub(crate) async fn stale_ready(server: &Server) -> Outcome {
    let kubelet = register(server).await?;
    let now = Timestamp::now();
    ready(&kubelet, now - SignedDuration::from_mins(1)).await;
    let stale = kubelet.wait_node_ready(NODE, now, Duration::from_secs(1)).await;
    let text = stale.expect_err("Ready of the run before").to_string();
    assert!(text.contains("Ready, but reported before this start"), "{text}");
    let wake = async {
        ready(&kubelet, now + SignedDuration::from_secs(2)).await;
        Ok(())
    };
    tokio::try_join!(kubelet.wait_node_ready(NODE, now, LIMIT), wake)?;
    Ok(())
}

pub(crate) async fn timeout_says_what_was_seen(server: &Server) -> Outcome {
    let cluster = server.admin().await;
    let missing = cluster.wait_node_ready("missing", Timestamp::now(), Duration::from_millis(300)).await;
    let text = missing.expect_err("no such node").to_string();
    assert_eq!(
        text,
        "timed out after 300ms waiting for node missing to become Ready; last seen: no such Node; its kubelet has not registered it"
    );
    Ok(())
}

pub(crate) async fn marks(server: &Server) -> Outcome {
    register(server).await?;
    let cluster = server.admin().await;
    let api: Api<Node> = Api::all(cluster.client());
    for taint in [true, true, false, false] {
        cluster.mark_control_plane(NODE, taint).await?;
        let node = api.get(NODE).await?;
        let labels = node.metadata.labels.unwrap_or_default();
        assert!(labels.contains_key(CONTROL_PLANE_LABEL) && labels.contains_key(EXCLUDE_LB_LABEL));
        let taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
        assert_eq!(taints.iter().any(|t| t.key == CONTROL_PLANE_LABEL), taint);
        assert!(taints.iter().any(|t| t.key == "node.kubernetes.io/not-ready"), "the taint of admission stays");
    }
    let info = cluster.node(NODE).await?.ok_or("the node")?;
    assert_eq!(info.roles, ["control-plane"]);
    assert_eq!(info.addresses, ["198.51.100.11".parse::<std::net::IpAddr>()?]);
    Ok(())
}

pub(crate) async fn drain(server: &Server) -> Outcome {
    register(server).await?;
    let cluster = server.admin().await;
    let namespace = "drain";
    let namespaces: Api<Namespace> = Api::all(cluster.client());
    namespaces
        .create(&PostParams::default(), &serde_json::from_value(json!({ "metadata": { "name": namespace } }))?)
        .await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(cluster.client(), namespace);
    let account = serde_json::from_value(json!({ "metadata": { "name": "default" } }))?;
    accounts.create(&PostParams::default(), &account).await?;
    let pods: Api<Pod> = Api::namespaced(cluster.client(), namespace);
    for (name, phase) in [("done", "Succeeded"), ("stays", "Running")] {
        place(&pods, name, phase).await?;
    }
    // No kubelet ends the one that runs.
    let error = cluster.drain_node(NODE, Duration::from_secs(2)).await.expect_err("a pod that stays").to_string();
    assert!(error.contains("Pod drain/stays is still there"), "{error}");
    assert!(cluster.node(NODE).await?.ok_or("the node")?.cordoned);
    assert!(pods.get_opt("done").await?.is_none());
    pods.delete("stays", &kube::api::DeleteParams::default().grace_period(0)).await?;
    cluster.drain_node(NODE, LIMIT).await?;
    by_its_kubelet(server, &pods).await?;
    in_a_dying_namespace(&cluster, &namespaces, &pods).await?;
    cluster.cordon_node(NODE, false).await?;
    assert!(!cluster.node(NODE).await?.ok_or("the node")?.cordoned);
    Ok(())
}

async fn place(pods: &Api<Pod>, name: &str, phase: &str) -> Outcome {
    let pod = json!({ "metadata": { "name": name }, "spec": { "nodeName": NODE, "containers": [{ "name": "a", "image": "a" }] } });
    pods.create(&PostParams::default(), &serde_json::from_value(pod)?).await?;
    let patch = Patch::Merge(json!({ "status": { "phase": phase } }));
    pods.patch_status(name, &PatchParams::default(), &patch).await?;
    Ok(())
}

/// As `reset --drain` does, with the rights of a kubelet, which ends the pod meanwhile.
async fn by_its_kubelet(server: &Server, pods: &Api<Pod>) -> Outcome {
    place(pods, "own", "Running").await?;
    let kubelet = register(server).await?;
    let end = async {
        let evicted = kube::runtime::wait::await_condition(pods.clone(), "own", |pod: Option<&Pod>| {
            pod.is_some_and(|pod| pod.metadata.deletion_timestamp.is_some())
        });
        evicted.await.expect("watched");
        let now = kube::api::DeleteParams::default().grace_period(0);
        pods.delete("own", &now).await.expect("deleted");
        Ok(())
    };
    tokio::try_join!(kubelet.drain_node(NODE, LIMIT), end)?;
    Ok(())
}

/// No eviction can be made there, and none is needed.
async fn in_a_dying_namespace(cluster: &Cluster, namespaces: &Api<Namespace>, pods: &Api<Pod>) -> Outcome {
    place(pods, "dying", "Running").await?;
    namespaces.delete("drain", &kube::api::DeleteParams::default()).await?;
    let error = cluster.drain_node(NODE, Duration::from_secs(1)).await.expect_err("a pod that stays").to_string();
    assert!(error.contains("Pod drain/dying is still there"), "{error}");
    pods.delete("dying", &kube::api::DeleteParams::default().grace_period(0)).await?;
    cluster.drain_node(NODE, LIMIT).await?;
    Ok(())
}
