//! Phases that `init` and `join` share: the host's part of a node.

use super::checks;
use crate::errors::{Hinted, PreflightFailed};
use crate::session::Session;
use crate::workflow::Phase;
use crate::{daemon, ui};
use anyhow::{Context as _, Result};
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use usernetes_api::constants::{KUBELET_DIR, KUBERNETES_DIR, PKI_DIR};
use usernetes_api::{CgroupMode, Config};
use usernetes_cluster::Cluster;
use usernetes_host::fs;
use usernetes_node::bundle::{self, Bundle, Check};
use usernetes_node::{ComponentName, NodePlan, NodeStatus, State, logs};
use usernetes_pki::{BootstrapToken, BundleIdentity, CaCertHash, Endpoint, JoinToken};
use usernetes_rootless::control::{Client, Info};

/// The host's part of a workflow's data.
pub(crate) struct NodeData {
    pub(crate) session: Session,
    pub(crate) config: Config,
    bundle: Option<Rc<Bundle>>,
    /// A report of the kubelet from before this moment is from an earlier life.
    started: Timestamp,
}

impl NodeData {
    pub(crate) fn new(session: Session, config: Config) -> Self {
        Self { session, config, bundle: None, started: Timestamp::UNIX_EPOCH }
    }

    /// When this run started the node; the beginning of time when it did not.
    pub(crate) fn started(&self) -> Timestamp {
        self.started
    }
    /// The bundle in use, found at first need.
    pub(crate) fn bundle(&mut self) -> Result<Rc<Bundle>> {
        if self.bundle.is_none() {
            let found = bundle::find(&self.config, &self.session.paths.bundles())?;
            self.bundle = Some(Rc::new(found));
        }
        Ok(Rc::clone(self.bundle.as_ref().expect("just found")))
    }
}

/// Whether bridged packets pass netfilter: br_netfilter, once loaded by an administrator, is there in every network
/// namespace.
pub(crate) fn bridge_netfilter() -> bool {
    std::path::Path::new("/proc/sys/net/bridge/bridge-nf-call-iptables").exists()
}

/// `preflight`.
pub(crate) struct Preflight;

impl<D: AsMut<NodeData>> Phase<D> for Preflight {
    fn name(&self) -> &'static str {
        "preflight"
    }

    fn short(&self) -> &'static str {
        "Check whether this host can be a node"
    }

    fn run(&self, data: &mut D, _: &[&'static str]) -> Result<String> {
        let node = data.as_mut();
        let findings = checks::all(&node.session, &node.config);
        let errors = checks::errors(&findings);
        if !errors.is_empty() {
            // The errors are shown with the failure; here only what would be lost.
            node.session.printer.findings(&checks::warnings(&findings));
            return Err(PreflightFailed(errors).into());
        }
        node.session.printer.findings(&findings);
        Ok(checks::summary(&findings))
    }
}

/// `bundle`.
pub(crate) struct VerifyBundle;

impl<D: AsMut<NodeData>> Phase<D> for VerifyBundle {
    fn name(&self) -> &'static str {
        "bundle"
    }

    fn short(&self) -> &'static str {
        "Find the node's software and check every checksum"
    }

    fn run(&self, data: &mut D, _: &[&'static str]) -> Result<String> {
        let node = data.as_mut();
        let bundle = node.bundle()?;
        let verified = bundle.verify(&node.session.paths.bundles(), Check::Changed, &|_| {})?;
        Ok(format!("{}, {} files verified", bundle.manifest().name, verified.files))
    }
}

/// `node-start`.
pub(crate) struct NodeStart;

impl<D: AsMut<NodeData>> Phase<D> for NodeStart {
    fn name(&self) -> &'static str {
        "node-start"
    }

    fn short(&self) -> &'static str {
        "Start the node in its namespaces"
    }

    fn run(&self, data: &mut D, _: &[&'static str]) -> Result<String> {
        start(data.as_mut())
    }
}

/// Keeps this program beside the state and starts the parent from there, unless it runs already.
pub(crate) fn start(node: &mut NodeData) -> Result<String> {
    if let Some(info) = running(&node.session) {
        return Ok(format!("already running, cgroups {}", mode(info.cgroup)));
    }
    // Not by its name: it may have been replaced since we were started.
    fs::copy_if_changed("/proc/self/exe", node.session.paths.program(), fs::Mode::Program)?;
    node.started = Timestamp::now();
    let how = daemon::process::start(&node.session)?;
    let info = running(&node.session).context("the node ended right after its start")?;
    Ok(format!("{how}, cgroups {}, network {}", mode(info.cgroup), info.network.driver))
}

