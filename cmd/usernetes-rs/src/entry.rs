//! Roles in which other programs execute this one under another name: as CNI plugin and as OCI runtime. They run for every
//! container, so they come before anything else is set up.

use crate::output::{print_error, print_line};
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use usernetes_api::join_causes;
use usernetes_node::{cni_front, oci_runtime};

/// Runs the role that `argv[0]` names; `None` when this program was called by its own name.
pub(crate) fn run_as_plugin() -> Option<ExitCode> {
    let argv: Vec<OsString> = std::env::args_os().collect();
    let program = Path::new(argv.first()?);
    let name = program.file_name()?;
    if name == cni_front::PROGRAM_NAME {
        // A CNI plugin reports errors on standard output.
        let Err(error) = cni_front::run(program);
        print_line(&error.to_string());
        return Some(ExitCode::FAILURE);
    }
    if name != oci_runtime::PROGRAM_NAME && name != oci_runtime::WITHOUT_CGROUPS {
        return None;
    }
    match oci_runtime::run(&argv) {
        Ok(()) => Some(ExitCode::SUCCESS),
        Err(error) => {
            print_error(&join_causes(&error));
            Some(ExitCode::FAILURE)
        }
    }
}
