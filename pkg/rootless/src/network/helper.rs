//! The driver's process: started on the child's tap, awaited, watched and restarted.

use super::backoff::Backoff;
use super::driver::{Driver, NetworkError};
use crate::protocol::HelperState;
use crate::userns::hide_session;
use std::collections::VecDeque;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use usernetes_api::{NetworkOptions, join_causes};

/// Shortest and longest pause before a restart.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Run time after which the pause before a restart is short again.
const STEADY: Duration = Duration::from_secs(10);
/// Lines of standard error that are kept for the error message.
const LAST_LINES: usize = 4;

/// The driver's program with its arguments.
pub(crate) struct Helper {
    driver: &'static Driver,
    args: Vec<String>,
}

/// A process that carries the tap.
struct Running {
    process: Child,
    /// The process ends when this closes, that is with the parent, however the parent ends.
    _alive: io::PipeWriter,
}

impl Helper {
    /// Gets the arguments from the driver, which may depend on the installed version.
    pub(super) fn new(driver: &'static Driver, network: &NetworkOptions, child: i32) -> Result<Self, NetworkError> {
        let args = (driver.arguments)(network, child).map_err(|source| start_error(driver, source))?;
        Ok(Self { driver, args })
    }

    /// Keeps one process running and publishes its state. Returns only when the first start fails.
    /// A process that hangs is killed.
    pub(crate) async fn supervise(self, state: watch::Sender<HelperState>, hangs: &Notify) -> Result<(), NetworkError> {
        let program = self.driver.program;
        let mut backoff = Backoff::new(SHORTEST_PAUSE, LONGEST_PAUSE);
        let mut restarts = 0;
        let mut running = self.start().await?;
        loop {
            let started = Instant::now();
            let pid = running.process.id().unwrap_or_default();
            tracing::info!(driver = program, pid, restarts, "network is up");
            state.send_replace(HelperState { pid, restarts });
            let status = tokio::select! {
                status = running.process.wait() => describe_exit(status),
                () = hangs.notified() => {
                    tracing::warn!(driver = program, "network driver carries nothing; killing it");
                    describe_exit(running.process.kill().await.and(running.process.wait().await))
                }
            };
            tracing::warn!(driver = program, status, "network driver ended; the node has no network until it restarts");
            state.send_replace(HelperState { pid: 0, restarts });
            if started.elapsed() > STEADY {
                backoff.reset();
            }
            running = self.restart(&mut backoff).await;
            restarts += 1;
        }
    }

    async fn restart(&self, backoff: &mut Backoff) -> Running {
        loop {
            tokio::time::sleep(backoff.next_pause()).await;
            match self.start().await {
                Ok(running) => return running,
                Err(error) => tracing::error!(error = join_causes(&error), "cannot restart the network driver"),
            }
        }
    }

    async fn start(&self) -> Result<Running, NetworkError> {
        let (mut process, ready, alive) = self.spawn().map_err(|source| start_error(self.driver, source))?;
        let output = process.stderr.take().map(|stderr| tokio::spawn(log_lines(self.driver.program, stderr)));
        if receive_byte(ready).await.map_err(|source| start_error(self.driver, source))? {
            return Ok(Running { process, _alive: alive });
        }
        let status = describe_exit(process.wait().await);
        let output = match output {
            Some(lines) => lines.await.unwrap_or_default(),
            None => String::new(),
        };
        Err(NetworkError::Ended { program: self.driver.program, status, output })
    }

    /// The process, the pipe that it reports readiness on, and the pipe that keeps it alive.
    fn spawn(&self) -> io::Result<(Child, io::PipeReader, io::PipeWriter)> {
        let (ready, ready_end) = io::pipe()?;
        let (alive_end, alive) = io::pipe()?;
        let mut command = Command::new(self.driver.program);
        command.args(&self.args).kill_on_drop(true);
        command.stdin(Stdio::from(ready_end)).stdout(Stdio::from(alive_end)).stderr(Stdio::piped());
        hide_session(command.as_std_mut());
        // The command holds copies of the process's ends and is dropped here: the end of the process is the end of
        // the pipe.
        Ok((command.spawn()?, ready, alive))
    }
}

/// Whether a byte arrives before the end of the pipe.
async fn receive_byte(ready: io::PipeReader) -> io::Result<bool> {
    let mut ready = pipe::Receiver::from_owned_fd(ready.into())?;
    Ok(matches!(ready.read(&mut [0]).await, Ok(1)))
}

/// Logs what the process writes to standard error, and returns the last lines.
async fn log_lines(program: &str, stderr: ChildStderr) -> String {
    let mut lines = BufReader::new(stderr).lines();
    let mut last = VecDeque::new();
    while let Ok(Some(line)) = lines.next_line().await {
        tracing::debug!(%line, "{program}");
        last.push_back(line);
        if last.len() > LAST_LINES {
            last.pop_front();
        }
    }
    Vec::from(last).join("; ")
}

fn describe_exit(status: io::Result<ExitStatus>) -> String {
    status.map_or_else(|e| e.to_string(), |status| status.to_string())
}

fn start_error(driver: &Driver, source: io::Error) -> NetworkError {
    NetworkError::Start { program: driver.program, source, install_hint: driver.install_hint }
}
