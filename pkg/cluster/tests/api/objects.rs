//! kubeadm's objects and the addons.

use crate::Outcome;
use crate::server::{LIMIT, Server};
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::{Api, ResourceExt};
use std::collections::BTreeMap;
use std::time::Duration;
use usernetes_cluster::addons::{ADDONS, Params, coredns, flannel};
use usernetes_cluster::{Cluster, Error, ensure_cluster_admins};

pub(crate) async fn administrators(server: &Server) -> Outcome {
    let (admin, super_admin) = (server.path("admin.conf"), server.path("super-admin.conf"));
    let before = Cluster::connect(&admin).await?.list_nodes().await;
    assert!(before.is_err_and(|error| error.is_forbidden()), "the group has no rights of its own");
    let cluster = ensure_cluster_admins(&admin, &super_admin).await?;
    cluster.list_nodes().await?;
    // The second time admin.conf does it alone.
    ensure_cluster_admins(&admin, &server.path("no-such-file.conf")).await?;
    Ok(())
}

pub(crate) async fn applied_twice_changes_nothing(server: &Server) -> Outcome {
    let cluster = server.admin().await;
    everything(server, &cluster).await?;
    let first = versions(&cluster).await?;
    everything(server, &cluster).await?;
    assert_eq!(versions(&cluster).await?, first);
    for wanted in [
        "ClusterRoleBinding kubeadm:node-proxier",
        "ConfigMap kube-system/kubeadm-config",
        "ConfigMap kube-system/kubelet-config",
        "ConfigMap kube-public/cluster-info",
        "DaemonSet kube-flannel/kube-flannel-ds",
        "DaemonSet kube-system/kube-proxy",
        "Deployment kube-system/coredns",
        "Service kube-system/kube-dns",
    ] {
        assert!(first.contains_key(wanted), "{wanted} is not among {:?}", first.keys());
    }
    assert!(cluster.cluster_configuration().await?.contains("kind: ClusterConfiguration"));
    assert!(cluster.kubelet_configuration().await?.contains("enforceNodeAllocatable"));
    Ok(())
}

async fn everything(server: &Server, cluster: &Cluster) -> Result<(), Error> {
    let kubelet =
        "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nenforceNodeAllocatable: [none]\n";
    cluster.upload_config(&server.config.cluster, kubelet).await?;
    cluster.apply_bootstrap_rbac().await?;
    cluster.upload_cluster_info(&server.endpoint.url(), &server.ca_pem()).await?;
    cluster.apply(&addons(server)?).await
}

fn addons(server: &Server) -> Result<Vec<DynamicObject>, Error> {
    let params = Params {
        config: &server.config,
        endpoint: &server.endpoint,
        image: &|name| Some(format!("{name}:1")),
        masquerade_all: false,
    };
    let objects: Result<Vec<_>, _> = ADDONS.iter().map(|addon| addon.render(&params)).collect();
    Ok(objects?.concat())
}

/// Version of every object that carries our name.
async fn versions(cluster: &Cluster) -> Result<BTreeMap<String, String>, kube::Error> {
    let mut all = BTreeMap::new();
    for (group, kind) in [
        ("", "Namespace"),
        ("", "ServiceAccount"),
        ("", "ConfigMap"),
        ("", "Service"),
        ("apps", "DaemonSet"),
        ("apps", "Deployment"),
        ("rbac.authorization.k8s.io", "Role"),
        ("rbac.authorization.k8s.io", "RoleBinding"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ] {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
        let api: Api<DynamicObject> = Api::all_with(cluster.client(), &resource);
        for object in api.list(&ListParams::default()).await? {
            let ours = object.managed_fields().iter().any(|entry| entry.manager.as_deref() == Some("usernetes-rs"));
            if ours {
                let namespace = object.namespace().map(|namespace| namespace + "/").unwrap_or_default();
                let version = object.resource_version().unwrap_or_default();
                all.insert(format!("{kind} {namespace}{}", object.name_any()), version);
            }
        }
    }
    Ok(all)
}

pub(crate) async fn default_service_account(server: &Server) -> Outcome {
    let cluster = server.admin().await;
    let early = cluster.wait_default_service_account(Duration::from_millis(200)).await;
    assert!(matches!(early, Err(Error::Timeout { .. })), "{early:?}");
    let later = async {
        tokio::task::yield_now().await;
        server.controller_manager();
        Ok(())
    };
    tokio::try_join!(cluster.wait_default_service_account(LIMIT), later)?;
    Ok(())
}

pub(crate) async fn deployment_that_cannot_start(server: &Server) -> Outcome {
    server.controller_manager();
    let cluster = server.admin().await;
    cluster.wait_default_service_account(LIMIT).await?;
    cluster.apply(&addons(server)?).await?;
    let client = cluster.client();
    let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(client, coredns::NAMESPACE);
    let labelled = ListParams::default().labels("k8s-app=kube-dns");
    while pods.list(&labelled).await?.items.is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let limit = Duration::from_secs(1);
    let error = cluster.wait_deployment_available(coredns::NAMESPACE, coredns::DEPLOYMENT, limit).await;
    let text = error.expect_err("no node, no pod").to_string();
    assert!(
        text.starts_with(
            "timed out after 1s waiting for Deployment kube-system/coredns to become available; last seen: pod coredns-"
        ),
        "{text}"
    );
    let error = cluster.wait_daemonset_ready_on(flannel::NAMESPACE, flannel::DAEMON_SET, "nowhere", limit).await;
    let text = error.expect_err("no node, no pod").to_string();
    assert!(text.contains("no pod was created"), "{text}");
    Ok(())
}
