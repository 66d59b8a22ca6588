//! The parent: starts the child, supervises its network driver, binds its ports, and reaps it.

mod bind;
mod child;
mod error;
mod event;
mod port_owner;
mod serve;

pub use error::Error;
pub use event::{Event, Ready};

use crate::protocol::{Socket, ToChild, ToParent, VERSION, unexpected_message};
use crate::userns::{Stage, SubIds};
use crate::{Spec, cgroup, control, ports, userns};
use child::Child;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixListener;
use std::process::ExitStatus;
use usernetes_api::CgroupMode;

/// Runs the payload in its namespaces and returns its exit status after every process inside has ended.
///
/// SIGTERM and SIGINT end it in order, a second one at once. Call it in a process with no other purpose: the process
/// becomes the reaper of its descendants, and the child lives as long as the calling thread.
pub fn run_parent(spec: &Spec, on_event: impl FnMut(Event)) -> Result<ExitStatus, Error> {
    // PID 1 is a grandchild; when the stage between ends, it becomes a child of this process.
    nix::sys::prctl::set_child_subreaper(true).map_err(Error::system_call("become a subreaper"))?;
    let ids = SubIds::current()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
    let control = control::Endpoint::bind(&spec.runtime_dir)?;
    let (child, socket) = start_child(&ids)?;
    let result = send_spec(&socket, child, spec, control.listener())
        .and_then(|()| runtime.block_on(serve::serve_child(spec, child, socket, on_event)));
    if result.is_err() {
        child.kill();
        let _ = nix::sys::wait::waitpid(child.pid(), None);
    }
    let end = result?;
    end.failure.map_or(Ok(end.status), Err)
}

fn start_child(ids: &SubIds) -> Result<(Child, Socket), Error> {
    let (mut stage, socket) = userns::start_stage(Stage::Unshare, ids, &[])?;
    let pid = match socket.recv() {
        Ok((ToParent::Spawned { pid }, _)) => Ok(pid),
        Ok((ToParent::Failed { message }, _)) => Err(Error::Child(message)),
        Ok((other, _)) => Err(unexpected_message("spawned", &other).into()),
        Err(error) => Err(error.into()),
    };
    // This process is PID 1's parent only after the stage has ended.
    stage.wait().map_err(Error::Runtime)?;
    Ok((Child(pid?), socket))
}

/// Sends the spec to PID 1. Its cgroup namespace exists by now, so the cgroup can be emptied.
fn send_spec(socket: &Socket, child: Child, spec: &Spec, control: &UnixListener) -> Result<(), Error> {
    if spec.cgroup == CgroupMode::Delegated {
        cgroup::evacuate_cgroup()?;
    }
    let order = ToChild::Start { version: VERSION, pid: child.0, spec: Box::new(spec.clone()) };
    let users = ports::open_users_socket();
    if let Err(error) = &users {
        tracing::warn!(%error, "users of this host share one limit of connections");
    }
    let files: Vec<_> =
        [Some(control.as_fd()), users.as_ref().ok().map(|socket| socket.as_fd())].into_iter().flatten().collect();
    Ok(socket.send(&order, &files)?)
}
