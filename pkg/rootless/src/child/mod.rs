//! The child's side: from a re-executed process to a payload that runs as PID 1.

mod answers;
mod context;
mod etc;
mod files;
mod init;
mod link;
mod mounts;
mod net;
mod places;
mod unshare;

pub(crate) use answers::{AnswersError, keep as keep_answers};
pub(crate) use context::Node;
pub use context::{ChildContext, PayloadRequest, ReadyNotifier, Status, SysctlOutcome};
pub(crate) use link::ParentLink;
pub(crate) use mounts::{fresh, writable};
pub(crate) use net::address as tap_address;

use crate::stage::Stage;
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
        Stage::Unshare => unshare::main(),
        Stage::Init => init::main(run),
        Stage::Remove => crate::remove::main(),
        Stage::Probe => crate::checks::probe_main(),
        Stage::ProbeProc => crate::checks::probe_proc_main(),
        Stage::Enter => crate::enter::main(),
    })
}
