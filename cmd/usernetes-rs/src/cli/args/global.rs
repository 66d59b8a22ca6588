//! Flags of every command.

use crate::output::OutputFormat;
use usernetes_api::ClusterName;

/// Flags of every command.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Name of the cluster on this host
    #[arg(long, global = true, default_value_t, env = "USERNETES_CLUSTER", value_name = "NAME")]
    pub(crate) cluster: ClusterName,
    /// Verbose output; set RUST_LOG for finer control
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Print warnings, errors and results only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Output format
    #[arg(short, long, global = true, value_enum, default_value_t)]
    pub(crate) output: OutputFormat,
    /// Allow running as root (disables the isolation guarantees)
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) allow_root: bool,
}
