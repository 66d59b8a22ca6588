//! PID 1's line to its parent once everything runs: sockets are asked for, orders and news come in.

use super::socket::{AsyncSocket, WireError};
use super::{BindFailure, HelperState, ToChild, ToParent};
use nix::errno::Errno;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use usernetes_api::PortSpec;

type Answer = Result<OwnedFd, BindFailure>;

#[derive(Default)]
struct Pending {
    next: u64,
    asked: HashMap<u64, oneshot::Sender<Answer>>,
}

/// The line to the parent.
pub(crate) struct ParentLink {
    socket: AsyncSocket,
    pending: Mutex<Pending>,
    helper: watch::Sender<HelperState>,
}

impl ParentLink {
    pub(crate) fn new(socket: AsyncSocket) -> Self {
        Self { socket, pending: Mutex::default(), helper: watch::Sender::default() }
    }

    /// The network helper.
    pub(crate) fn helper(&self) -> HelperState {
        *self.helper.borrow()
    }

    /// Returns as soon as the network helper runs.
    pub(crate) async fn helper_up(&self) {
        let _ = self.helper.subscribe().wait_for(|helper| helper.pid != 0).await;
    }

    /// A listening (TCP) or bound (UDP) socket of the host's network namespace.
    pub(crate) async fn bind(&self, spec: PortSpec) -> Answer {
        let (answer, id) = self.ask();
        let gone = || BindFailure { errno: Errno::EPIPE as i32, owner: None };
        self.socket.send(&ToParent::Bind { id, spec }, &[]).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    fn ask(&self) -> (oneshot::Receiver<Answer>, u64) {
        let (tx, rx) = oneshot::channel();
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.next += 1;
        let id = pending.next;
        pending.asked.insert(id, tx);
        (rx, id)
    }

    /// Tells that the payload is up. A parent that is gone takes us with it, so failure needs no care.
    pub(crate) async fn ready(&self) {
        let _ = self.socket.send(&ToParent::Ready, &[]).await;
    }

    /// Tells that the payload does what it is there for.
    pub(crate) async fn steady(&self) {
        let _ = self.socket.send(&ToParent::Steady, &[]).await;
    }

    /// Tells why PID 1 ends.
    pub(crate) async fn failed(&self, message: String) {
        let _ = self.socket.send(&ToParent::Failed { message }, &[]).await;
    }

    /// Tells that the tap is there.
    pub(crate) async fn tap(&self) -> Result<(), WireError> {
        self.socket.send(&ToParent::Tap, &[]).await
    }

    /// Takes the parent's messages until it is gone, which is a reason to end.
    pub(crate) async fn serve(&self, shutdown: &CancellationToken) {
        while let Ok((message, fds)) = self.socket.recv::<ToChild>().await {
            match message {
                ToChild::Bound { id, failure } => self.answer(id, failure, fds),
                ToChild::Network(state) => {
                    self.helper.send_replace(state);
                }
                ToChild::Ping => drop(self.socket.send(&ToParent::Pong, &[]).await),
                ToChild::Shutdown => shutdown.cancel(),
                ToChild::Mapped | ToChild::Start { .. } => break,
            }
        }
        shutdown.cancel();
    }

    fn answer(&self, id: u64, failure: Option<BindFailure>, fds: Vec<OwnedFd>) {
        let asked = self.pending.lock().unwrap_or_else(PoisonError::into_inner).asked.remove(&id);
        let missing = BindFailure { errno: Errno::EBADMSG as i32, owner: None };
        let answer = match (failure, fds.into_iter().next()) {
            (None, Some(fd)) => Ok(fd),
            (failure, _) => Err(failure.unwrap_or(missing)),
        };
        // Nobody listens any more when the asking task was dropped; the socket closes then.
        if let Some(asked) = asked {
            let _ = asked.send(answer);
        }
    }
}
