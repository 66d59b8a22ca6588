//! `status`: the node of this host in one picture; the exit code says whether it is well.

use super::certs::columns;
use super::start::unfinished;
use crate::daemon::{self, Request, address};
use crate::phases::{common, runtime};
use crate::session::Session;
use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;
use std::net::IpAddr;
use std::process::ExitCode;
use usernetes_api::constants::{KUBERNETES_DIR, PKI_DIR};
use usernetes_api::{CgroupMode, Config, PortSpec};
use usernetes_cluster::BlockedPod;
use usernetes_cluster::nodes::NodeInfo;
use usernetes_node::{NodePlan, NodeStatus, Role};
use usernetes_pki::{Expiration, expiry};
use usernetes_rootless::control::Info;

/// What `-o json` shows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    cluster: String,
    healthy: bool,
    running: bool,
    node: NodeView,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<NetworkView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    components: Option<NodeStatus>,
    ports: Vec<PortSpec>,
    /// What was wanted on the host and could not be had.
    port_conflicts: Vec<String>,
    /// When the first of them expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificates_expire: Option<Timestamp>,
    /// Those without an `authority` are CAs.
    certificates: Vec<Expiration>,
    warnings: Vec<String>,
    /// What brings up a node that does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeView {
    name: String,
    role: Role,
    host_ip: IpAddr,
    kubernetes_version: String,
    cgroups: CgroupMode,
    /// As the API server says; absent when it cannot be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    ready: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NetworkView {
    driver: String,
    restarts: u32,
    child_pid: i32,
    started: Timestamp,
}

pub(crate) fn status(session: &Session) -> Result<ExitCode> {
    let config = session.config()?;
    let status = gather(session, &config)?;
    session.printer.object(&status);
    if !session.printer.json() {
        show(session, &status);
    }
    Ok(ExitCode::from(u8::from(!status.healthy)))
}

fn gather(session: &Session, config: &Config) -> Result<Status> {
    let plan = NodePlan::load(&session.paths)?;
    let info = common::running(session);
    let components = info.as_ref().and_then(common::node_status);
    let asked = info.as_ref().and_then(|_| ask_node(session, config));
    let removed = asked == Some(None) && common::has_joined(session);
    let node = asked.flatten();
    let ready = node.as_ref().map(|node| node.ready);
    let cgroups = plan.as_ref().map_or(CgroupMode::None, |plan| plan.cgroups);
    let ports = match &info {
        Some(_) => daemon::process::connect(session)?.ports()?.iter().map(|p| p.forward.spec).collect(),
        None => Vec::new(),
    };
    let role = if config.join.is_some() { Role::Worker } else { Role::ControlPlane };
    let lost = address::describe(config, &address::fate(session, config));
    let healthy =
        components.as_ref().is_some_and(NodeStatus::is_ready) && ready != Some(false) && lost.is_none() && !removed;
    let report = certificates(session, role);
    let hint = match info {
        Some(_) => None,
        None => Some(unfinished(session, config)?.unwrap_or_else(|| {
            let flag = session.cluster_flag();
            format!("usernetes-rs{flag} start brings it up")
        })),
    };
    Ok(Status {
        cluster: session.paths.cluster.to_string(),
        healthy,
        running: info.is_some(),
        node: NodeView {
            name: config.node_name().to_owned(),
            role,
            host_ip: config.host_ip(),
            kubernetes_version: config.cluster.kubernetes_version.clone(),
            cgroups,
            ready,
        },
        network: info.as_ref().map(network),
        components,
        ports,
        port_conflicts: if info.is_some() { port_conflicts(session) } else { Vec::new() },
        certificates_expire: report.as_ref().and_then(|report| report.next()?.expires),
        certificates: report.map(|r| [r.certificates, r.certificate_authorities].concat()).unwrap_or_default(),
        warnings: warnings(cgroups)
            .into_iter()
            .chain(lost)
            .chain(removed.then(|| was_removed(session, config)))
            .chain(node.iter().flat_map(|node| &node.pressure).map(|what| under_pressure(what)))
            .chain(if ready.is_some() { held_pods(session) } else { Vec::new() })
            .collect(),
        hint,
    })
}

fn port_conflicts(session: &Session) -> Vec<String> {
    let answer = daemon::process::ask(session, &Request::Conflicts {}, std::time::Duration::from_secs(5));
    answer.ok().and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default()
}

fn network(info: &Info) -> NetworkView {
    NetworkView {
        driver: info.network.driver.to_string(),
        restarts: info.network.restarts,
        child_pid: info.child_pid,
        started: Timestamp::from_second(info.started.try_into().unwrap_or(0)).unwrap_or(Timestamp::UNIX_EPOCH),
    }
}

