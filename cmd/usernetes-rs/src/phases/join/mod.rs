//! `join`: its table and its data.

mod bundle;
mod clock;
mod discovery;
mod kubelet_start;
mod wait;

pub(crate) use discovery::discovery_file;

use super::common::{NodeData, Preflight};
use super::{WorkflowData, common};
use crate::errors::Hinted;
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

    fn healthy(&mut self) -> Result<Option<String>> {
        let session = &self.node.session;
        let components = common::running(session).as_ref().and_then(common::node_status);
        if !components.is_some_and(|status| status.is_ready()) {
            return Ok(None);
        }
        let name = self.node.config.node_name();
        // Who cannot ask goes on, and says why.
        let asked =
            self.block_on(async { anyhow::Ok(common::connect(session, "kubelet.conf").await?.node(name).await?) });
        match asked {
            Ok(Some(node)) if node.ready => {
                Ok(Some(format!("this host is node {name} already; nothing to do (usernetes-rs status shows it)")))
            }
            Ok(None) => Err(removed(session, name).into()),
            _ => Ok(None),
        }
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

/// A kubelet registers its node when it starts and only then, so that going on would wait in vain.
fn removed(session: &Session, name: &str) -> Hinted {
    let flag = session.cluster_flag();
    let cure = format!(
        "usernetes-rs{flag} reset, then join again; or usernetes-rs{flag} stop and start, which register the node under \
         its old certificate"
    );
    Hinted::new(
        format!("this host runs as node {name}, but its cluster has no such node any more: it was removed"),
        cure,
    )
}
