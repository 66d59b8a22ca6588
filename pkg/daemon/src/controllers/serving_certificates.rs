//! Approves serving certificates of kubelets, each for the name and the registered address of its own Node.

use super::{Context, admin_kubeconfig};
use std::path::Path;
use usernetes_api::constants::{KUBELETS_VERIFIED_FILE, PKI_DIR};
use usernetes_cluster::nodes::AddressRules;
use usernetes_cluster::{ServingPolicy, Update, approve_serving_certificates};
use usernetes_host::fs;
use usernetes_node::KubeletServing;
use usernetes_pki::spec::KUBELET_SERVING_CA;

/// Approves, where kubelets ask for certificates of the CA for kubelets.
///
/// Where an earlier version has made the cluster, kubelets may have certificates of their own, which the API server cannot
/// verify. Once each of them has one of the CA, the next start of this node lets the API server verify them, for good.
pub(super) async fn run(context: Context) {
    let serving = context.plan.kubelet_serving();
    if serving == KubeletServing::SelfSigned {
        return;
    }
    let policy = ServingPolicy {
        rules: address_rules(&context),
        ca: Path::new(PKI_DIR).join(format!("{KUBELET_SERVING_CA}.crt")),
        check_all: serving == KubeletServing::Signed,
    };
    approve_serving_certificates(&admin_kubeconfig(), &policy, |update| match update {
        Update::State(true) => mark_verified(),
        Update::State(false) => {}
        Update::Lost(error) => tracing::debug!(%error, "watch lost"),
    })
    .await;
}

/// Addresses that no Node of this control plane's cluster may have.
pub(super) fn address_rules(context: &Context) -> AddressRules {
    let plan = &context.plan;
    AddressRules {
        control_plane: plan.node_name.clone(),
        host_ip: plan.host_ip,
        inside: vec![plan.cluster.pod_subnet, plan.cluster.service_subnet, context.tap.into()],
    }
}

fn mark_verified() {
    if let Err(error) = fs::write(KUBELETS_VERIFIED_FILE, "", fs::Mode::Public) {
        return tracing::warn!(%error, "kubelets are not verified at the next start");
    }
    tracing::info!("every kubelet has a serving certificate; the API server verifies them from its next start");
}
