//! The parent's loop while the child runs.

use super::bind;
use super::child::Child;
use super::error::Error;
use super::event::{Event, Ready};
use crate::Spec;
use crate::network;
use crate::protocol::{AsyncSocket, HelperState, Socket, ToChild, ToParent, WireError, unexpected};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::pin::pin;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// How long an orderly end may take before the child is killed. Below systemd's own limit of 90 s.
const STOP_LIMIT: Duration = Duration::from_mins(1);
/// How often the child is asked whether it still turns.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Attaches the network, then serves the child until it has ended.
pub(super) async fn serve(
    spec: &Spec,
    child: Child,
    socket: Socket,
    on_event: impl FnMut(Event),
) -> Result<End, Error> {
    let mut signals = Signals::new()?;
    let socket = socket.into_async().map_err(Error::Runtime)?;
    match socket.recv().await?.0 {
        ToParent::Tap => {}
        ToParent::Failed { message } => return Err(Error::Child(message)),
        other => return Err(unexpected("tap", &other).into()),
    }
    let helper = network::prepare_helper(&spec.network, child.0)?;
    let (state, states) = watch::channel(HelperState::default());
    // The child mounts meanwhile and may already ask for ports, so both are served at once.
    let mut served = pin!(Session { child, socket, states, on_event, failure: None }.run(&mut signals));
    let error = tokio::select! {
        end = &mut served => return end,
        Err(error) = helper.supervise(state) => error,
    };
    child.kill();
    // A child that had failed already is the cause of the helper's trouble, not its consequence.
    let end = served.await?;
    Ok(End { failure: end.failure.or(Some(error.into())), ..end })
}

/// How the child ended. It is reaped by then: its number may belong to somebody else.
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
        let handle = |kind| signal(kind).map_err(Error::Runtime);
        let (terminate, interrupt) = (handle(SignalKind::terminate())?, handle(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt, child: handle(SignalKind::child())? })
    }

    async fn next(&mut self) -> News {
        tokio::select! {
            _ = self.terminate.recv() => News::Stop,
            _ = self.interrupt.recv() => News::Stop,
            _ = self.child.recv() => News::SomeChildEnded,
        }
    }
}

/// What a signal means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum News {
    Stop,
    SomeChildEnded,
}

struct Session<F> {
    child: Child,
    socket: AsyncSocket,
    states: watch::Receiver<HelperState>,
    on_event: F,
    failure: Option<Error>,
}

impl<F: FnMut(Event)> Session<F> {
    async fn run(mut self, signals: &mut Signals) -> Result<End, Error> {
        let mut open = true;
        let mut stopping = None;
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // A child that had ended before signals were taken is seen by the first look.
            if let Some(status) = self.status()? {
                return Ok(self.last_words(status).await);
            }
            tokio::select! {
                biased;
                message = self.socket.recv(), if open => match message {
                    Ok((message, _)) => self.answer(message).await?,
                    // It is about to end; its process tells when.
                    Err(WireError::Closed) => open = false,
                    Err(error) => return Err(error.into()),
                },
                Ok(()) = self.states.changed() => self.tell_network().await,
                _ = heartbeat.tick() => self.say(&ToChild::Ping, &[]).await,
                news = signals.next() => match (news, stopping) {
                    (News::SomeChildEnded, _) => {}
                    (News::Stop, None) => stopping = Some(self.stop().await),
                    (News::Stop, Some(_)) => self.child.kill(),
                },
                () = until(stopping) => {
                    tracing::warn!(limit = ?STOP_LIMIT, "the child did not end in time and is killed");
                    self.child.kill();
                    stopping = Some(tokio::time::Instant::now() + STOP_LIMIT);
                }
            }
        }
    }

    async fn answer(&mut self, message: ToParent) -> Result<(), Error> {
        match message {
            ToParent::Bind { id, spec } => {
                let (failure, socket) = match bind::bind(&spec) {
                    Ok(socket) => (None, Some(socket)),
                    Err(failure) => (Some(failure), None),
                };
                let fds: Vec<_> = socket.iter().map(|socket| socket.as_fd()).collect();
                self.say(&ToChild::Bound { id, failure }, &fds).await;
            }
            ToParent::Ready => (self.on_event)(Event::Ready(Ready { child_pid: self.child.0 })),
            ToParent::Steady => (self.on_event)(Event::Steady),
            ToParent::Pong => (self.on_event)(Event::Alive),
            ToParent::Failed { message } => self.failure = Some(Error::Child(message)),
            other => return Err(unexpected("a request of the running child", &other).into()),
        }
        Ok(())
    }

    async fn tell_network(&mut self) {
        let state = *self.states.borrow_and_update();
        self.say(&ToChild::Network(state), &[]).await;
    }

    async fn stop(&mut self) -> tokio::time::Instant {
        self.say(&ToChild::Shutdown, &[]).await;
        tokio::time::Instant::now() + STOP_LIMIT
    }

    /// A child that has ended hears nothing; its end is seen elsewhere.
    async fn say(&self, message: &ToChild, fds: &[std::os::fd::BorrowedFd<'_>]) {
        if let Err(error) = self.socket.send(message, fds).await {
            tracing::debug!(%error, "the child is not reached");
        }
    }

    /// Its status once it has ended.
    fn status(&self) -> Result<Option<ExitStatus>, Error> {
        let waited = waitpid(self.child.pid(), Some(WaitPidFlag::WNOHANG));
        Ok(match waited.map_err(Error::system("wait for the child"))? {
            WaitStatus::Exited(_, code) => Some(ExitStatus::from_raw(code << 8)),
            WaitStatus::Signaled(_, signal, _) => Some(ExitStatus::from_raw(signal as i32)),
            _ => None,
        })
    }

    /// What the child said before it ended may still be unread.
    async fn last_words(mut self, status: ExitStatus) -> End {
        while let Ok((message, _)) = self.socket.recv().await {
            if let ToParent::Failed { message } = message {
                self.failure = Some(Error::Child(message));
            }
        }
        End { status, failure: self.failure }
    }
}

async fn until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
