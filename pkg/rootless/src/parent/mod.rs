//! The parent's side: starts the child, keeps its network up, binds its ports, sees it off.

mod bind;
mod child;
mod error;
mod event;
mod port_owner;
mod serve;

pub use error::Error;
pub use event::{Event, Ready};

use crate::protocol::Socket;
use crate::protocol::{ToChild, ToParent, VERSION, unexpected};
use crate::userns::Stage;
use crate::userns::SubIds;
use crate::{Spec, cgroup, control, userns};
use child::Child;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixListener;
use std::process::ExitStatus;
use usernetes_api::CgroupMode;

/// Runs the payload in its namespaces and returns when it has ended; nothing of it is left then.
///
/// SIGTERM and SIGINT end it in order, a second one at once. Call it in a process that has nothing else to do:
/// it becomes the reaper of its descendants, and the child lives as long as the calling thread.
pub fn run_parent(spec: &Spec, on_event: impl FnMut(Event)) -> Result<ExitStatus, Error> {
    // PID 1 is our grandchild; when the stage between ends, it must become our child.
    nix::sys::prctl::set_child_subreaper(true).map_err(Error::system("become a subreaper"))?;
    let ids = SubIds::current()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
    let control = control::Endpoint::bind(&spec.runtime_dir)?;
    let (child, socket) = start_child(&ids)?;
    let result = hand_over(&socket, child, spec, control.listener())
        .and_then(|()| runtime.block_on(serve::serve(spec, child, socket, on_event)));
    if result.is_err() {
        child.kill();
        let _ = nix::sys::wait::waitpid(child.pid(), None);
    }
    let end = result?;
    end.failure.map_or(Ok(end.status), Err)
}

fn start_child(ids: &SubIds) -> Result<(Child, Socket), Error> {
    let (mut stage, socket) = userns::start(Stage::Unshare, ids, &[])?;
    let pid = match socket.recv() {
        Ok((ToParent::Spawned { pid }, _)) => Ok(pid),
        Ok((ToParent::Failed { message }, _)) => Err(Error::Child(message)),
        Ok((other, _)) => Err(unexpected("spawned", &other).into()),
        Err(error) => Err(error.into()),
    };
    // Only when it is gone are we PID 1's parent.
    stage.wait().map_err(Error::Runtime)?;
    Ok((Child(pid?), socket))
}

/// Gives PID 1 its orders. It has its cgroup namespace by now, so the cgroup can be emptied.
fn hand_over(socket: &Socket, child: Child, spec: &Spec, control: &UnixListener) -> Result<(), Error> {
    if spec.cgroup == CgroupMode::Delegated {
        cgroup::evacuate()?;
    }
    let orders = ToChild::Start { version: VERSION, pid: child.0, spec: Box::new(spec.clone()) };
    Ok(socket.send(&orders, &[control.as_fd()])?)
}
