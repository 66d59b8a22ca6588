//! Log lines on standard error: those of `--verbose`, and those of the node's two processes.

use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// The filter of a node: its milestones and warnings. The client of the API and its watches would warn at every start, before
/// the API server has its rules; the controllers try again by themselves.
pub(crate) const NODE: &str = "warn,usernetes=info,kube_client=off,kube_runtime=error";
/// The filter of `--verbose`.
pub(crate) const VERBOSE: &str = "usernetes=debug,info";
/// The filter of other commands.
pub(crate) const OFF: &str = "off";

/// Sends log lines to standard error; `RUST_LOG` overrides `filter`. Starts no thread.
pub(crate) fn init(filter: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| filter.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}
