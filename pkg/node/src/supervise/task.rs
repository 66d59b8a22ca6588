//! The task of one component: waits for its start conditions, starts it, observes it, and restarts it.

use super::backoff::Backoff;
use super::liveness::Liveness;
use crate::component::{Component, Condition};
use crate::shortage::is_shortage_at_start;
use crate::status::{ComponentStatus, NodeStatus, State, wait_until_ready};
use crate::{file_watch, logs};
use nix::sys::signal::Signal;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use usernetes_host::{Process, Reaper};

/// Pause before another start when this process lacked descriptors, memory or processes.
const SHORTAGE_PAUSE: Duration = Duration::from_secs(1);

/// A component with everything that its supervision needs.
pub(super) struct Supervised {
    pub(super) component: Component,
    pub(super) liveness: Liveness,
    pub(super) log: PathBuf,
    pub(super) reaper: Reaper,
    pub(super) status: watch::Sender<NodeStatus>,
    pub(super) stop: CancellationToken,
}

impl Supervised {
    /// Starts the component again and again until it is stopped.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::default();
        while !self.stop.is_cancelled() {
            let begin = Instant::now();
            let log_start = logs::size(&self.log);
            let end = match self.run_once().await {
                Ok(end) => end,
                Err(error) if is_shortage_at_start(&error) => {
                    self.wait_for_means(&error).await;
                    continue;
                }
                Err(error) => Some(format!("cannot start: {error}")),
            };
            let Some(end) = end else { break };
            let was_ready = self.has_been_ready();
            let error = logs::read_last_error(&self.log, log_start);
            self.set_state(State::BackOff, |s| s.record_exit(end.clone(), error, was_ready));
            let pause = backoff.next_pause(begin.elapsed());
            tracing::warn!(exit = end, restart_in = ?pause, "component ended");
            self.unless_stopped(sleep(pause)).await;
        }
        self.set_state(State::Stopped, |s| s.pid = None);
    }

    /// Waits before another attempt. The component has not failed, so this is no restart.
    async fn wait_for_means(&self, error: &io::Error) {
        tracing::warn!(%error, retry_in = ?SHORTAGE_PAUSE, "cannot start component yet");
        self.set_state(State::Waiting, |s| s.waits_for = Some(format!("free resources of this node ({error})")));
        self.unless_stopped(sleep(SHORTAGE_PAUSE)).await;
    }

    /// Runs the process once and returns how it exited, `None` if it was stopped.
    async fn run_once(&self) -> io::Result<Option<String>> {
        match self.unless_stopped(self.wait_for_conditions()).await {
            Some(met) => met?,
            None => return Ok(None),
        }
        let process = self.spawn_process()?;
        let started = Instant::now();
        tracing::info!(pid = process.pid(), "component started");
        self.set_state(State::Starting, |s| s.pid = Some(process.pid()));
        let failure = async {
            if timeout(self.liveness.start, self.component.ready.wait_until_ready()).await.is_err() {
                return format!("not ready within {:?}", self.liveness.start);
            }
            let seconds = format!("{:.1}", started.elapsed().as_secs_f64());
            tracing::info!(seconds, "component ready");
            self.set_state(State::Ready, |_| ());
            self.liveness
                .wait_for_failure(self.component.live.as_ref(), |failure| self.set_probe_failure(failure))
                .await
        };
        tokio::select! {
            exit = process.wait() => Ok(Some(exit.to_string())),
            why = failure => {
                self.end_process(&process).await;
                Ok(Some(why))
            }
            () = self.stop.cancelled() => {
                self.end_process(&process).await;
                Ok(None)
            }
        }
    }

    async fn wait_for_conditions(&self) -> io::Result<()> {
        for condition in &self.component.start_after {
            self.set_state(State::Waiting, |s| s.waits_for = Some(condition.to_string()));
            match condition {
                Condition::Ready(other) => wait_until_ready(&self.status, *other).await,
                Condition::File(file) => file_watch::wait_for_file(file).await?,
            }
        }
        Ok(())
    }

    fn spawn_process(&self) -> io::Result<Process> {
        let log = logs::open_log(&self.log)?;
        let (program, args) = self.component.argv.split_first().expect("a program");
        let mut command = Command::new(program);
        command.args(args).env_clear().envs(&self.component.env).current_dir("/");
        // A process group of its own: Ctrl-C in a terminal must reach the child only.
        command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.reaper.spawn(&mut command)
    }

    async fn end_process(&self, process: &Process) {
        self.set_state(State::Stopping, |_| ());
        process.signal(Signal::SIGTERM);
        if timeout(self.component.grace, process.wait()).await.is_err() {
            tracing::warn!("component ignores SIGTERM; sending SIGKILL");
            process.signal(Signal::SIGKILL);
            process.wait().await;
        }
    }

    fn set_probe_failure(&self, failure: Option<String>) {
        let state = if failure.is_some() { State::NotReady } else { State::Ready };
        let known = self.status.borrow().component(self.component.name).is_some_and(|c| c.state == state);
        if !known {
            self.set_state(state, |s| s.probe_failure = failure);
        }
    }

    fn set_state(&self, state: State, change: impl FnOnce(&mut ComponentStatus)) {
        self.status.send_modify(|status| {
            let Some(one) = status.components.iter_mut().find(|c| c.name == self.component.name) else { return };
            one.enter_state(state);
            change(one);
        });
    }

    /// Whether the process that has just exited was ready.
    fn has_been_ready(&self) -> bool {
        self.status
            .borrow()
            .component(self.component.name)
            .is_some_and(|c| matches!(c.state, State::Ready | State::NotReady))
    }

    async fn unless_stopped<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.stop.run_until_cancelled(future).await
    }
}
