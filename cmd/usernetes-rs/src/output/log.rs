//! Log lines on standard error: those of `--verbose`, and those of the node's two processes.

use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// The filter of a node: its milestones and warnings. The client of the API would warn at every start, before the API
/// server is up.
pub(crate) const NODE: &str = "warn,usernetes=info,kube_client=off";
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
