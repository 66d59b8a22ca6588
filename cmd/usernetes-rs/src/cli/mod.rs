//! The command line: what the user typed, and the function that handles it.

mod args;
mod bundle;
mod certs;
mod config;
mod confirm;
mod groups;
mod help;
mod images;
mod init;
mod join;
mod kubectl;
mod logs;
mod nodes;
mod ports;
mod preflight;
mod reset;
mod shell;
mod start;
mod status;
mod stop;
mod support;
mod token;
mod version;

use crate::errors::exit_code;
use crate::output::{Printer, log, print_failure, print_line};
use crate::phases::init::INIT;
use crate::phases::join::JOIN;
use crate::session::Session;
use args::Global;
use clap::{FromArgMatches as _, Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

/// A real Kubernetes cluster as an ordinary user: no root, no container engine.
#[derive(Debug, Parser)]
#[command(name = "usernetes-rs", version, propagate_version = true, max_term_width = 110, after_help = help::GUIDES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up this host as the control plane of a new cluster
    Init(Box<init::InitArgs>),
    /// Join this host to an existing cluster as a worker
    Join(Box<join::JoinArgs>),
    /// Remove the node and all its data from this host
    #[command(after_help = "Example:\n  usernetes-rs reset --drain")]
    Reset(reset::ResetArgs),
    /// Manage the cluster's nodes
    #[command(after_help = "Example:\n  usernetes-rs nodes remove worker-1")]
    Nodes {
        #[command(subcommand)]
        command: nodes::NodesCommand,
    },
    /// Manage bootstrap tokens
    #[command(after_help = "Example:\n  usernetes-rs token create --ttl 1h")]
    Token {
        #[command(subcommand)]
        command: token::TokenCommand,
    },
    /// Manage certificates
    #[command(after_help = "Example:\n  usernetes-rs certs renew all")]
    Certs {
        #[command(subcommand)]
        command: certs::CertsCommand,
    },
    /// Manage configuration files
    #[command(after_help = "Example:\n  usernetes-rs config print > cluster.yaml")]
    Config {
        #[command(subcommand)]
        command: config::ConfigCommand,
    },
    /// Start the stopped node on this host
    #[command(after_help = "Example:\n  usernetes-rs start --wait")]
    Start(start::StartArgs),
    /// Stop the node on this host and keep its data
    #[command(after_help = "Example:\n  usernetes-rs stop --stop-timeout 5s")]
    Stop(stop::StopArgs),
    /// Show the node on this host: components, addresses, ports, certificates
    #[command(after_help = "Example:\n  usernetes-rs status -o json")]
    Status,
    /// Show the logs of components
    #[command(after_help = "Example:\n  usernetes-rs logs kubelet -f")]
    Logs(logs::LogsArgs),
    /// Run a shell, or a command, inside the node's namespaces
    #[command(after_help = "Example:\n  usernetes-rs shell crictl ps")]
    Shell(shell::ShellArgs),
    /// Manage the ports that are published on this host
    #[command(after_help = "Example:\n  usernetes-rs ports add 8080:30080")]
    Ports {
        #[command(subcommand)]
        command: ports::PortsCommand,
    },
    /// Check whether this host can be a node
    #[command(after_help = "Example:\n  usernetes-rs preflight --oci-runtime crun")]
    Preflight(Box<preflight::PreflightArgs>),
    /// Write an archive for a bug report: checks, status, logs, events, network; without secrets
    #[command(after_help = "Example:\n  usernetes-rs support")]
    Support(support::SupportArgs),
    /// Manage bundles, the software of nodes
    #[command(after_help = "Example:\n  usernetes-rs bundle import bundle.tar.zst")]
    Bundle {
        #[command(subcommand)]
        command: bundle::BundleCommand,
    },
    /// Manage the container images of this host's node
    #[command(after_help = "Example:\n  usernetes-rs images import app.tar")]
    Images {
        #[command(subcommand)]
        command: images::ImagesCommand,
    },
    /// Run the bundle's kubectl with this cluster's kubeconfig; all arguments are kubectl's
    #[command(disable_help_flag = true)]
    Kubectl(kubectl::KubectlArgs),
    /// Print the versions of this program and of the bundle in use
    #[command(after_help = "Example:\n  usernetes-rs version -o json")]
    Version,
    /// Print a shell completion script
    #[command(
        after_help = "Example:\n  usernetes-rs completion bash > ~/.local/share/bash-completion/completions/usernetes-rs"
    )]
    Completion {
        /// Name of the shell
        shell: clap_complete::Shell,
    },
    /// Run the parent process of a node; the systemd unit or start runs it
    #[command(hide = true)]
    Daemon {
        /// Leave the session of the caller, and send a start report on standard input
        #[arg(long)]
        detached: bool,
    },
}

/// Parses the arguments, runs the command, prints its failure and returns the exit code.
pub(crate) fn main(arguments: &[OsString]) -> ExitCode {
    let parsed = groups::command().try_get_matches_from(arguments).and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            if let Some(page) = help::page(arguments) {
                print_line(page.trim_end());
                return ExitCode::SUCCESS;
            }
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 64 } else { 0 });
        }
    };
    log::init(match &cli.command {
        Command::Daemon { .. } => log::NODE,
        _ if cli.global.verbose => log::VERBOSE,
        _ => log::OFF,
    });
    let printer = Printer::new(cli.global.output, cli.global.quiet, cli.global.verbose);
    match run(cli, &printer) {
        Ok(code) => code,
        Err(error) => {
            let code = exit_code(&error);
            print_failure(&error, &printer, code);
            ExitCode::from(code)
        }
    }
}

fn run(cli: Cli, printer: &Printer) -> anyhow::Result<ExitCode> {
    // Commands without a session work for root and on any host.
    match &cli.command {
        Command::Completion { shell } => {
            clap_complete::generate(*shell, &mut groups::command(), "usernetes-rs", &mut std::io::stdout());
            return Ok(ExitCode::SUCCESS);
        }
        Command::Init(args) if args.wants_phase_list() => return Ok(print_phases(&INIT.render_help())),
        Command::Join(args) if args.wants_phase_list() => return Ok(print_phases(&JOIN.render_help())),
        _ => {}
    }
    let session = Session::open(cli.global.cluster, cli.global.allow_root, printer.clone())?;
    match cli.command {
        Command::Init(args) => init::run(session, *args),
        Command::Join(args) => join::run(session, *args),
        Command::Reset(args) => reset::run(&session, &args),
        Command::Nodes { command } => nodes::run(&session, command),
        Command::Token { command } => token::run(&session, command),
        Command::Certs { command } => certs::run(&session, command),
        Command::Config { command } => config::run(&session, command),
        Command::Start(args) => start::run(&session, &args),
        Command::Stop(args) => stop::run(&args, &session),
        Command::Status => status::run(&session),
        Command::Logs(args) => logs::run(&session, &args),
        Command::Shell(args) => shell::run(&session, args),
        Command::Ports { command } => ports::run(&session, command),
        Command::Preflight(args) => preflight::run(&session, &args),
        Command::Support(args) => support::run(&session, &args),
        Command::Bundle { command } => bundle::run(&session, command),
        Command::Images { command } => images::run(&session, command),
        Command::Kubectl(args) => kubectl::run(&session, args),
        Command::Version => version::run(&session),
        Command::Daemon { detached } => Ok(usernetes_daemon::run_parent(&session.instance, detached)?),
        Command::Completion { .. } => unreachable!("handled above"),
    }
}

/// `init phase` and `join phase` without a name.
fn print_phases(table: &str) -> ExitCode {
    print_line(table.trim_end());
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

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
