//! First stage: makes the namespaces, starts PID 1 in them and ends.

use crate::protocol::{Socket, ToParent};
use crate::userns::{Action as _, Stage, StageError, become_root, take_socket};
use nix::sched::{CloneFlags, unshare};
use std::process::ExitCode;

pub(crate) fn run_stage() -> ExitCode {
    let Ok(socket) = take_socket() else { return ExitCode::FAILURE };
    match unshare_and_spawn(&socket) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = socket.send(&ToParent::Failed { message: error.to_string() }, &[]);
            ExitCode::FAILURE
        }
    }
}

fn unshare_and_spawn(socket: &Socket) -> Result<(), StageError> {
    become_root(socket)?;
    let namespaces = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWCGROUP;
    unshare(namespaces).with_action("make mount, network, pid, uts, ipc and cgroup namespaces")?;
    let copy = socket.try_clone().with_action("copy the socket")?;
    let init = Stage::Init.command_with(copy).spawn().with_action("start PID 1")?;
    // This process is still in the old PID namespace, so the id is the one that the parent sees.
    Ok(socket.send(&ToParent::Spawned { pid: init.id().cast_signed() }, &[])?)
}
