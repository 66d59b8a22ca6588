//! The lives of one component: wait for its conditions, start it, see it become ready, see it end, again.

use super::backoff::Backoff;
use super::liveness::Liveness;
use super::status::{NodeStatus, State, ready};
use crate::component::{Component, Condition};
use crate::{ComponentName, file_watch, logs};
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

/// A component with all that its supervision needs.
pub(super) struct Supervised {
    pub(super) component: Component,
    pub(super) liveness: Liveness,
    pub(super) log: PathBuf,
    pub(super) reaper: Reaper,
    pub(super) status: watch::Sender<NodeStatus>,
    pub(super) stop: CancellationToken,
}

impl Supervised {
    /// Lives until it is told to stop.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::default();
        while !self.stop.is_cancelled() {
            let begin = Instant::now();
            let end = match self.life().await {
                Ok(end) => end,
                Err(error) => Some(format!("cannot start: {error}")),
            };
            let Some(end) = end else { break };
            tracing::warn!(component = %self.component.name, %end, "ended");
            self.set(State::BackOff, |s| {
                s.pid = None;
                s.restarts += 1;
                s.last_exit = Some(end);
            });
            self.unless_stopped(sleep(backoff.after(begin.elapsed()))).await;
        }
        self.set(State::Stopped, |s| s.pid = None);
    }

    /// One life; how it ended, `None` when it was told to.
    async fn life(&self) -> io::Result<Option<String>> {
        match self.unless_stopped(self.conditions()).await {
            Some(met) => met?,
            None => return Ok(None),
        }
        let process = self.spawn()?;
        self.set(State::Starting, |s| s.pid = Some(process.pid()));
        let lost = async {
            self.component.ready.ready().await;
            self.set(State::Ready, |_| ());
            self.liveness.lost(self.component.live.as_ref()).await
        };
        tokio::select! {
            exit = process.wait() => Ok(Some(exit.to_string())),
            why = lost => {
                self.end(&process).await;
                Ok(Some(why))
            }
            () = self.stop.cancelled() => {
                self.end(&process).await;
                Ok(None)
            }
        }
    }

    async fn conditions(&self) -> io::Result<()> {
        for condition in &self.component.after {
            self.set(State::Waiting, |s| s.waits_for = Some(condition.to_string()));
            match condition {
                Condition::Ready(other) => ready(&self.status, *other).await,
                Condition::File(file) => file_watch::appears(file).await?,
            }
        }
        Ok(())
    }

    fn spawn(&self) -> io::Result<Process> {
        let log = logs::open(&self.log)?;
        let (program, args) = self.component.argv.split_first().expect("a program");
        let mut command = Command::new(program);
        command.args(args).env_clear().envs(&self.component.env).current_dir("/");
        // A group of its own: Ctrl-C in a terminal is for us to act upon.
        command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.reaper.spawn(&mut command)
    }

    async fn end(&self, process: &Process) {
        self.set(State::Stopping, |_| ());
        process.signal(Signal::SIGTERM);
        if timeout(grace(self.component.name), process.wait()).await.is_err() {
            tracing::warn!(component = %self.component.name, "does not end, killed");
            process.signal(Signal::SIGKILL);
            process.wait().await;
        }
    }

    fn set(&self, state: State, change: impl FnOnce(&mut super::ComponentStatus)) {
        self.status.send_modify(|status| {
            let Some(one) = status.components.iter_mut().find(|c| c.name == self.component.name) else { return };
            one.enter(state);
            change(one);
        });
    }

    async fn unless_stopped<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.stop.run_until_cancelled(future).await
    }
}

/// How long a component may take to end. kube-apiserver drains its requests, etcd writes a last snapshot.
const fn grace(name: ComponentName) -> Duration {
    match name {
        ComponentName::Etcd | ComponentName::KubeApiserver => Duration::from_secs(10),
        _ => Duration::from_secs(5),
    }
}
