//! `join`: its table and its data.

mod bundle;
mod clock;
mod discovery;
mod kubelet_start;
mod kubelet_wait_bootstrap;
mod wait_node;

pub(crate) use discovery::read_discovery_file;

use super::run::WorkflowData;
use super::{NodeData, preflight};
use crate::errors::Hinted;
use crate::session::{KUBELET_CONF, Session};
use crate::workflow::Workflow;
use anyhow::Result;
use serde_json::json;
use tokio::runtime::Runtime;
use usernetes_api::Config;
use usernetes_pki::JoinToken;

/// kubeadm's phases for a worker; `discovery`, `bundle` and `wait-node` are ours.
pub(crate) static JOIN: Workflow<JoinData> = Workflow {
    name: "join",
    phases: &[
        discovery::PHASE,
        preflight::phase(),
        bundle::PHASE,
        kubelet_start::PHASE,
        kubelet_wait_bootstrap::PHASE,
        wait_node::PHASE,
    ],
    foreign: &[
        "control-plane-prepare",
        "control-plane-prepare/download-certs",
        "control-plane-prepare/certs",
        "control-plane-prepare/kubeconfig",
        "control-plane-prepare/control-plane",
        "etcd-join",
        "control-plane-join",
        "control-plane-join/etcd",
        "control-plane-join/mark-control-plane",
        "wait-control-plane",
    ],
};

/// What phases of `join` have in common.
pub(crate) struct JoinData {
    pub(crate) node: NodeData,
    /// The join token, where the command line had one.
    join_token: Option<JoinToken>,
    runtime: Runtime,
}

impl JoinData {
    pub(crate) fn new(session: Session, config: Config, join_token: Option<JoinToken>) -> Result<Self> {
        Ok(Self { node: NodeData::new(session, config), join_token, runtime: usernetes_daemon::runtime()? })
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }
}

impl AsMut<NodeData> for JoinData {
    fn as_mut(&mut self) -> &mut NodeData {
        &mut self.node
    }
}

impl WorkflowData for JoinData {
    fn workflow() -> &'static Workflow<Self> {
        &JOIN
    }

    fn session(&self) -> &Session {
        &self.node.session
    }

    fn config(&self) -> &Config {
        &self.node.config
    }

    fn check_healthy(&mut self) -> Result<Option<String>> {
        let session = &self.node.session;
        if !session.instance.node_status().is_some_and(|status| status.is_ready()) {
            return Ok(None);
        }
        let name = self.node.config.node_name();
        // Where the API server cannot be asked, the phases run and report why.
        let asked = self.block_on(async { anyhow::Ok(session.api_server(KUBELET_CONF).await?.node(name).await?) });
        match asked {
            Ok(Some(node)) if node.ready => {
                Ok(Some(format!("this host is node {name} already; nothing to do (usernetes-rs status shows it)")))
            }
            Ok(None) => Err(removed_node(session, name).into()),
            _ => Ok(None),
        }
    }

    fn print_result(&mut self, seconds: f64) -> Result<()> {
        let name = self.node.config.node_name();
        let printer = &self.node.session.printer;
        printer.event("result", json!({ "seconds": seconds, "node": name }));
        printer.result(&format!("Node {name} joined in {seconds:.1} s."));
        printer.result("  usernetes-rs kubectl get nodes     (on the control-plane host)");
        Ok(())
    }
}

/// A kubelet registers its Node at its start only, so the phases would wait in vain.
fn removed_node(session: &Session, name: &str) -> Hinted {
    let flag = session.cluster_flag();
    let hint = format!(
        "usernetes-rs{flag} reset, then join again; or usernetes-rs{flag} stop and start, which register the node under \
         its old certificate"
    );
    Hinted::new(
        format!("this host runs as node {name}, but the cluster has no such node any more: it was removed"),
        hint,
    )
}
