//! `logs`, `ports`, `version`: looking at the node of this host.

use super::certs::columns;
use crate::daemon::{self, ports::keep_by_hand};
use crate::errors::Hinted;
use crate::session::Session;
use crate::ui::out;
use anyhow::Result;
use clap::Subcommand;
use serde_json::json;
use std::process::ExitCode;
use usernetes_api::PortSpec;
use usernetes_node::{ComponentName, bundle, logs as component_logs};

#[derive(Debug, clap::Args)]
pub(crate) struct LogsArgs {
    /// Which component; all of them when not given
    component: Option<ComponentName>,
    /// Show what is added, until interrupted
    #[arg(short, long)]
    follow: bool,
    /// How many of the last lines
    #[arg(long, default_value_t = 50, value_name = "N")]
    tail: usize,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PortsCommand {
    /// List published ports
    List,
    /// Publish a port: [HOST_IP:]HOST_PORT[:NODE_PORT][/tcp|/udp]
    Add {
        /// The port
        port: String,
    },
    /// Take back a published port
    Remove {
        /// The port, as list shows it or as it was added
        port: String,
    },
}

pub(crate) fn logs(session: &Session, args: &LogsArgs) -> Result<ExitCode> {
    session.config()?;
    let folder = session.paths.logs();
    let begun = |name: &ComponentName| component_logs::path(&folder, *name).exists();
    if let Some(name) = args.component.filter(|name| !args.follow && !begun(name)) {
        let names = ComponentName::ALL.iter().filter(|name| begun(name)).map(ToString::to_string).collect::<Vec<_>>();
        let cure = if names.is_empty() { "usernetes-rs start".into() } else { format!("one of {}", names.join(", ")) };
        return Err(Hinted::new(format!("{name} has not run on this node: it has no log"), cure).into());
    }
    let components = args.component.map_or(ComponentName::ALL.to_vec(), |c| vec![c]);
    let prefix = |name: ComponentName| if args.component.is_none() { format!("{name}: ") } else { String::new() };
    for name in &components {
        for line in component_logs::tail(&folder, *name, args.tail)? {
            out(&format!("{}{line}", prefix(*name)));
        }
    }
    if args.follow {
        for line in component_logs::follow(&folder, &components)? {
            let (name, line) = line?;
            out(&format!("{}{line}", prefix(name)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn ports(session: &Session, command: PortsCommand) -> Result<ExitCode> {
    let config = session.config()?;
    let mut client = daemon::process::connect(session)?;
    // The host's side names a port: where it leads need not be said again.
    let same = |a: &PortSpec, b: &PortSpec| a.protocol == b.protocol && a.host == b.host;
    match command {
        PortsCommand::List => {
            let ports = client.ports()?;
            let row = |p: &usernetes_rootless::Published| {
                vec![
                    p.forward.spec.protocol.to_string(),
                    p.forward.spec.host.to_string(),
                    p.forward.spec.node.to_string(),
                    p.owner.clone(),
                ]
            };
            for port in &ports {
                session.printer.object(port);
            }
            session
                .printer
                .result(&columns(&["PROTOCOL", "HOST", "NODE", "OWNER"], &ports.iter().map(row).collect::<Vec<_>>()));
        }
        PortsCommand::Add { port } => {
            let spec = port_spec(&port, &config)?;
            client.add_port(spec)?;
            keep_by_hand(&session.paths, |ports| {
                ports.retain(|port| !same(port, &spec));
                ports.push(spec);
            })?;
            session.printer.result(&format!("{spec} published"));
            session.printer.object(&json!({ "published": spec }));
        }
        PortsCommand::Remove { port } => {
            let asked = port_spec(&port, &config)?;
            let spec = client.ports()?.iter().map(|p| p.forward.spec).find(|spec| same(spec, &asked)).unwrap_or(asked);
            // First: one that could not be had at the last start is remembered all the same.
            keep_by_hand(&session.paths, |ports| ports.retain(|port| !same(port, &spec)))?;
            client.remove_port(spec)?;
            session.printer.result(&format!("{spec} removed"));
            session.printer.object(&json!({ "removed": spec }));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn port_spec(text: &str, config: &usernetes_api::Config) -> Result<PortSpec> {
    PortSpec::parse(text, config.host_ip()).map_err(|error| crate::errors::UsageError::Flags(error.clone()).into())
}

pub(crate) fn version(session: &Session) -> Result<ExitCode> {
    let bundle = session.kept_config()?.and_then(|config| bundle::find(&config, &session.paths.bundles()).ok());
    let manifest = bundle.as_ref().map(usernetes_node::bundle::Bundle::manifest);
    session.printer.object(&json!({ "version": env!("CARGO_PKG_VERSION"), "bundle": manifest.map(|m| &m.name), "components": manifest.map(|m| &m.components) }));
    session.printer.result(&format!("usernetes-rs {}", env!("CARGO_PKG_VERSION")));
    for component in manifest.map(|m| m.components.as_slice()).unwrap_or_default() {
        session.printer.result(&format!("  {:<28} {}", component.name, component.version));
    }
    Ok(ExitCode::SUCCESS)
}
