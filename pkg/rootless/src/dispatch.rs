//! Which of our own stages this process is, if any.

use crate::userns::Stage;
use crate::{ChildContext, checks, child, enter, remove};
use std::process::ExitCode;

/// To be called first of all by `main`, before it starts threads or a runtime.
///
/// Returns `None` in an ordinary process. In one of our own stages it does that stage's work, in PID 1 with `run`
/// as the payload, and returns the exit code that `main` must return.
pub fn child_main<Fut>(run: impl FnOnce(ChildContext) -> Fut) -> Option<ExitCode>
where
    Fut: Future<Output = ExitCode>,
{
    Some(match Stage::current()? {
        Stage::Unshare => child::unshare::main(),
        Stage::Init => child::init::main(run),
        Stage::Remove => remove::main(),
        Stage::Probe => checks::probe_main(),
        Stage::ProbeProc => checks::probe_proc_main(),
        Stage::Enter => enter::main(),
    })
}
