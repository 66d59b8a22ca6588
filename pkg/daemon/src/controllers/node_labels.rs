//! Labels of this host's Node: which images it has, and whether it has ids for pods with user namespaces.

use super::{Context, RETRY_DELAY, kubelet_kubeconfig};
use usernetes_api::constants::{IMAGES_LABEL, IMAGES_PARTIAL, USER_NAMESPACES_LABEL};
use usernetes_cluster::Cluster;
use usernetes_node::NodePlan;

/// Keeps all labels.
pub(super) async fn run(context: Context) {
    let user_namespaces = context.plan.host.user_namespaces.then_some("true");
    tokio::join!(set_label(&context.plan, USER_NAMESPACES_LABEL, user_namespaces), track_image_import(context.clone()),);
}

/// Pods of the node itself may come once their images are in the runtime's store, CoreDNS after all images. An image that
/// cannot be imported does not block: the kubelet then tries to pull it, and reports the error at the pod.
async fn track_image_import(context: Context) {
    let Context { plan, mut status, .. } = context;
    let imported = match status.wait_for(|status| status.images.early == Some(0)).await {
        Ok(status) => status.images.is_settled(),
        Err(_) => return,
    };
    if !imported {
        set_label(&plan, IMAGES_LABEL, Some(IMAGES_PARTIAL)).await;
    }
    if status.wait_for(|status| status.images.is_settled()).await.is_ok() {
        set_label(&plan, IMAGES_LABEL, None).await;
    }
}

/// Sets or removes a label of this host's Node; tries until it succeeds.
async fn set_label(plan: &NodePlan, label: &str, value: Option<&str>) {
    let kubeconfig = kubelet_kubeconfig(plan).await;
    let set = async || Cluster::connect(&kubeconfig).await?.label_node(&plan.node_name, label, value).await;
    while let Err(error) = set().await {
        tracing::debug!(%error, label, "label not set yet");
        tokio::time::sleep(RETRY_DELAY).await;
    }
}