/// The Node, asked with whatever credentials this host has; the inner `None` when there is no such Node.
#[expect(clippy::option_option, reason = "who does not answer, and who answers that there is none")]
fn ask_node(session: &Session, config: &Config) -> Option<Option<NodeInfo>> {
    let folder = session.paths.node(KUBERNETES_DIR);
    let kubeconfig = ["admin.conf", "kubelet.conf"].into_iter().find(|name| folder.join(name).exists())?;
    let patience = std::time::Duration::from_secs(5);
    runtime().ok()?.block_on(async {
        let node = async { common::connect(session, kubeconfig).await.ok()?.node(config.node_name()).await.ok() };
        tokio::time::timeout(patience, node).await.ok()?
    })
}

fn certificates(session: &Session, role: Role) -> Option<expiry::Report> {
    if role == Role::Worker {
        return None;
    }
    expiry::check(&session.paths.node(KUBERNETES_DIR), &session.paths.node(PKI_DIR)).ok()
}

fn warnings(cgroups: CgroupMode) -> Vec<String> {
    match cgroups {
        CgroupMode::Delegated => Vec::new(),
        CgroupMode::None => vec![
            "cgroups are not delegated: limits of pods are not enforced and their usage is not counted (see usernetes-rs preflight)".into(),
        ],
    }
}

/// The kubelet keeps new pods away, and goes on with it for a while after the cause is gone.
fn under_pressure(what: &str) -> String {
    let hint = match what {
        "DiskPressure" => "free space where the cluster's state lies",
        "MemoryPressure" => "end what takes the host's memory",
        _ => "end what takes the host's processes",
    };
    format!("{what}: no new pods on this node, and some are evicted; {hint}, and wait up to five minutes")
}

/// Pods that do not start because of a limit of their host. Only administrators may read the events of all.
fn held_pods(session: &Session) -> Vec<String> {
    const ADMIN: &str = "admin.conf";
    let patience = std::time::Duration::from_secs(5);
    if !session.paths.node(KUBERNETES_DIR).join(ADMIN).exists() {
        return Vec::new();
    }
    let ask = async { common::connect(session, ADMIN).await.ok()?.list_blocked_pods().await.ok() };
    let held =
        runtime().ok().and_then(|runtime| runtime.block_on(async { tokio::time::timeout(patience, ask).await.ok()? }));
    let say = |blocked: BlockedPod| {
        let BlockedPod { pod, node, limit } = blocked;
        format!(
            "pod {pod} does not start: the host of {node} has reached its limit {}; there: {}",
            limit.setting, limit.hint
        )
    };
    held.unwrap_or_default().into_iter().map(say).collect()
}

fn was_removed(session: &Session, config: &Config) -> String {
    let (name, flag) = (config.node_name(), session.cluster_flag());
    format!(
        "the cluster has no node {name} (any more); usernetes-rs{flag} reset cleans this host, usernetes-rs{flag} stop \
         and start registers the node again"
    )
}

fn show(session: &Session, status: &Status) {
    let say = |text: &str| session.printer.result(text);
    let node = &status.node;
    let ready = match node.ready {
        Some(true) => "Ready",
        Some(false) => "NotReady",
        None => "unknown to us",
    };
    let role = if node.role == Role::ControlPlane { "control plane" } else { "worker" };
    say(&format!(
        "cluster  {}  {}",
        status.cluster,
        if status.healthy {
            "healthy"
        } else if status.running {
            "not healthy"
        } else {
            "not running"
        }
    ));
    say(&format!("node     {} ({role})  {ready}  {}", node.name, node.kubernetes_version));
    say(&format!("host     {}  cgroups {}", node.host_ip, common::mode(node.cgroups)));
    if let Some(network) = &status.network {
        say(&format!(
            "network  {}, restarted {} times; PID 1 of the node is {}",
            network.driver, network.restarts, network.child_pid
        ));
    }
    if let Some(expires) = status.certificates_expire {
        say(&format!("certs    the first expires {}", expires.strftime("%Y-%m-%d")));
    }
    if let Some(components) = &status.components {
        let row = |c: &usernetes_node::ComponentStatus| {
            let detail = c.waits_for.as_ref().map(|w| format!("waits for {w}")).or_else(|| c.last_exit.clone());
            let pid = c.pid.map_or("-".into(), |pid| pid.to_string());
            vec![c.name.to_string(), format!("{:?}", c.state), pid, c.restarts.to_string(), detail.unwrap_or_default()]
        };
        say("");
        say(&columns(
            &["COMPONENT", "STATE", "PID", "RESTARTS", ""],
            &components.components.iter().map(row).collect::<Vec<_>>(),
        ));
    }
    if !status.ports.is_empty() {
        say("");
        say(&format!(
            "ports    {}",
            status.ports.iter().map(|p| format!("{}/{}", p.host, p.protocol)).collect::<Vec<_>>().join("  ")
        ));
    }
    for warning in status.warnings.iter().chain(&status.port_conflicts) {
        session.printer.warn(warning);
    }
    if let Some(hint) = &status.hint {
        say(&format!("\n{hint}"));
    }
}
