//! The controllers of the child: watch loops beside the supervisor. None of them ends the node when it fails.

mod bundle_identity;
mod bundle_server;
mod certificate_expiry;
mod egress_addresses;
mod manual_ports;
mod node_labels;
mod relay_peers;
mod service_ports;
mod serving_certificates;

pub(crate) use service_ports::PortConflicts;

use futures::future::BoxFuture;
use ipnet::Ipv4Net;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tracing::Instrument as _;
use usernetes_api::Paths;
use usernetes_api::constants::KUBERNETES_DIR;
use usernetes_cluster::{Cluster, ObjectRef, Update, nodes};
use usernetes_node::{NodePlan, NodeStatus, PodPriorities, Role};
use usernetes_rootless::PortManager;

/// Pause before a request that the API server refused is sent again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// What controllers work with.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) plan: Arc<NodePlan>,
    /// Ports on the host, and the addresses that the VXLAN relay accepts.
    pub(crate) ports: PortManager,
    /// Range of the tap.
    pub(crate) tap: Ipv4Net,
    /// The supervisor's status.
    pub(crate) status: watch::Receiver<NodeStatus>,
    /// Addresses besides HOST_IP from which this host sends.
    pub(crate) egress_addresses: watch::Receiver<BTreeSet<IpAddr>>,
    /// Ports that could not be published.
    pub(crate) conflicts: PortConflicts,
    /// Priorities of this node's pods.
    pub(crate) priorities: Arc<watch::Sender<PodPriorities>>,
}

/// One watch loop.
struct Controller {
    /// kebab-case; the name of its span in the log.
    name: &'static str,
    /// The role of the nodes it runs on; `None` for every node.
    role: Option<Role>,
    run: fn(Context) -> BoxFuture<'static, ()>,
}

/// All controllers. Those of the control plane work for the whole cluster.
static CONTROLLERS: &[Controller] = &[
    Controller { name: "node-labels", role: None, run: |context| Box::pin(node_labels::run(context)) },
    Controller { name: "relay-peers", role: None, run: |context| Box::pin(relay_peers::run(context)) },
    Controller { name: "egress-addresses", role: None, run: |context| Box::pin(egress_addresses::run(context)) },
    Controller { name: "manual-ports", role: None, run: |context| Box::pin(manual_ports::run(context)) },
    Controller { name: "service-ports", role: None, run: |context| Box::pin(service_ports::run(context)) },
    Controller { name: "pod-priorities", role: None, run: |context| Box::pin(follow_pod_priorities(context)) },
    Controller { name: "pod-identities", role: None, run: |context| Box::pin(report_unknown_ids(context)) },
    Controller { name: "volumes", role: None, run: |context| Box::pin(report_unsupported_volumes(context)) },
    Controller {
        name: "load-balancers",
        role: Some(Role::ControlPlane),
        run: |context| Box::pin(write_load_balancers(context)),
    },
    Controller {
        name: "reachability",
        role: Some(Role::ControlPlane),
        run: |context| Box::pin(write_reachability(context)),
    },
    Controller {
        name: "leaving-nodes",
        role: Some(Role::ControlPlane),
        run: |context| Box::pin(answer_leaving_nodes(context)),
    },
    Controller {
        name: "network-policies",
        role: Some(Role::ControlPlane),
        run: |context| Box::pin(warn_about_network_policies(context)),
    },
    Controller {
        name: "certificate-expiry",
        role: Some(Role::ControlPlane),
        run: |context| Box::pin(certificate_expiry::run(context)),
    },
    Controller {
        name: "serving-certificates",
        role: Some(Role::ControlPlane),
        run: |context| Box::pin(serving_certificates::run(context)),
    },
    Controller {
        name: "bundle-identity",
        role: Some(Role::ControlPlane),
        run: |context| Box::pin(bundle_identity::run(context)),
    },
    Controller {
        name: "bundle-server",
        role: Some(Role::ControlPlane),
        run: |context| Box::pin(async move { bundle_server::start(&context) }),
    },
];

