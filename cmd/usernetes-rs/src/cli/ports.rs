//! `ports`: what is published on the host.

use crate::errors::UsageError;
use crate::output::render_table;
use crate::session::Session;
use anyhow::Result;
use clap::Subcommand;
use serde_json::json;
use std::process::ExitCode;
use usernetes_api::{Config, PortSpec};
use usernetes_daemon::kept;
use usernetes_rootless::Published;
use usernetes_rootless::control::Client;

#[derive(Debug, Subcommand)]
pub(crate) enum PortsCommand {
    /// List published ports
    List,
    /// Publish a port: [HOST_IP:]HOST_PORT[:NODE_PORT][/tcp|/udp]
    Add {
        /// The port
        port: String,
    },
    /// Stop publishing a port
    Remove {
        /// The port, as list shows it or as it was added
        port: String,
    },
}

pub(crate) fn run(session: &Session, command: PortsCommand) -> Result<ExitCode> {
    let config = session.config()?;
    let client = session.instance.connect()?;
    match command {
        PortsCommand::List => list_ports(session, client)?,
        PortsCommand::Add { port } => add_port(session, client, parse_port(&port, &config)?)?,
        PortsCommand::Remove { port } => remove_port(session, client, parse_port(&port, &config)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list_ports(session: &Session, mut client: Client) -> Result<()> {
    let ports = client.ports()?;
    for port in &ports {
        session.printer.object(port);
    }
    let rows: Vec<_> = ports.iter().map(port_row).collect();
    session.printer.result(&render_table(&["PROTOCOL", "HOST", "NODE", "OWNER"], &rows));
    Ok(())
}

fn port_row(port: &Published) -> Vec<String> {
    let spec = &port.forward.spec;
    vec![spec.protocol.to_string(), spec.host.to_string(), spec.node.to_string(), port.owner.clone()]
}

fn add_port(session: &Session, mut client: Client, spec: PortSpec) -> Result<()> {
    client.add_port(spec)?;
    kept::ports::update(session.paths(), |ports| {
        ports.retain(|port| !is_same_host_port(port, &spec));
        ports.push(spec);
    })?;
    session.printer.result(&format!("{spec} published"));
    session.printer.object(&json!({ "published": spec }));
    Ok(())
}

fn remove_port(session: &Session, mut client: Client, wanted: PortSpec) -> Result<()> {
    let mut published = client.ports()?.into_iter().map(|port| port.forward.spec);
    let spec = published.find(|spec| is_same_host_port(spec, &wanted)).unwrap_or(wanted);
    // First: a port that could not be published at the last start is on the list all the same.
    kept::ports::update(session.paths(), |ports| ports.retain(|port| !is_same_host_port(port, &spec)))?;
    client.remove_port(spec)?;
    session.printer.result(&format!("{spec} removed"));
    session.printer.object(&json!({ "removed": spec }));
    Ok(())
}

/// The host's side identifies a published port; its target does not have to be repeated.
fn is_same_host_port(a: &PortSpec, b: &PortSpec) -> bool {
    a.protocol == b.protocol && a.host == b.host
}

fn parse_port(text: &str, config: &Config) -> Result<PortSpec> {
    PortSpec::parse(text, config.host_ip()).map_err(|error| UsageError::Flags(error).into())
}
