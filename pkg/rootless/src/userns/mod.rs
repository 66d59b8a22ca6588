//! A new user namespace, from both sides: the stage unshares, its starter writes the id maps.

mod error;
mod idmap;
mod nested;
mod propose;
mod range;
mod stage;
mod subid;

pub(crate) use error::{Action, StageError};
pub use error::{IdMapError, UsernsError};
pub use idmap::{IdMaps, SubIds};
pub(crate) use idmap::{SUBGID, SUBUID};
pub use nested::{Nested, NestedKind, last_own_id, nested};
pub(crate) use propose::add_command;
pub(crate) use range::{ENOUGH_IDS, IdRange};
pub(crate) use stage::{Stage, hide_session};
pub(crate) use subid::parse_entry;

use crate::protocol::{Outcome, Socket, ToChild, ToParent, VERSION, check_version, socket_pair, unexpected_message};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, setresgid, setresuid};
use rustix::process::Signal;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Child, ExitCode};

/// Starts a stage in a new user namespace and writes its id maps; the stage goes on afterwards.
pub(crate) fn start_stage(stage: Stage, ids: &SubIds, args: &[&Path]) -> Result<(Child, Socket), UsernsError> {
    let (socket, stage_end) = socket_pair().map_err(UsernsError::Start)?;
    let mut command = stage.command_with(stage_end);
    command.args(args);
    let mut child = command.spawn().map_err(UsernsError::Start)?;
    // The command holds a copy of the child's end, which would hide the end of the child.
    drop(command);
    if let Err(error) = write_maps(&socket, &child, ids) {
        let _ = child.kill();
        let _ = child.wait();
        return Err(error);
    }
    Ok((child, socket))
}

fn write_maps(socket: &Socket, child: &Child, ids: &SubIds) -> Result<(), UsernsError> {
    match socket.recv()?.0 {
        ToParent::Unshared { version } => check_version(version)?,
        ToParent::Failed { message } => return Err(UsernsError::Stage(message)),
        other => return Err(unexpected_message("unshared", &other).into()),
    }
    ids.write_maps(child.id())?;
    Ok(socket.send(&ToChild::Mapped, &[])?)
}

/// Starts a stage that reports its results, and waits for the report and for its end.
pub(crate) fn collect_report(stage: Stage, ids: &SubIds, args: &[&Path]) -> Result<Vec<Outcome>, UsernsError> {
    let (mut child, socket) = start_stage(stage, ids, args)?;
    let report = socket.recv();
    child.wait().map_err(UsernsError::Wait)?;
    match report?.0 {
        ToParent::Report(outcomes) => Ok(outcomes),
        ToParent::Failed { message } => Err(UsernsError::Stage(message)),
        other => Err(unexpected_message("a report", &other).into()),
    }
}

/// Runs a stage that reports its results and ends.
pub(crate) fn run_report_stage(run: impl FnOnce(&Socket) -> Result<Vec<Outcome>, StageError>) -> ExitCode {
    let Ok(socket) = take_socket() else { return ExitCode::FAILURE };
    let message = match run(&socket) {
        Ok(outcomes) => ToParent::Report(outcomes),
        Err(error) => ToParent::Failed { message: error.to_string() },
    };
    match socket.send(&message, &[]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Takes the stage's end of the socket pair from standard input, which becomes /dev/null.
pub(crate) fn take_socket() -> Result<Socket, StageError> {
    let socket = io::stdin().as_fd().try_clone_to_owned().with_action("take the socket")?;
    let null = std::fs::File::open("/dev/null").with_action("open /dev/null")?;
    rustix::stdio::dup2_stdin(&null).with_action("close standard input")?;
    Ok(Socket::new(socket))
}

/// Makes this process die with its parent. A change of credentials resets that, so call it again afterwards.
pub(crate) fn die_with_parent() -> Result<(), StageError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).with_action("tie this process to its parent")
}

/// In the stage: makes the user namespace, waits for the id maps, becomes root in it.
///
/// No program is executed in between: that would drop the new capabilities.
pub(crate) fn become_root(socket: &Socket) -> Result<(), StageError> {
    die_with_parent()?;
    unshare(CloneFlags::CLONE_NEWUSER).with_action("make a user namespace")?;
    socket.send(&ToParent::Unshared { version: VERSION }, &[])?;
    match socket.recv()?.0 {
        ToChild::Mapped => {}
        other => return Err(unexpected_message("mapped", &other).into()),
    }
    // Supplementary groups stay: one may grant access to /dev/net/tun or to the state directory.
    setresgid(Gid::from_raw(0), Gid::from_raw(0), Gid::from_raw(0)).with_action("become group 0")?;
    setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).with_action("become uid 0")?;
    die_with_parent()
}
