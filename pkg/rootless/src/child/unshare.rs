//! First stage: makes the namespaces, starts PID 1 in them and ends.

use crate::protocol::Socket;
use crate::protocol::ToParent;
use crate::userns::Stage;
use crate::userns::{StageError, What as _, become_root, take_socket};
use nix::sched::{CloneFlags, unshare};
use std::process::ExitCode;

pub(crate) fn main() -> ExitCode {
    let Ok(socket) = take_socket() else { return ExitCode::FAILURE };
    match run(&socket) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = socket.send(&ToParent::Failed { message: error.to_string() }, &[]);
            ExitCode::FAILURE
        }
    }
}

fn run(socket: &Socket) -> Result<(), StageError> {
    become_root(socket)?;
    let namespaces = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWCGROUP;
    unshare(namespaces).what("make mount, network, pid, uts, ipc and cgroup namespaces")?;
    let theirs = socket.try_clone().what("copy the socket")?;
    let init = Stage::Init.command_with(theirs).spawn().what("start PID 1")?;
    // We are still in the old PID namespace, so this is the number by which the parent knows it.
    Ok(socket.send(&ToParent::Spawned { pid: init.id().cast_signed() }, &[])?)
}
