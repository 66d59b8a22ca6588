//! `init`: its table and its data.

mod addon;
mod bootstrap_token;
mod certs;
mod etcd_data;
mod kubeconfig;
mod mark_control_plane;
mod show_join_command;
mod upload_config;
mod wait_control_plane;
mod wait_dns;

use super::run::WorkflowData;
use super::{NodeData, bundle, node_start, preflight};
use crate::journal::Journal;
use crate::session::{ADMIN_CONF, Session};
use crate::workflow::Workflow;
use anyhow::Result;
pub(crate) use show_join_command::{KUBECONFIG_LOCK_LIMIT, merged_name};
use std::rc::Rc;
use tokio::runtime::Runtime;
use usernetes_api::Config;
use usernetes_cluster::Cluster;
use usernetes_pki::Secret;
pub(in crate::phases) use wait_dns::dns_request;

/// kubeadm's phases. `bundle`, `node-start` and `wait-dns` are ours; the static-Pod phases `etcd`, `control-plane` and
/// `kubelet-start` are one, `node-start`. `addon` is the first that talks to the API server, and not the last, because pods
/// take longest to start; no other phase depends on its place.
pub(crate) static INIT: Workflow<InitData> = Workflow {
    name: "init",
    phases: &[
        preflight::phase(),
        bundle::phase(),
        certs::PHASE,
        kubeconfig::PHASE,
        node_start::phase(),
        wait_control_plane::PHASE,
        addon::PHASE,
        upload_config::PHASE,
        bootstrap_token::PHASE,
        mark_control_plane::PHASE,
        wait_dns::PHASE,
        show_join_command::PHASE,
    ],
    foreign: &[
        "etcd",
        "etcd/local",
        "control-plane",
        "control-plane/apiserver",
        "control-plane/controller-manager",
        "control-plane/scheduler",
        "kubelet-start",
        "kubelet-finalize",
        "kubelet-finalize/enable-client-cert-rotation",
        "upload-config/kubeadm",
        "upload-config/kubelet",
        "upload-certs",
    ],
};

/// Options of `init` that are not part of the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InitOptions {
    /// Add the cluster to `~/.kube/config`.
    pub(crate) merge_kubeconfig: bool,
    /// Leave the join command out of the result.
    pub(crate) skip_token_print: bool,
}

/// What phases of `init` have in common.
pub(crate) struct InitData {
    pub(crate) node: NodeData,
    options: InitOptions,
    /// Made by `show-join-command` for the result of the whole run.
    join_token: Option<Secret>,
    cluster: Option<Rc<Cluster>>,
    runtime: Runtime,
}

impl InitData {
    pub(crate) fn new(session: Session, config: Config, options: InitOptions) -> Result<Self> {
        let runtime = usernetes_daemon::runtime()?;
        Ok(Self { node: NodeData::new(session, config), options, join_token: None, cluster: None, runtime })
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// The API server, as administrator; connected at first use.
    fn cluster(&mut self) -> Result<Rc<Cluster>> {
        if self.cluster.is_none() {
            let path = self.node.session.kubeconfig(ADMIN_CONF);
            self.cluster = Some(Rc::new(self.runtime.block_on(Cluster::connect(&path))?));
        }
        Ok(Rc::clone(self.cluster.as_ref().expect("just made")))
    }

    /// Whether components are ready and the Node is; `None` where that cannot be found out.
    fn is_node_ready(&mut self, name: &str) -> Option<bool> {
        if !self.node.session.instance.node_status()?.is_ready() {
            return Some(false);
        }
        let cluster = self.cluster().ok()?;
        Some(self.block_on(cluster.node(name)).ok()?.is_some_and(|node| node.ready))
    }

    /// Binds the administrator's rights, and connects with `admin.conf`.
    fn ensure_admins(&mut self) -> Result<()> {
        let admin = self.node.session.kubeconfig(ADMIN_CONF);
        let super_admin = self.node.session.kubeconfig("super-admin.conf");
        let cluster = self.runtime.block_on(usernetes_cluster::ensure_cluster_admins(&admin, &super_admin))?;
        self.cluster = Some(Rc::new(cluster));
        Ok(())
    }
}

impl AsMut<NodeData> for InitData {
    fn as_mut(&mut self) -> &mut NodeData {
        &mut self.node
    }
}

impl WorkflowData for InitData {
    fn workflow() -> &'static Workflow<Self> {
        &INIT
    }

    fn session(&self) -> &Session {
        &self.node.session
    }

    fn config(&self) -> &Config {
        &self.node.config
    }

    fn check_healthy(&mut self) -> Result<Option<String>> {
        let name = self.node.config.node_name().to_owned();
        let ready = self.is_node_ready(&name).unwrap_or(false);
        Ok(ready.then(|| format!("node {name} is up and Ready; nothing to do (usernetes-rs status shows it)")))
    }

    fn prepare(&mut self, journal: &Journal) -> Result<()> {
        let session = &self.node.session;
        if session.instance.is_alive()? {
            return Ok(());
        }
        if let Some(aside) = etcd_data::set_aside(&self.node.config.etcd_data_dir(session.paths()), journal)? {
            let message = format!("etcd did not finish its first start and begins anew; old data: {}", aside.display());
            session.printer.note(&message);
        }
        Ok(())
    }

    fn print_result(&mut self, seconds: f64) -> Result<()> {
        show_join_command::print_result(self, seconds)
    }

    /// A token that was deleted or has expired must not come back with the next `init`.
    fn completed_config(&self) -> Config {
        self.config().clone().without_bootstrap_tokens()
    }
}
