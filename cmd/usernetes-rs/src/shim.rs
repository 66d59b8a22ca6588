//! Roles in which other programs call this one: as CNI plugin and as OCI runtime. They are called for every
//! container, so they are taken before anything else is set up.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use usernetes_node::{cni_front, oci_runtime};

/// Answers a call by another name; `None` when we were called as ourselves.
pub(crate) fn run() -> Option<ExitCode> {
    let argv: Vec<OsString> = std::env::args_os().collect();
    let program = Path::new(argv.first()?);
    let name = program.file_name()?;
    if name == cni_front::PROGRAM_NAME {
        // A CNI plugin says what went wrong on standard output.
        let Err(error) = cni_front::run(program);
        return Some(fail(|| crate::ui::out(&error.to_string())));
    }
    if name != oci_runtime::PROGRAM_NAME && name != oci_runtime::WITHOUT_CGROUPS {
        return None;
    }
    Some(oci_runtime::run(&argv).map_or_else(|e| fail(|| crate::ui::err(&chain(&e))), |()| ExitCode::SUCCESS))
}

fn fail(say: impl FnOnce()) -> ExitCode {
    say();
    ExitCode::FAILURE
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
