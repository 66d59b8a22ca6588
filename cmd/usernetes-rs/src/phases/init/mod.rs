//! `init`: its table and its data.

mod addon;
mod bootstrap_token;
mod certs;
mod kubeconfig;
mod mark_control_plane;
mod show_join_command;
mod upload_config;
mod wait_control_plane;
mod wait_dns;

use super::common::{NodeStart, Preflight, VerifyBundle};
use super::{WorkflowData, common};
use crate::cli::InitArgs;
use crate::session::Session;
use crate::workflow::Workflow;
use anyhow::Result;
pub(crate) use show_join_command::merged_name;
use std::future::Future;
use std::rc::Rc;
use tokio::runtime::Runtime;
use usernetes_api::Config;
use usernetes_api::constants::KUBERNETES_DIR;
use usernetes_cluster::Cluster;
use usernetes_pki::Secret;

/// kubeadm's phases. `bundle`, `node-start` and `wait-dns` are ours; the static-Pod phases `etcd`, `control-plane` and
/// `kubelet-start` are one, `node-start`. `addon` comes first of those that speak to the API server, and not last,
/// because pods take longest to start; nothing of the others depends on it.
pub(crate) static INIT: Workflow<InitData> = Workflow {
    name: "init",
    phases: &[
        &Preflight,
        &VerifyBundle,
        &certs::Certs,
        &kubeconfig::Kubeconfig,
        &NodeStart,
        &wait_control_plane::WaitControlPlane,
        &addon::Addon,
        &upload_config::UploadConfig,
        &bootstrap_token::BootstrapToken,
        &mark_control_plane::MarkControlPlane,
        &wait_dns::WaitDns,
        &show_join_command::ShowJoinCommand,
    ],
};

/// What phases of `init` have in common: the resolved documents and the ways to the host, the cluster and the user.
pub(crate) struct InitData {
    pub(crate) node: common::NodeData,
    merge_kubeconfig: bool,
    skip_token_print: bool,
    /// For the closing words only; made by `show-join-command`.
    join_command: Option<Secret>,
    cluster: Option<Rc<Cluster>>,
    runtime: Runtime,
}

impl InitData {
    pub(crate) fn new(session: Session, config: Config, args: &InitArgs) -> Result<Self> {
        Ok(Self {
            node: common::NodeData::new(session, config),
            merge_kubeconfig: args.merge_kubeconfig,
            skip_token_print: args.skip_token_print,
            join_command: None,
            cluster: None,
            runtime: super::runtime()?,
        })
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// The API server, as administrator; connected at first use.
    fn cluster(&mut self) -> Result<Rc<Cluster>> {
        if self.cluster.is_none() {
            let path = self.node.session.paths.node(KUBERNETES_DIR).join("admin.conf");
            self.cluster = Some(Rc::new(self.runtime.block_on(Cluster::connect(&path))?));
        }
        Ok(Rc::clone(self.cluster.as_ref().expect("just made")))
    }
}

impl InitData {
    /// Whether components are ready and the cluster says so of the node; `None` where nobody can say.
    fn is_well(&mut self, name: &str) -> Option<bool> {
        let info = common::running(&self.node.session)?;
        if !common::node_status(&info)?.is_ready() {
            return Some(false);
        }
        let cluster = self.cluster().ok()?;
        Some(self.block_on(cluster.node(name)).ok()?.is_some_and(|node| node.ready))
    }

    /// The administrator's rights, and the connection of `admin.conf`.
    fn ensure_admins(&mut self) -> Result<()> {
        let folder = self.node.session.paths.node(KUBERNETES_DIR);
        let (admin, super_admin) = (folder.join("admin.conf"), folder.join("super-admin.conf"));
        let cluster = self.runtime.block_on(usernetes_cluster::ensure_cluster_admins(&admin, &super_admin))?;
        self.cluster = Some(Rc::new(cluster));
        Ok(())
    }
}

impl AsMut<common::NodeData> for InitData {
    fn as_mut(&mut self) -> &mut common::NodeData {
        &mut self.node
    }
}

impl WorkflowData for InitData {
    fn session(&self) -> &Session {
        &self.node.session
    }

    fn config(&self) -> &Config {
        &self.node.config
    }

    fn healthy(&mut self) -> Result<Option<String>> {
        let name = self.node.config.node_name().to_owned();
        let well = self.is_well(&name).unwrap_or(false);
        Ok(well.then(|| format!("node {name} is up and Ready; nothing to do (usernetes-rs status shows it)")))
    }

    fn finish(&mut self, seconds: f64) -> Result<()> {
        show_join_command::closing_words(self, seconds)
    }
}
