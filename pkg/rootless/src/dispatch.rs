//! Runs the stage of the child that this process is, if any.

use crate::userns::Stage;
use crate::{ChildContext, checks, child, enter, remove};
use std::process::ExitCode;

/// Call it first in `main`, before threads or a runtime are started.
///
/// Returns `None` in an ordinary process. In a stage of the child it does the work of the stage, in PID 1 with `run` as
/// the payload, and returns the exit code that `main` must return.
pub fn child_main<Fut>(run: impl FnOnce(ChildContext) -> Fut) -> Option<ExitCode>
where
    Fut: Future<Output = ExitCode>,
{
    Some(match Stage::current()? {
        Stage::Unshare => child::unshare::run_stage(),
        Stage::Init => child::init::run_stage(run),
        Stage::Remove => remove::run_stage(),
        Stage::Probe => checks::run_probe_stage(),
        Stage::ProbeProc => checks::run_proc_stage(),
        Stage::Enter => enter::run_stage(),
    })
}
