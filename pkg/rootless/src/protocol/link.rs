//! PID 1's connection to its parent while the payload runs: requests for sockets, state of the network, shutdown.

use super::socket::{AsyncSocket, WireError};
use super::{BindFailure, HelperState, ToChild, ToParent};
use crate::network::wait_for_silence;
use crate::sync::IgnorePoison as _;
use nix::errno::Errno;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Mutex;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use usernetes_api::PortSpec;

/// Failure when the parent has ended.
const PARENT_GONE: BindFailure = BindFailure { errno: Errno::EPIPE as i32, owner: None };

type Answer = Result<OwnedFd, BindFailure>;

#[derive(Default)]
struct Pending {
    next: u64,
    asked: HashMap<u64, oneshot::Sender<Answer>>,
}

/// Connection to the parent.
pub(crate) struct ParentLink {
    socket: AsyncSocket,
    pending: Mutex<Pending>,
    helper: watch::Sender<HelperState>,
}

impl ParentLink {
    pub(crate) fn new(socket: AsyncSocket) -> Self {
        Self { socket, pending: Mutex::default(), helper: watch::Sender::default() }
    }

    /// State of the network driver's process.
    pub(crate) fn helper_state(&self) -> HelperState {
        *self.helper.borrow()
    }

    /// Returns as soon as the network driver runs.
    pub(crate) async fn wait_for_helper(&self) {
        let _ = self.helper.subscribe().wait_for(|helper| helper.pid != 0).await;
    }

    /// Reports each time that the network driver hangs, after which the parent replaces its process.
    pub(crate) async fn watch_network(&self, gateway: Ipv4Addr) {
        let mut helper = self.helper.subscribe();
        loop {
            wait_for_silence(gateway).await;
            let silent = *helper.borrow_and_update();
            // One that is being restarted is silent as well.
            if silent.pid != 0 && self.socket.send(&ToParent::NetworkHangs, &[]).await.is_err() {
                return;
            }
            if helper.wait_for(|now| now.pid != 0 && now.restarts != silent.restarts).await.is_err() {
                return;
            }
        }
    }

    /// A listening (TCP) or bound (UDP) socket of the host's network namespace.
    pub(crate) async fn bind_port(&self, spec: PortSpec) -> Answer {
        let (answer, id) = self.register_request();
        self.socket.send(&ToParent::Bind { id, spec }, &[]).await.map_err(|_| PARENT_GONE)?;
        answer.await.unwrap_or(Err(PARENT_GONE))
    }

    fn register_request(&self) -> (oneshot::Receiver<Answer>, u64) {
        let (tx, rx) = oneshot::channel();
        let mut pending = self.pending.lock().ignore_poison();
        pending.next += 1;
        let id = pending.next;
        pending.asked.insert(id, tx);
        (rx, id)
    }

    /// Reports that the payload is up. If the parent has ended, PID 1 ends too, so errors are ignored.
    pub(crate) async fn send_ready(&self) {
        let _ = self.socket.send(&ToParent::Ready, &[]).await;
    }

    /// Reports that the payload works as intended.
    pub(crate) async fn send_steady(&self) {
        let _ = self.socket.send(&ToParent::Steady, &[]).await;
    }

    /// Reports why PID 1 ends.
    pub(crate) async fn send_failed(&self, message: String) {
        let _ = self.socket.send(&ToParent::Failed { message }, &[]).await;
    }

    /// Reports that the tap exists, and hands over the sockets of the name server.
    pub(crate) async fn send_tap(&self, resolver: Result<[OwnedFd; 2], String>) -> Result<(), WireError> {
        let files: Vec<_> = resolver.iter().flatten().map(|file| file.as_fd()).collect();
        let tap = ToParent::Tap { resolver_failure: resolver.as_ref().err().cloned() };
        self.socket.send(&tap, &files).await
    }

    /// Handles the parent's messages until the parent has ended, then begins the shutdown.
    pub(crate) async fn receive_messages(&self, shutdown: &CancellationToken) {
        while let Ok((message, fds)) = self.socket.recv::<ToChild>().await {
            match message {
                ToChild::Bound { id, failure } => self.complete_request(id, failure, fds),
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

    fn complete_request(&self, id: u64, failure: Option<BindFailure>, fds: Vec<OwnedFd>) {
        let asked = self.pending.lock().ignore_poison().asked.remove(&id);
        let missing = BindFailure { errno: Errno::EBADMSG as i32, owner: None };
        let answer = match (failure, fds.into_iter().next()) {
            (None, Some(fd)) => Ok(fd),
            (failure, _) => Err(failure.unwrap_or(missing)),
        };
        // The receiver is gone if the requesting task was dropped; the socket closes then.
        if let Some(asked) = asked {
            let _ = asked.send(answer);
        }
    }
}
