//! The command line: what the user typed, and which function answers it.

mod bundle;
mod certs;
mod config;
mod help;
mod host;
mod images;
mod init;
mod inspect;
mod join;
mod kubectl;
mod leave;
mod node;
mod reset;
mod secret;
mod start;
mod status;
mod token;

pub(crate) use host::HostArgs;
pub(crate) use init::InitArgs;
pub(crate) use join::JoinArgs;

use crate::errors::{PreflightFailed, exit_code, hints};
use crate::session::Session;
use crate::ui::{Output, Printer, err, out};
use clap::{CommandFactory as _, Parser, Subcommand};
use serde_json::json;
use std::process::ExitCode;
use usernetes_api::ClusterName;

/// A real Kubernetes cluster as an ordinary user: no root, no container engine.
#[derive(Debug, Parser)]
#[command(name = "usernetes-rs", version, propagate_version = true, max_term_width = 110, after_help = help::GUIDES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags of every command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Global {
    /// Which cluster on this host
    #[arg(long, global = true, default_value_t, env = "USERNETES_CLUSTER", value_name = "NAME")]
    pub(crate) cluster: ClusterName,
    /// Say what is done, with log lines; RUST_LOG chooses more
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Say only warnings, errors and results
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Form of the output
    #[arg(short, long, global = true, value_enum, default_value_t)]
    pub(crate) output: Output,
    /// Work as root all the same; everything this tool promises is then void
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) allow_root: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make this host the first node of a new cluster
    Init(Box<InitArgs>),
    /// Make this host a node of an existing cluster
    Join(Box<JoinArgs>),
    /// Show the node on this host: components, addresses, ports, certificates
    Status,
    /// Start the node of this host again
    Start(start::StartArgs),
    /// Stop the node of this host; everything is kept
    Stop,
    /// Remove the node of this host and everything that it wrote
    Reset(reset::ResetArgs),
    /// Run kubectl with this cluster's kubeconfig; everything after the word is kubectl's
    #[command(disable_help_flag = true)]
    Kubectl(kubectl::KubectlArgs),
    /// Run a shell, or a command, inside the node's namespaces
    Shell(node::ShellArgs),
    /// Show the log of a component
    Logs(inspect::LogsArgs),
    /// Show and change what is published on the host
    Ports {
        #[command(subcommand)]
        command: inspect::PortsCommand,
    },
    /// Check whether this host can be a node
    Preflight(Box<host::PreflightArgs>),
    /// Handle bundles: the node's software
    Bundle {
        #[command(subcommand)]
        command: bundle::BundleCommand,
    },
    /// Handle the container images of the node of this host
    Images {
        #[command(subcommand)]
        command: images::ImagesCommand,
    },
    /// Handle bootstrap tokens
    Token {
        #[command(subcommand)]
        command: token::TokenCommand,
    },
    /// Handle certificates
    Certs {
        #[command(subcommand)]
        command: certs::CertsCommand,
    },
    /// Handle configuration files
    Config {
        #[command(subcommand)]
        command: config::ConfigCommand,
    },
    /// Handle the cluster's nodes
    Nodes {
        #[command(subcommand)]
        command: node::NodesCommand,
    },
    /// Show versions of this program and of the bundle in use
    Version,
    /// Print a completion script
    Completion {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// The parent of a node: what the unit, or the detached process, runs
    #[command(hide = true)]
    Daemon(node::DaemonArgs),
}

/// Parses, runs, renders what went wrong and picks the exit code.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            if let Some(page) = help::page(&std::env::args_os().collect::<Vec<_>>()) {
                out(page.trim_end());
                return ExitCode::SUCCESS;
            }
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 64 } else { 0 });
        }
    };
    crate::log::to_stderr(match &cli.command {
        Command::Daemon(_) => crate::log::NODE,
        _ if cli.global.verbose => "usernetes=debug,info",
        _ => "off",
    });
    let printer = Printer::new(cli.global.output, cli.global.quiet, cli.global.verbose);
    match run(cli, &printer) {
        Ok(code) => code,
        Err(error) => {
            let code = exit_code(&error);
            render(&error, &printer, code);
            ExitCode::from(code)
        }
    }
}

fn run(cli: Cli, printer: &Printer) -> anyhow::Result<ExitCode> {
    // What needs no session: works for root and on any host.
    match &cli.command {
        Command::Completion { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "usernetes-rs", &mut std::io::stdout());
            return Ok(ExitCode::SUCCESS);
        }
        Command::Init(args) if args.wants_phase_list() => return Ok(init::list_phases()),
        Command::Join(args) if args.wants_phase_list() => return Ok(join::list_phases()),
        _ => {}
    }
    let session = Session::open(cli.global, printer.clone())?;
    match cli.command {
        Command::Init(args) => init::run(session, *args),
        Command::Join(args) => join::run(session, *args),
        Command::Status => status::status(&session),
        Command::Start(args) => start::start(session, &args),
        Command::Stop => start::stop(&session),
        Command::Reset(args) => reset::run(session, &args),
        Command::Kubectl(args) => kubectl::run(&session, args),
        Command::Shell(args) => node::shell(&session, args),
        Command::Logs(args) => inspect::logs(&session, &args),
        Command::Ports { command } => inspect::ports(&session, command),
        Command::Preflight(args) => host::preflight(session, *args),
        Command::Bundle { command } => bundle::run(&session, command),
        Command::Images { command } => images::run(&session, command),
        Command::Token { command } => token::run(&session, command),
        Command::Certs { command } => certs::run(&session, command),
        Command::Config { command } => config::run(&session, command),
        Command::Nodes { command } => node::nodes(&session, command),
        Command::Version => inspect::version(&session),
        Command::Daemon(args) => crate::daemon::parent::run(&session, args.detached),
        Command::Completion { .. } => unreachable!("answered above"),
    }
}

/// The error and its causes, one a line, then the hints.
fn render(error: &anyhow::Error, printer: &Printer, code: u8) {
    let mut causes: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        // Libraries repeat their source in their own message here and there.
        if !causes.last().is_some_and(|last| last.contains(&cause)) {
            causes.push(cause);
        }
    }
    let hints = hints(error);
    let findings = error.downcast_ref::<PreflightFailed>().map(|failed| failed.0.as_slice()).unwrap_or_default();
    if printer.json() {
        printer.event("error", json!({ "causes": causes, "hints": hints, "findings": findings, "exitCode": code }));
        return;
    }
    printer.findings(findings);
    for (depth, cause) in causes.iter().enumerate() {
        err(&format!("{}{cause}", if depth == 0 { "error: " } else { "  caused by: " }));
    }
    for hint in &hints {
        err(&format!("hint: {hint}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_in_messages_are_flags() {
        let command = Cli::command();
        let known = |flag: &str| {
            let mut arguments = command.get_subcommands().flat_map(clap::Command::get_arguments);
            arguments.any(|arg| arg.get_long() == flag.strip_prefix("--"))
        };
        for (field, flag) in usernetes_api::field_flags() {
            assert!(known(flag), "{field}: {flag}");
        }
    }

    #[test]
    fn every_choice_is_a_word_of_the_document() {
        for (flag, words) in [
            ("--cgroups", &["auto", "delegated", "none"][..]),
            ("--snapshotter", &["auto", "overlayfs", "fuse-overlayfs", "native"]),
            ("--oci-runtime", &["runc", "crun"]),
        ] {
            for word in words {
                Cli::try_parse_from(["usernetes-rs", "init", flag, word]).expect(word);
            }
        }
    }
}
