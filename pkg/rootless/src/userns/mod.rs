//! A new user namespace, from both sides: the stage unshares, its starter writes the maps.

mod error;
mod idmap;
mod nested;
mod range;
mod stage;
mod subid;

pub use error::IdMapError;
pub(crate) use error::{StageError, UsernsError, What};
pub(crate) use idmap::ENOUGH_IDS;
pub use idmap::SubIds;
pub use nested::{Nested, NestedKind, nested};
pub(crate) use stage::{Stage, hide_session};
pub(crate) use subid::add_command;

use crate::protocol::{Outcome, Socket, ToChild, ToParent, VERSION, pair, same_version, unexpected};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, setresgid, setresuid};
use rustix::process::Signal;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Child, ExitCode};

/// Starts a stage in a new user namespace and writes its maps; it is told, and runs on.
pub(crate) fn start(stage: Stage, ids: &SubIds, args: &[&Path]) -> Result<(Child, Socket), UsernsError> {
    let starting = |source| UsernsError::Start { command: "/proc/self/exe", source };
    let (ours, theirs) = pair().map_err(starting)?;
    let mut command = stage.command_with(theirs);
    command.args(args);
    let mut child = command.spawn().map_err(starting)?;
    // The command holds a copy of the child's end: as long as it lives, the child's death is not seen.
    drop(command);
    if let Err(error) = map(&ours, &child, ids) {
        let _ = child.kill();
        let _ = child.wait();
        return Err(error);
    }
    Ok((child, ours))
}

fn map(socket: &Socket, child: &Child, ids: &SubIds) -> Result<(), UsernsError> {
    match socket.recv()?.0 {
        ToParent::Unshared { version } => same_version(version)?,
        ToParent::Failed { message } => return Err(UsernsError::Stage(message)),
        other => return Err(unexpected("unshared", &other).into()),
    }
    ids.apply(child.id())?;
    Ok(socket.send(&ToChild::Mapped, &[])?)
}

/// What the `main` of a stage does that is there to answer one question.
pub(crate) fn report(run: impl FnOnce(&Socket) -> Result<Vec<Outcome>, StageError>) -> ExitCode {
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

/// The stage's end of the socket pair, which came as standard input; that becomes /dev/null.
pub(crate) fn take_socket() -> Result<Socket, StageError> {
    let socket = io::stdin().as_fd().try_clone_to_owned().what("take the socket")?;
    let null = std::fs::File::open("/dev/null").what("open /dev/null")?;
    rustix::stdio::dup2_stdin(&null).what("close standard input")?;
    Ok(Socket::new(socket))
}

/// Dies with the starter. Lost with every change of credentials, so it is asked for again after those.
pub(crate) fn die_with_parent() -> Result<(), StageError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).what("tie this process to its parent")
}

/// In the stage: makes the user namespace, waits for the maps, becomes root in it.
///
/// No program is executed between the two: that would drop the new capabilities.
pub(crate) fn become_root(socket: &Socket) -> Result<(), StageError> {
    die_with_parent()?;
    unshare(CloneFlags::CLONE_NEWUSER).what("make a user namespace")?;
    socket.send(&ToParent::Unshared { version: VERSION }, &[])?;
    match socket.recv()?.0 {
        ToChild::Mapped => {}
        other => return Err(unexpected("mapped", &other).into()),
    }
    // Supplementary groups stay: access to /dev/net/tun or to the state folder may come from one.
    setresgid(Gid::from_raw(0), Gid::from_raw(0), Gid::from_raw(0)).what("become group 0")?;
    setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).what("become uid 0")?;
    die_with_parent()
}
