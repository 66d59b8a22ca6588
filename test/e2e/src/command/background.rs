//! A started program: its output as it comes, its end, its time limit.

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::io::Read;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::command::output::Output;
use crate::testbed::host::Transcript;

/// How long output may stay open after the program's end before we say that something holds it.
const STREAMS: Duration = Duration::from_secs(3);

#[derive(Default)]
struct State {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    open: u8,
    status: Option<ExitStatus>,
}

type Shared = Arc<(Mutex<State>, Condvar)>;

/// A program that runs. Dropping it kills its process group.
pub struct Background {
    command: String,
    pid: Pid,
    shared: Shared,
    transcript: Transcript,
}

impl Background {
    pub(crate) fn new(command: String, mut child: Child, transcript: Transcript) -> Self {
        let shared = Shared::default();
        let pid = Pid::from_raw(child.id().cast_signed());
        lock(&shared).open = 2;
        copy(child.stdout.take(), shared.clone(), |state| &mut state.stdout);
        copy(child.stderr.take(), shared.clone(), |state| &mut state.stderr);
        let ended = shared.clone();
        thread::spawn(move || {
            let status = child.wait().ok();
            lock(&ended).status = status;
            ended.1.notify_all();
        });
        Self { command, pid, shared, transcript }
    }

    /// Its process id as the machine sees it.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Sends it, and only it, a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(self.pid, signal)?)
    }

    /// Sends a signal to its process group, as a terminal does at Ctrl-C.
    pub fn signal_group(&self, signal: Signal) -> Result<()> {
        Ok(killpg(self.pid, signal)?)
    }

    /// Waits until a line of either output satisfies `wanted` and returns it.
    pub fn line(&self, limit: Duration, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let end = Instant::now() + limit;
        let mut state = lock(&self.shared);
        loop {
            let text = [String::from_utf8_lossy(&state.stdout), String::from_utf8_lossy(&state.stderr)];
            if let Some(line) = text.iter().flat_map(|t| t.lines()).find(|l| wanted(l)) {
                return Ok(line.to_owned());
            }
            ensure!(
                state.status.is_none() || state.open > 0,
                "{} ended without the line:\n{}",
                self.command,
                text.concat()
            );
            let left = end.saturating_duration_since(Instant::now());
            ensure!(!left.is_zero(), "{} did not print the line in {limit:?}:\n{}", self.command, text.concat());
            drop(text);
            state = self.shared.1.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for its end; kills it, with its group, when its time is over.
    pub fn wait(self, limit: Duration) -> Result<Output> {
        let late = !self.until(limit, |state| state.status.is_some());
        if late {
            self.end();
            self.until(STREAMS, |state| state.status.is_some());
        }
        let held = !self.until(STREAMS, |state| state.open == 0);
        let state = lock(&self.shared);
        let output = Output {
            command: self.command.clone(),
            status: state.status.with_context(|| format!("{} outlives SIGKILL", self.command))?,
            stdout: String::from_utf8_lossy(&state.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&state.stderr).into_owned(),
            late,
            held,
        };
        drop(state);
        self.transcript.add(&output);
        Ok(output)
    }

    fn until(&self, limit: Duration, done: impl Fn(&State) -> bool) -> bool {
        let state = lock(&self.shared);
        let waited = self.shared.1.wait_timeout_while(state, limit, |state| !done(state));
        done(&waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    fn end(&self) {
        match killpg(self.pid, Signal::SIGKILL) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(_) => drop(kill(self.pid, Signal::SIGKILL)),
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if lock(&self.shared).status.is_none() {
            self.end();
            self.until(STREAMS, |state| state.status.is_some());
        }
    }
}

fn copy(stream: Option<impl Read + Send + 'static>, shared: Shared, of: fn(&mut State) -> &mut Vec<u8>) {
    thread::spawn(move || {
        let mut buffer = [0; 8192];
        if let Some(mut stream) = stream {
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                of(&mut lock(&shared)).extend_from_slice(&buffer[..length]);
                shared.1.notify_all();
            }
        }
        lock(&shared).open -= 1;
        shared.1.notify_all();
    });
}

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.0.lock().unwrap_or_else(PoisonError::into_inner)
}
