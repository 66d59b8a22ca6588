//! Log lines, for those who look for a cause: `--verbose`, and the log of the node's two processes.

use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// What a node notes: nobody looks on, and what went wrong is asked for later. The API's client alone would complain
/// at every start, when the API server is not up yet.
pub(crate) const NODE: &str = "warn,kube_client=off";

/// Sends log lines to stderr; `RUST_LOG` wins over `default`. Starts no thread.
pub(crate) fn to_stderr(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| default.into());
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .with_target(false)
        .init();
}
