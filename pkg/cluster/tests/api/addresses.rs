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
use usernetes_cluster::nodes::{AddressRules, Reachability, write_reachability};
use usernetes_cluster::write_load_balancers;

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

/// No connection is made to an address inside the control plane's node, whatever listens there.
pub(crate) async fn loopback_is_not_probed(server: &Server) -> Outcome {
    let cluster = server.admin().await;
    let kubeconfig = server.path("admin.conf");
    let writer = tokio::spawn(async move {
        let rules = AddressRules {
            control_plane: "one".to_owned(),
            host_ip: "198.51.100.11".parse().expect("an address"),
            inside: Vec::new(),
        };
        write_reachability(&kubeconfig, &rules, |_| ()).await
    });
    let open = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let kubelet = open.local_addr()?;
    let api: Api<Node> = Api::all(cluster.client());
    let node = serde_json::from_value(json!({ "metadata": { "name": "near" } }))?;
    api.create(&PostParams::default(), &node).await?;
    let status = json!({ "status": {
        "addresses": [{ "type": "InternalIP", "address": kubelet.ip() }],
        "daemonEndpoints": { "kubeletEndpoint": { "Port": kubelet.port() } },
    } });
    api.patch_status("near", &PatchParams::default(), &Patch::Merge(status)).await?;
    let near = cluster.wait_reachability("near", kubelet, LIMIT).await;
    assert!(
        matches!(&near, Some(Reachability::Unreachable(why)) if why.contains("not the address of one host")),
        "{near:?}"
    );
    assert!(timeout(std::time::Duration::from_millis(100), open.accept()).await.is_err(), "it was connected to");
    writer.abort();
    api.delete("near", &DeleteParams::default()).await?;
    Ok(())
}
