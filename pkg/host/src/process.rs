//! Child processes of a process that is PID 1: one reaper for all, no exit status stolen.
//!
//! `wait(-1)` takes the status of every child, also of those that other code waits for; so in a process that
//! reaps orphans nothing else may wait. Everything is started by [`Reaper::spawn`], one thread waits, and each
//! status goes to the [`Process`]. Where a reaper runs, `Command::output` and `status` of the
//! standard library must not be used.

mod detach;
mod inherited;

pub use detach::{detach, lead_session};
pub use inherited::{clean_environment, prepare_process, reset_inherited, search_path};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::process::{WaitId, WaitIdOptions, WaitOptions, wait, waitid};
use std::collections::HashMap;
use std::io;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use tokio::sync::watch;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(n) => match Signal::try_from(*n) {
                Ok(signal) => write!(f, "signal {signal}"),
                Err(_) => write!(f, "signal {n}"),
            },
        }
    }
}

const IDLE: std::time::Duration = std::time::Duration::from_millis(500);

type Children = HashMap<Pid, watch::Sender<Option<Exit>>>;

#[derive(Default)]
struct Shared {
    children: Mutex<Children>,
    /// Wakes the thread when there is something to wait for again.
    started: Condvar,
}

impl Shared {
    fn lock_children(&self) -> std::sync::MutexGuard<'_, Children> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts processes and reaps everything that ends, orphans included.
#[derive(Clone, Default)]
pub struct Reaper(Arc<Shared>);

/// A running or ended process; cheap to clone.
#[derive(Clone)]
pub struct Process {
    shared: Arc<Shared>,
    pid: Pid,
    exit: watch::Receiver<Option<Exit>>,
}

impl Reaper {
    /// Starts the waiting thread. One a process.
    pub fn start() -> Self {
        let reaper = Self::default();
        let shared = Arc::clone(&reaper.0);
        std::thread::Builder::new()
            .name("reaper".into())
            .stack_size(64 * 1024)
            .spawn(move || reap_children(&shared))
            .expect("a thread can be started");
        reaper
    }

    /// Starts a process.
    pub fn spawn(&self, command: &mut Command) -> io::Result<Process> {
        // The lock is held until the pid is known: the reaper cannot see the end before.
        let mut children = self.0.lock_children();
        let child = command.spawn()?;
        let pid = Pid::from_raw(child.id().cast_signed());
        let (tx, exit) = watch::channel(None);
        children.insert(pid, tx);
        drop(children);
        self.0.started.notify_all();
        Ok(Process { shared: Arc::clone(&self.0), pid, exit })
    }
}

/// Peeks without reaping, and reaps under the lock: so as long as the lock is held, every pid in the table is
/// still its process', running or ended.
fn reap_children(shared: &Shared) {
    loop {
        match waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Ok(_) => take_status(&mut shared.lock_children()),
            Err(rustix::io::Errno::CHILD) => wait_for_child(shared),
            Err(_) => {}
        }
    }
}

/// Takes the status of one child that has ended. There may be none: of a program that could not be executed,
/// the standard library takes it.
fn take_status(children: &mut Children) {
    let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) else { return };
    let exit = match status.terminating_signal() {
        Some(signal) => Exit::Signal(signal),
        None => Exit::Code(status.exit_status().unwrap_or_default()),
    };
    if let Some(tx) = children.remove(&Pid::from_raw(pid.as_raw_pid())) {
        tx.send_replace(Some(exit));
    }
}

/// Without any child there is nothing to block on. Every spawn wakes the thread; only an orphan that comes from
/// outside its own descendants (`nsenter`) is not announced, and may stay a zombie for this long.
fn wait_for_child(shared: &Shared) {
    let guard = shared.lock_children();
    if guard.is_empty() {
        drop(shared.started.wait_timeout(guard, IDLE));
    }
}

impl Process {
    /// Its pid in our PID namespace.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// How it ended, `None` while it runs.
    pub fn exit(&self) -> Option<Exit> {
        *self.exit.borrow()
    }

    /// Waits for its end.
    pub async fn wait(&self) -> Exit {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(exit) => exit.expect("waited for"),
            Err(_) => Exit::Signal(Signal::SIGKILL as i32),
        }
    }

    /// Sends it a signal unless it has ended; its pid cannot have been given to another, since the reaper's lock is held.
    pub fn signal(&self, signal: Signal) {
        if self.shared.lock_children().contains_key(&self.pid) {
            let _ = kill(self.pid, signal);
        }
    }
}

#[cfg(test)]
mod tests;
