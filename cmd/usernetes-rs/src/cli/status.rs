//! `status`: the node of this host at a glance; the exit code is 0 when it is healthy.

mod view;

use super::start::resume_hint;
use crate::session::{ADMIN_CONF, KUBELET_CONF, Session, block_on};
use anyhow::Result;
use jiff::Timestamp;
use std::process::ExitCode;
use std::time::Duration;
use usernetes_api::constants::{KUBERNETES_DIR, PKI_DIR};
use usernetes_api::{CgroupMode, Config};
use usernetes_cluster::BlockedPod;
use usernetes_cluster::nodes::NodeInfo;
use usernetes_daemon::{Request, host_ip};
use usernetes_node::{NodePlan, NodeStatus, Role};
use usernetes_pki::expiry::{self, ValidityProblem};
use usernetes_rootless::control::Info;
use view::{NetworkView, NodeView, Status};

/// Longest wait for an answer of the API server or of the node.
const API_LIMIT: Duration = Duration::from_secs(5);

pub(crate) fn run(session: &Session) -> Result<ExitCode> {
    let config = session.config()?;
    let status = collect_status(session, &config)?;
    session.printer.object(&status);
    if !session.printer.json() {
        status.print(session);
    }
    Ok(ExitCode::from(u8::from(!status.healthy)))
}

fn collect_status(session: &Session, config: &Config) -> Result<Status> {
    let plan = NodePlan::load(session.paths())?;
    let info = session.instance.info();
    let components = info.as_ref().and_then(usernetes_daemon::status_of);
    let asked = info.as_ref().and_then(|_| ask_node(session, config));
    let removed = asked == Some(None) && session.paths().has_joined();
    let node = asked.flatten();
    let ready = node.as_ref().map(|node| node.ready);
    let cgroups = plan.as_ref().map_or(CgroupMode::None, |plan| plan.host.cgroups);
    let ports = match &info {
        Some(_) => session.instance.connect()?.ports()?.iter().map(|p| p.forward.spec).collect(),
        None => Vec::new(),
    };
    let role = Role::of(config);
    let lost = host_ip::describe_loss(config, &host_ip::host_ip_state(&session.instance, config));
    let healthy =
        components.as_ref().is_some_and(NodeStatus::is_ready) && ready != Some(false) && lost.is_none() && !removed;
    let report = check_certificates(session, role);
    let expired = report.as_ref().is_some_and(has_expired);
    let validity = report.as_ref().map(describe_validity).unwrap_or_default();
    let hint = match info {
        Some(_) => None,
        None => Some(resume_hint(session, config)?.unwrap_or_else(|| {
            let flag = session.cluster_flag();
            format!("usernetes-rs{flag} start")
        })),
    };
    Ok(Status {
        cluster: session.paths().cluster.to_string(),
        healthy: healthy && !expired,
        running: info.is_some(),
        node: NodeView {
            name: config.node_name().to_owned(),
            role,
            host_ip: config.host_ip(),
            kubernetes_version: config.cluster.kubernetes_version.clone(),
            cgroups,
            ready,
        },
        network: info.as_ref().map(network_view),
        components,
        ports,
        port_conflicts: if info.is_some() { port_conflicts(session) } else { Vec::new() },
        certificates_expire: report.as_ref().and_then(|report| report.next()?.expires),
        certificates: report.map(|r| [r.certificates, r.certificate_authorities].concat()).unwrap_or_default(),
        warnings: cgroup_warnings(cgroups)
            .into_iter()
            .chain(lost)
            .chain(validity)
            .chain(removed.then(|| describe_removal(session, config)))
            .chain(node.iter().flat_map(|node| &node.pressure).map(|condition| describe_pressure(condition)))
            .chain(if ready.is_some() { blocked_pods(session) } else { Vec::new() })
            .collect(),
        hint,
    })
}

fn port_conflicts(session: &Session) -> Vec<String> {
    let answer = session.instance.ask(&Request::PortConflicts {}, API_LIMIT);
    answer.ok().and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default()
}

fn network_view(info: &Info) -> NetworkView {
    NetworkView {
        driver: info.network.driver.to_string(),
        restarts: info.network.restarts,
        child_pid: info.child_pid,
        started: Timestamp::from_second(info.started.try_into().unwrap_or(0)).unwrap_or(Timestamp::UNIX_EPOCH),
    }
}

/// The Node, asked with the credentials that this host has; the inner `None` when there is no such Node.
#[expect(clippy::option_option, reason = "no answer, and the answer that there is no Node")]
fn ask_node(session: &Session, config: &Config) -> Option<Option<NodeInfo>> {
    let kubeconfig = [ADMIN_CONF, KUBELET_CONF].into_iter().find(|name| session.kubeconfig(name).exists())?;
    block_on(async {
        let node = async { session.api_server(kubeconfig).await.ok()?.node(config.node_name()).await.ok() };
        tokio::time::timeout(API_LIMIT, node).await.ok()?
    })
    .ok()?
}

fn check_certificates(session: &Session, role: Role) -> Option<expiry::Report> {
    if role == Role::Worker {
        return None;
    }
    expiry::check(&session.paths().node(KUBERNETES_DIR), &session.paths().node(PKI_DIR)).ok()
}

fn has_expired(report: &expiry::Report) -> bool {
    report.validity_problems(Timestamp::now()).any(|(_, problem)| !matches!(problem, ValidityProblem::Soon(_)))
}

fn describe_validity(report: &expiry::Report) -> Vec<String> {
    let problems = report.validity_problems(Timestamp::now());
    problems.map(|(entry, problem)| format!("{} {problem}; hint: {}", entry.name, entry.hint(problem))).collect()
}

fn cgroup_warnings(cgroups: CgroupMode) -> Vec<String> {
    match cgroups {
        CgroupMode::Delegated => Vec::new(),
        CgroupMode::None => vec![
            "cgroups are not delegated: limits of pods are not enforced and their usage is not counted (usernetes-rs preflight shows the hint)".into(),
        ],
    }
}

/// The kubelet accepts no new pods, and continues so for a while after the cause is gone.
fn describe_pressure(condition: &str) -> String {
    let hint = match condition {
        "DiskPressure" => "free space on the disk of the cluster's state",
        "MemoryPressure" => "end processes that use the host's memory",
        _ => "end processes of this host",
    };
    format!("{condition}: no new pods on this node, and some are evicted; hint: {hint}, and wait up to five minutes")
}

/// Pods that do not start because of a limit of their host. Only the administrator may read the Events of all.
fn blocked_pods(session: &Session) -> Vec<String> {
    if !session.kubeconfig(ADMIN_CONF).exists() {
        return Vec::new();
    }
    let ask = async { session.api_server(ADMIN_CONF).await.ok()?.list_blocked_pods().await.ok() };
    let blocked = block_on(async { tokio::time::timeout(API_LIMIT, ask).await.ok()? }).ok().flatten();
    blocked.unwrap_or_default().into_iter().map(describe_blocked_pod).collect()
}

fn describe_blocked_pod(blocked: BlockedPod) -> String {
    let BlockedPod { pod, node, limit } = blocked;
    format!(
        "pod {pod} does not start: the host of {node} has reached its limit {}; there: {}",
        limit.setting, limit.hint
    )
}

fn describe_removal(session: &Session, config: &Config) -> String {
    let (name, flag) = (config.node_name(), session.cluster_flag());
    format!(
        "the cluster has no node {name}; usernetes-rs{flag} reset cleans this host, usernetes-rs{flag} stop \
         and start registers the node again"
    )
}
