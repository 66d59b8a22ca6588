//! The status of Services of type LoadBalancer.

use crate::Outcome;
use crate::nodes::register;
use crate::ports::{gone, policy, service};
use crate::server::{LIMIT, Server};
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::runtime::wait::await_condition;
use serde_json::json;
use tokio::time::timeout;
use usernetes_cluster::services::write_load_balancers;

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
