//! The status of Services of type LoadBalancer, and the condition HostReachable of Nodes.

use crate::Outcome;
use crate::nodes::register;
use crate::ports::{gone, policy, service};
use crate::server::{LIMIT, Server};
use k8s_openapi::api::core::v1::{Node, Service};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::await_condition;
use serde_json::json;
use tokio::time::timeout;
use usernetes_cluster::nodes::{Reachability, write_reachability};
use usernetes_cluster::{Update, write_load_balancers};

fn addresses(service: Option<&Service>) -> Vec<String> {
    let status = service.and_then(|service| service.status.as_ref()?.load_balancer.clone());
    status.and_then(|status| status.ingress).into_iter().flatten().filter_map(|ingress| ingress.ip).collect()
}

pub(crate) async fn load_balancers_name_the_hosts(server: &Server) -> Outcome {
    register(server).await?;
    let cluster = server.admin().await;
    let kubeconfig = server.path("admin.conf");
    let writer = tokio::spawn(async move { write_load_balancers(&kubeconfig, &policy(), |_| ()).await });
    service(&cluster, "balanced", "LoadBalancer", &json!({ "port": 8080 })).await?;
    service(&cluster, "rival", "LoadBalancer", &json!({ "port": 8080 })).await?;
    let api: Api<Service> = Api::namespaced(cluster.client(), "default");
    let named = |service: Option<&Service>| addresses(service) == ["198.51.100.11"];
    timeout(LIMIT, await_condition(api.clone(), "balanced", named)).await??;
    assert_eq!(addresses(api.get_opt("rival").await?.as_ref()), [""; 0], "the younger of two goes without");
    // The port is free then.
    gone(&cluster, "balanced").await?;
    timeout(LIMIT, await_condition(api, "rival", named)).await??;
    gone(&cluster, "rival").await?;
    writer.abort();
    Ok(())
}

pub(crate) async fn hosts_are_reached_or_not(server: &Server) -> Outcome {
    let cluster = server.admin().await;
    let kubeconfig = server.path("admin.conf");
    let (tx, mut lost) = tokio::sync::mpsc::unbounded_channel();
    let writer = tokio::spawn(async move {
        write_reachability(&kubeconfig, |update| {
            if let Update::Lost(error) = update {
                let _ = tx.send(error);
            }
        })
        .await
    });
    let open = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let api: Api<Node> = Api::all(cluster.client());
    for (name, kubelet) in [("near", open.local_addr()?), ("far", closed)] {
        let node = serde_json::from_value(json!({ "metadata": { "name": name } }))?;
        api.create(&PostParams::default(), &node).await?;
        let status = json!({ "status": {
            "addresses": [{ "type": "InternalIP", "address": kubelet.ip() }],
            "daemonEndpoints": { "kubeletEndpoint": { "Port": kubelet.port() } },
        } });
        api.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await?;
    }
    let near = cluster.wait_reachability("near", open.local_addr()?, LIMIT).await;
    assert_eq!(near, Some(Reachability::Reached), "{:?}", lost.try_recv());
    let far = cluster.wait_reachability("far", closed, LIMIT).await;
    assert!(matches!(&far, Some(Reachability::Unreachable(why)) if why.contains("refused")), "{far:?}");
    writer.abort();
    for name in ["near", "far"] {
        api.delete(name, &DeleteParams::default()).await?;
    }
    Ok(())
}
