//! The parent's loop while the child runs.

use super::bind;
use super::child::Child;
use super::error::Error;
use super::event::{Event, Ready};
use crate::Spec;
use crate::network;
use crate::protocol::{AsyncSocket, HelperState, Socket, ToChild, ToParent, WireError, unexpected_message};
use crate::resolver;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::pin::pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;

/// Time that the child gets beyond that of its payload before it is killed.
const STOP_MARGIN: Duration = Duration::from_secs(10);
/// Interval of heartbeats to the child.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Attaches the network, then serves the child until it has ended.
pub(super) async fn serve_child(
    spec: &Spec,
    child: Child,
    socket: Socket,
    on_event: impl FnMut(Event),
) -> Result<End, Error> {
    let mut signals = Signals::new()?;
    let socket = socket.into_async().map_err(Error::Runtime)?;
    match socket.recv().await? {
        (ToParent::Tap { resolver_failure }, files) => start_resolver(spec, resolver_failure, files),
        (ToParent::Failed { message }, _) => return Err(Error::Child(message)),
        (other, _) => return Err(unexpected_message("tap", &other).into()),
    }
    let helper = network::prepare_helper(&spec.network, child.0)?;
    let (state, states) = watch::channel(HelperState::default());
    // Meanwhile the child makes its mounts and may already request ports, so it is served while the driver starts.
    let hangs = Arc::new(Notify::new());
    let stop_limit = spec.stop_timeout + STOP_MARGIN;
    let session = Session { child, socket, states, on_event, failure: None, stop_limit, hangs: Arc::clone(&hangs) };
    let mut served = pin!(session.run(&mut signals));
    let error = tokio::select! {
        end = &mut served => return end,
        Err(error) = helper.supervise(state, &hangs) => error,
    };
    child.kill();
    // If the child had failed before, its error is the cause of the driver's failure.
    let end = served.await?;
    Ok(End { failure: end.failure.or(Some(error.into())), ..end })
}

/// Serves the node's name server; without it, the network driver forwards requests to one of the host's resolvers.
fn start_resolver(spec: &Spec, failure: Option<String>, files: Vec<OwnedFd>) {
    let Ok(sockets) = <[OwnedFd; 2]>::try_from(files) else {
        tracing::warn!(error = failure, "names of the host's /etc/hosts are unknown inside");
        return;
    };
    let host_ip = spec.host_addresses.first().copied();
    tokio::spawn(async move {
        if let Err(error) = resolver::serve_names(sockets, host_ip).await {
            tracing::error!(%error, "the node's name server ended");
        }
    });
}

/// How the child ended. The child is reaped: another process may have its id.
pub(super) struct End {
    pub(super) status: ExitStatus,
    pub(super) failure: Option<Error>,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    child: Signal,
}

impl Signals {
    fn new() -> Result<Self, Error> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(Error::Runtime)?,
            interrupt: signal(SignalKind::interrupt()).map_err(Error::Runtime)?,
            child: signal(SignalKind::child()).map_err(Error::Runtime)?,
        })
    }

    async fn next_event(&mut self) -> SignalEvent {
        tokio::select! {
            _ = self.terminate.recv() => SignalEvent::Stop,
            _ = self.interrupt.recv() => SignalEvent::Stop,
            _ = self.child.recv() => SignalEvent::ChildEnded,
        }
    }
}

/// Meaning of a signal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SignalEvent {
    Stop,
    ChildEnded,
}

struct Session<F> {
    child: Child,
    socket: AsyncSocket,
    states: watch::Receiver<HelperState>,
    on_event: F,
    failure: Option<Error>,
    stop_limit: Duration,
    /// Tells the helper's supervision that the process hangs.
    hangs: Arc<Notify>,
}

impl<F: FnMut(Event)> Session<F> {
    async fn run(mut self, signals: &mut Signals) -> Result<End, Error> {
        let mut open = true;
        let mut stopping = None;
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Sees a child that ended before the signal handlers were installed, too.
            if let Some(status) = self.poll_status()? {
                return Ok(self.drain_messages(status).await);
            }
            tokio::select! {
                biased;
                message = self.socket.recv(), if open => match message {
                    Ok((message, _)) => self.handle_message(message).await?,
                    // The child is about to end; SIGCHLD follows.
                    Err(WireError::Closed) => open = false,
                    Err(error) => return Err(error.into()),
                },
                Ok(()) = self.states.changed() => self.send_network_state().await,
                _ = heartbeat.tick() => self.send_message(&ToChild::Ping, &[]).await,
                event = signals.next_event() => match (event, stopping) {
                    (SignalEvent::ChildEnded, _) => {}
                    (SignalEvent::Stop, None) => stopping = Some(self.request_stop().await),
                    (SignalEvent::Stop, Some(_)) => self.child.kill(),
                },
                () = sleep_until(stopping) => {
                    tracing::warn!(limit = ?self.stop_limit, "child did not end in time; killing it");
                    self.child.kill();
                    stopping = Some(tokio::time::Instant::now() + self.stop_limit);
                }
            }
        }
    }

    async fn handle_message(&mut self, message: ToParent) -> Result<(), Error> {
        match message {
            ToParent::Bind { id, spec } => {
                let (failure, socket) = match bind::bind_port(&spec) {
                    Ok(socket) => (None, Some(socket)),
                    Err(failure) => (Some(failure), None),
                };
                let fds: Vec<_> = socket.iter().map(|socket| socket.as_fd()).collect();
                self.send_message(&ToChild::Bound { id, failure }, &fds).await;
            }
            ToParent::Ready => (self.on_event)(Event::Ready(Ready { child_pid: self.child.0 })),
            ToParent::Steady => (self.on_event)(Event::Steady),
            ToParent::NetworkHangs => self.hangs.notify_one(),
            ToParent::Pong => (self.on_event)(Event::Alive),
            ToParent::Failed { message } => self.failure = Some(Error::Child(message)),
            other => return Err(unexpected_message("a request of the running child", &other).into()),
        }
        Ok(())
    }

    async fn send_network_state(&mut self) {
        let state = *self.states.borrow_and_update();
        self.send_message(&ToChild::Network(state), &[]).await;
    }

    async fn request_stop(&mut self) -> tokio::time::Instant {
        self.send_message(&ToChild::Shutdown, &[]).await;
        tokio::time::Instant::now() + self.stop_limit
    }

    /// Failure is no error: the end of the child is noticed by its status.
    async fn send_message(&self, message: &ToChild, fds: &[std::os::fd::BorrowedFd<'_>]) {
        if let Err(error) = self.socket.send(message, fds).await {
            tracing::debug!(%error, "cannot send a message to the child");
        }
    }

    /// The child's status if it has ended.
    fn poll_status(&self) -> Result<Option<ExitStatus>, Error> {
        let waited = waitpid(self.child.pid(), Some(WaitPidFlag::WNOHANG));
        Ok(match waited.map_err(Error::system_call("wait for the child"))? {
            WaitStatus::Exited(_, code) => Some(ExitStatus::from_raw(code << 8)),
            WaitStatus::Signaled(_, signal, _) => Some(ExitStatus::from_raw(signal as i32)),
            _ => None,
        })
    }

    /// Reads the messages that the child sent before it ended.
    async fn drain_messages(mut self, status: ExitStatus) -> End {
        while let Ok((message, _)) = self.socket.recv().await {
            if let ToParent::Failed { message } = message {
                self.failure = Some(Error::Child(message));
            }
        }
        End { status, failure: self.failure }
    }
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
