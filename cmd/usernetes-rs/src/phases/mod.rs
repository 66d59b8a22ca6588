//! The workflows of `init` and `join`: their tables of phases, and the run of a table.

mod bundle;
pub(crate) mod checks;
mod data;
mod explain;
pub(crate) mod init;
pub(crate) mod join;
mod join_token;
mod node_start;
mod preflight;
mod run;

pub(crate) use data::NodeData;
pub(crate) use join_token::{format_join_command, make_join_token};
pub(crate) use node_start::describe_start;
pub(crate) use run::{WorkflowData, note_foreign_phases, run_workflow};

use crate::journal::Journal;

/// Whether a phase that makes the node startable has succeeded.
pub(crate) fn has_started_node(journal: &Journal) -> bool {
    journal.has_completed(|phase| init::INIT.starts_node(phase) || join::JOIN.starts_node(phase))
}

/// The command of the workflow that made this node, or is about to.
pub(crate) fn workflow_name(config: &usernetes_api::Config) -> &'static str {
    if config.join.is_some() { join::JOIN.name } else { init::INIT.name }
}
