//! What `status` shows: one object, as JSON or as text.

use crate::output::render_table;
use crate::session::Session;
use jiff::Timestamp;
use serde::Serialize;
use std::net::IpAddr;
use usernetes_api::{CgroupMode, PortSpec};
use usernetes_node::{ComponentStatus, NodeStatus, Role, State};
use usernetes_pki::Expiration;

/// The object of `-o json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    pub(super) cluster: String,
    pub(super) healthy: bool,
    pub(super) running: bool,
    pub(super) node: NodeView,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) network: Option<NetworkView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) components: Option<NodeStatus>,
    pub(super) ports: Vec<PortSpec>,
    /// Messages about ports that could not be published.
    pub(super) port_conflicts: Vec<String>,
    /// When the first certificate expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) certificates_expire: Option<Timestamp>,
    /// Certificates, and CAs, which have no `authority`.
    pub(super) certificates: Vec<Expiration>,
    pub(super) warnings: Vec<String>,
    /// The command that starts a node that does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeView {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) host_ip: IpAddr,
    pub(super) kubernetes_version: String,
    pub(super) cgroups: CgroupMode,
    /// As the API server reports; absent when it cannot be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ready: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NetworkView {
    pub(super) driver: String,
    pub(super) restarts: u32,
    pub(super) child_pid: i32,
    pub(super) started: Timestamp,
}

impl Status {
    /// Prints the text form.
    pub(super) fn print(&self, session: &Session) {
        let printer = &session.printer;
        printer.result(&self.render_node());
        if let Some(components) = &self.components {
            let rows: Vec<_> = components.components.iter().map(component_row).collect();
            printer.result("");
            printer.result(&render_table(&["COMPONENT", "STATE", "PID", "RESTARTS", ""], &rows));
        }
        if !self.ports.is_empty() {
            let ports: Vec<_> = self.ports.iter().map(|p| format!("{}/{}", p.host, p.protocol)).collect();
            printer.result("");
            printer.result(&format!("ports    {}", ports.join("  ")));
        }
        for warning in self.warnings.iter().chain(&self.port_conflicts) {
            printer.warn(warning);
        }
        if let Some(hint) = &self.hint {
            printer.result(&format!("\nhint: {hint}"));
        }
    }

    fn render_node(&self) -> String {
        let node = &self.node;
        let health = match (self.healthy, self.running) {
            (true, _) => "healthy",
            (false, true) => "not healthy",
            (false, false) => "not running",
        };
        let ready = match node.ready {
            Some(true) => "Ready",
            Some(false) => "NotReady",
            None => "readiness unknown",
        };
        let role = if node.role == Role::ControlPlane { "control plane" } else { "worker" };
        let mut lines = vec![
            format!("cluster  {}  {health}", self.cluster),
            format!("node     {} ({role})  {ready}  {}", node.name, node.kubernetes_version),
            format!("host     {}  cgroups {}", node.host_ip, node.cgroups),
        ];
        if let Some(network) = &self.network {
            lines.push(format!(
                "network  {}, restarted {} times; PID 1 of the node is {}",
                network.driver, network.restarts, network.child_pid
            ));
        }
        if let Some(expires) = self.certificates_expire {
            lines.push(format!("certs    the first expires {}", expires.strftime("%Y-%m-%d")));
        }
        lines.join("\n")
    }
}

fn component_row(c: &ComponentStatus) -> Vec<String> {
    let waits = c.waits_for.as_ref().map(|what| format!("waits for {what}"));
    let reason = waits.or_else(|| c.probe_failure.clone()).or_else(|| c.last_exit.clone());
    let since = (c.state != State::Ready).then(|| c.since.strftime("since %FT%TZ").to_string());
    let detail = since.into_iter().chain(reason).collect::<Vec<_>>().join(": ");
    let pid = c.pid.map_or("-".into(), |pid| pid.to_string());
    vec![c.name.to_string(), format!("{:?}", c.state), pid, c.restarts.to_string(), detail]
}
