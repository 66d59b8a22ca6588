//! `join`: its table and its data.

mod bundle;
mod clock;
mod discovery;
mod discovery_url;
mod kubelet_start;
mod wait;

use super::common::{NodeData, Preflight};
use super::{WorkflowData, common};
use crate::session::Session;
use crate::workflow::Workflow;
use anyhow::Result;
use serde_json::json;
use std::future::Future;
use tokio::runtime::Runtime;
use usernetes_api::Config;
use usernetes_pki::JoinToken;

/// kubeadm's phases for a worker; `discovery` and `bundle` are ours.
pub(crate) static JOIN: Workflow<JoinData> = Workflow {
    name: "join",
    phases: &[
        &discovery::Discovery,
        &Preflight,
        &bundle::JoinBundle,
        &kubelet_start::KubeletStart,
        &wait::KubeletWaitBootstrap,
        &wait::WaitNode,
    ],
};

/// What phases of `join` have in common.
pub(crate) struct JoinData {
    pub(crate) node: NodeData,
    /// The one string, where the command line had it.
    join_token: Option<JoinToken>,
    runtime: Runtime,
}

impl JoinData {
    pub(crate) fn new(session: Session, config: Config, join_token: Option<JoinToken>) -> Result<Self> {
        Ok(Self { node: NodeData::new(session, config), join_token, runtime: super::runtime()? })
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
    fn session(&self) -> &Session {
        &self.node.session
    }

    fn config(&self) -> &Config {
        &self.node.config
    }

    fn healthy(&mut self) -> Option<String> {
        let info = common::running(&self.node.session)?;
        let name = self.node.config.node_name();
        common::node_status(&info)?
            .is_ready()
            .then(|| format!("this host is node {name} already; nothing to do (usernetes-rs status shows it)"))
    }

    fn finish(&mut self, seconds: f64) -> Result<()> {
        let name = self.node.config.node_name();
        let printer = &self.node.session.printer;
        printer.event("result", json!({ "seconds": seconds, "node": name }));
        printer.result(&format!("Node {name} joined in {seconds:.1} s."));
        printer.result("  usernetes-rs kubectl get nodes     (on the control-plane host)");
        Ok(())
    }
}
