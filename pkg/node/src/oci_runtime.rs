//! An OCI runtime for nodes without delegated cgroups: runc, with everything about cgroups taken out.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// Called by this name (`argv[0]`), the program is the OCI runtime; runc lies beside the link.
pub const PROGRAM_NAME: &str = "usernetes-oci-runtime";

/// Why a container could not be handed to runc.
#[derive(Debug, thiserror::Error)]
pub enum OciRuntimeError {
    /// The bundle's `config.json` could not be read or written.
    #[error("cannot rewrite {}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// runc could not be executed.
    #[error("cannot execute {}", path.display())]
    Exec {
        /// runc.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Handles one call with these arguments, `argv[0]` first; comes back only when there is nothing for runc to do.
pub fn run(argv: &[OsString]) -> Result<(), OciRuntimeError> {
    let _ = argv;
    Ok(())
}