/// After `start`: until every component of the node is ready.
pub(crate) fn wait_started(node: &NodeData) -> Result<()> {
    let limit = node.config.timeouts().control_plane_component_health_check.0;
    let plan = NodePlan::load(&node.session.paths)?.context("the running node has left no plan")?;
    let all: Vec<_> = usernetes_node::components(&plan).into_iter().map(|component| component.name).collect();
    daemon::process::wait_for_components(&node.session, &all, limit)
}

/// The link that a kubelet keeps to its certificate.
pub(crate) fn kubelet_certificate() -> PathBuf {
    Path::new(KUBELET_DIR).join("pki/kubelet-client-current.pem")
}

/// Whether a joined node's kubelet has its certificate. Seen from the host the link leads nowhere.
pub(crate) fn has_joined(session: &Session) -> bool {
    session.paths.node(kubelet_certificate()).symlink_metadata().is_ok()
}

/// The API server, with the credentials of one of the node's own kubeconfigs.
pub(crate) async fn connect(session: &Session, name: &str) -> Result<Cluster> {
    let path = session.paths.node(KUBERNETES_DIR).join(name);
    Ok(Cluster::connect_from_outside(&path, &|inside| session.paths.node(inside)).await?)
}

/// The documents of a control plane, for commands that only its host has anything for.
pub(crate) fn control_plane(session: &Session) -> Result<Config> {
    let config = session.config()?;
    if config.join.is_some() {
        let message = "this host is no control plane: it joined the cluster as a worker";
        return Err(Hinted::new(message, "run it on the control-plane host").into());
    }
    Ok(config)
}

/// The API server with the administrator's rights.
pub(crate) async fn administrator(session: &Session) -> Result<Cluster> {
    control_plane(session)?;
    daemon::process::connect(session)?;
    connect(session, "admin.conf").await
}

/// For people.
pub(crate) fn mode(mode: CgroupMode) -> &'static str {
    match mode {
        CgroupMode::Delegated => "delegated",
        CgroupMode::None => "none",
    }
}

/// The running node of this cluster, if there is one.
pub(crate) fn running(session: &Session) -> Option<Info> {
    Client::connect(&daemon::process::runtime(&session.paths)).ok()?.info().ok()
}

/// What the supervisor says.
pub(crate) fn node_status(info: &Info) -> Option<NodeStatus> {
    serde_json::from_value(info.status.clone()).ok()
}

/// The last lines of every component that is not well, or that has ended before.
pub(crate) fn show_logs_of_failing(session: &Session) {
    let Some(status) = running(session).as_ref().and_then(node_status) else { return };
    let failing = |c: &&usernetes_node::ComponentStatus| c.state == State::BackOff || c.restarts > 0;
    for component in status.components.iter().filter(failing) {
        show_log(session, component.name);
    }
}

fn show_log(session: &Session, name: ComponentName) {
    let Ok(lines) = logs::tail(&session.paths.logs(), name, 10) else { return };
    if session.printer.json() {
        session.printer.event("log", serde_json::json!({ "component": name, "lines": lines }));
        return;
    }
    ui::err(&format!("last lines of {name}:"));
    for line in lines {
        ui::err(&format!("  {line}"));
    }
}

/// The one string with which another host joins.
pub(crate) fn join_token(session: &Session, config: &Config, token: &BootstrapToken) -> Result<JoinToken> {
    let ca = fs::read(session.paths.node(PKI_DIR).join("ca.crt"))?;
    let bundle = bundle::find(config, &session.paths.bundles())?;
    let (host, port) = config.control_plane_endpoint();
    Ok(JoinToken {
        endpoints: vec![Endpoint { host, port }],
        ca_cert_hash: CaCertHash::of_pem(&ca)?,
        token: token.clone(),
        cluster: session.paths.cluster.clone(),
        vxlan_port: config.rootless.ports.vxlan,
        bundle: BundleIdentity {
            kubernetes_version: bundle.manifest().kubernetes_version.clone(),
            sha256: digest(bundle.digest())?,
        },
    })
}

fn digest(hex: &str) -> Result<[u8; 32]> {
    let byte = |i: usize| hex.get(2 * i..2 * i + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let bytes: Option<Vec<u8>> = (0..32).map(byte).collect();
    bytes.and_then(|bytes| bytes.try_into().ok()).context("not a SHA-256")
}