/// Starts the controllers of the node's role, each in a span of its name.
pub(crate) fn spawn_all(context: &Context) {
    for controller in CONTROLLERS.iter().filter(|c| c.role.is_none_or(|role| role == context.plan.role)) {
        let span = tracing::info_span!("controller", name = controller.name);
        tokio::spawn((controller.run)(context.clone()).instrument(span));
    }
}

/// The kubelet's kubeconfig, once it can be used: a worker gets its certificate after it.
async fn kubelet_kubeconfig(plan: &NodePlan) -> PathBuf {
    let kubeconfig = PathBuf::from(KUBERNETES_DIR).join("kubelet.conf");
    let last = match plan.role {
        Role::ControlPlane => kubeconfig.clone(),
        Role::Worker => Paths::kubelet_certificate(),
    };
    // The user's inotify instances may be used up for a while.
    while let Err(error) = usernetes_node::wait_for_file(&last).await {
        tracing::warn!(file = %last.display(), %error, "cannot watch for the kubelet's credentials");
        tokio::time::sleep(RETRY_DELAY).await;
    }
    kubeconfig
}

/// The administrator's kubeconfig; on control planes only.
fn admin_kubeconfig() -> PathBuf {
    Path::new(KUBERNETES_DIR).join("admin.conf")
}

/// Writes a warning Event on this host's Node.
pub(crate) async fn emit_node_event(
    plan: &NodePlan,
    reason: &str,
    message: &str,
) -> Result<(), usernetes_cluster::Error> {
    let kubeconfig = kubelet_kubeconfig(plan).await;
    // As in the kubelet's own Events: kubectl describe looks for the name in `uid`.
    let node = ObjectRef {
        api_version: "v1",
        kind: "Node",
        namespace: String::new(),
        name: plan.node_name.clone(),
        uid: plan.node_name.clone(),
    };
    Cluster::connect(&kubeconfig).await?.record_event(&node, &plan.node_name, reason, message).await
}

/// Logs that a watch was lost; it is started again by itself.
fn log_lost<T>(update: Update<T>) {
    if let Update::Lost(error) = update {
        tracing::debug!(%error, "watch lost");
    }
}

/// Keeps the order in which this node's pods will be stopped: the API server may not answer then.
async fn follow_pod_priorities(context: Context) {
    let kubeconfig = kubelet_kubeconfig(&context.plan).await;
    let report = |update| match update {
        Update::State(priorities) => drop(context.priorities.send_replace(priorities)),
        lost @ Update::Lost(_) => log_lost(lost),
    };
    usernetes_cluster::follow_pod_priorities(&kubeconfig, &context.plan.node_name, report).await;
}

/// Writes Events on pods of this node whose volumes it cannot mount.
async fn report_unsupported_volumes(context: Context) {
    let kubeconfig = kubelet_kubeconfig(&context.plan).await;
    usernetes_cluster::warn_about_volumes(&kubeconfig, &context.plan.node_name, log_lost).await;
}

/// Writes Events on pods of this node with ids that it does not have.
async fn report_unknown_ids(context: Context) {
    let kubeconfig = kubelet_kubeconfig(&context.plan).await;
    let Some(last) = usernetes_rootless::last_own_id() else { return };
    usernetes_cluster::warn_about_ids(&kubeconfig, &context.plan.node_name, last.into(), log_lost).await;
}

/// Writes on every Node whether its host can be reached.
async fn write_reachability(context: Context) {
    let rules = serving_certificates::address_rules(&context);
    nodes::write_reachability(&admin_kubeconfig(), &rules, log_lost).await;
}

/// Deletes the Nodes of workers that ask for it, and keeps what an administrator has set on them.
async fn answer_leaving_nodes(_: Context) {
    nodes::answer_leaving_nodes(&admin_kubeconfig(), log_lost).await;
}

/// Writes Events on NetworkPolicies, which nothing enforces.
async fn warn_about_network_policies(_: Context) {
    usernetes_cluster::warn_about_network_policies(&admin_kubeconfig(), log_lost).await;
}

/// Writes the addresses of LoadBalancer Services.
async fn write_load_balancers(context: Context) {
    let policy = service_ports::publish_policy(&context.plan);
    usernetes_cluster::write_load_balancers(&admin_kubeconfig(), &policy, log_lost).await;
}
