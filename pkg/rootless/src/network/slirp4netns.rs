//! slirp4netns: started on the child's tap, awaited, watched, started again.

use crate::userns::hide_session;
use std::collections::VecDeque;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::watch;
use tokio::time::Instant;
use usernetes_api::{NetworkOptions, constants::TAP_INTERFACE};

const PROGRAM: &str = "slirp4netns";
/// Pause before the first restart; doubled each time up to [`LONGEST`].
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(5);
/// How much of what it said is kept for an error.
const LAST_LINES: usize = 4;
/// After this long without trouble the pause is short again.
const STEADY: Duration = Duration::from_secs(10);

/// The network helper could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start slirp4netns: {message}")]
pub struct NetworkError {
    message: String,
}

/// Which process carries the tap now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) pid: u32,
    pub(crate) restarts: u32,
}

/// The helper's command line.
pub(crate) struct Slirp {
    args: Vec<String>,
}

/// A helper whose end of the tap is open.
struct Running {
    process: Child,
    /// The helper ends when this closes: with us, however we end.
    _alive: io::PipeWriter,
}

impl Slirp {
    /// Finds out what the installed version can do.
    pub(crate) async fn new(network: &NetworkOptions, child: i32) -> Result<Self, NetworkError> {
        let output = Command::new(PROGRAM).arg("--version").output().await.map_err(|e| cannot_run(&e))?;
        let seccomp = String::from_utf8_lossy(&output.stdout).contains("libseccomp:");
        let own_status = || std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let sandbox = !nix::unistd::geteuid().is_root() || may_administrate(&own_status());
        Ok(Self { args: arguments(network, child, sandbox, seccomp) })
    }

    /// Keeps one running. Returns only when the first one does not come up.
    pub(crate) async fn supervise(self, state: watch::Sender<State>) -> Result<(), NetworkError> {
        let mut running = self.start().await?;
        let (mut pause, mut restarts) = (SHORTEST, 0);
        loop {
            let since = Instant::now();
            state.send_replace(State { pid: running.process.id().unwrap_or_default(), restarts });
            let status = running.process.wait().await;
            tracing::warn!(status = %describe(status), "slirp4netns has ended: the node is cut off until it is back");
            state.send_replace(State { pid: 0, restarts });
            if since.elapsed() > STEADY {
                pause = SHORTEST;
            }
            running = self.restart(&mut pause).await;
            restarts += 1;
        }
    }

    async fn restart(&self, pause: &mut Duration) -> Running {
        loop {
            tokio::time::sleep(*pause).await;
            *pause = (*pause * 2).min(LONGEST);
            match self.start().await {
                Ok(running) => return running,
                Err(error) => tracing::error!(%error, "slirp4netns does not come back"),
            }
        }
    }

    async fn start(&self) -> Result<Running, NetworkError> {
        let (ready, ready_end) = io::pipe().map_err(|e| cannot_run(&e))?;
        let (alive_end, alive) = io::pipe().map_err(|e| cannot_run(&e))?;
        let mut command = Command::new(PROGRAM);
        command.args(&self.args).kill_on_drop(true);
        command.stdin(Stdio::from(ready_end)).stdout(Stdio::from(alive_end)).stderr(Stdio::piped());
        hide_session(command.as_std_mut());
        let mut process = command.spawn().map_err(|e| cannot_run(&e))?;
        // Our copies of its ends: the end of the helper must be seen as the end of the pipe.
        drop(command);
        let words = process.stderr.take().map(|stderr| tokio::spawn(follow(stderr)));
        let mut byte = [0];
        let mut ready = pipe::Receiver::from_owned_fd(ready.into()).map_err(|e| cannot_run(&e))?;
        if matches!(ready.read(&mut byte).await, Ok(1)) {
            return Ok(Running { process, _alive: alive });
        }
        let status = describe(process.wait().await);
        let last = match words {
            Some(words) => words.await.unwrap_or_default(),
            None => String::new(),
        };
        Err(NetworkError { message: format!("{status}: {last}") })
    }
}

/// Whether a `/proc/PID/status` has CAP_SYS_ADMIN. An ordinary user's helper has it in the child's user namespace, which
/// it enters for its sandbox; root's makes the sandbox where it is, and a container's root often lacks it.
fn may_administrate(status: &str) -> bool {
    const CAP_SYS_ADMIN: u32 = 21;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    effective.is_some_and(|set| set >> CAP_SYS_ADMIN & 1 == 1)
}

/// The interface is configured by the child, so that it outlives the helper; hence no `--configure`.
/// The namespaces are named by the child's pid: given as paths, version 1.2 forgets the user namespace when it builds
/// its sandbox, and fails. Standard input is where readiness is told, standard output is watched for our end.
fn arguments(network: &NetworkOptions, child: i32, sandbox: bool, seccomp: bool) -> Vec<String> {
    let mut args = vec![
        "--ready-fd=0".to_owned(),
        "--exit-fd=1".to_owned(),
        format!("--mtu={}", network.mtu),
        format!("--cidr={}", network.cidr),
        "--disable-host-loopback".to_owned(),
    ];
    if sandbox {
        args.push("--enable-sandbox".to_owned());
    }
    if seccomp {
        args.push("--enable-seccomp".to_owned());
    }
    args.extend([child.to_string(), TAP_INTERFACE.to_owned()]);
    args
}

/// Logs what the helper says; its last lines are the reason if it fails.
async fn follow(stderr: ChildStderr) -> String {
    let mut lines = BufReader::new(stderr).lines();
    let mut last = VecDeque::new();
    while let Ok(Some(line)) = lines.next_line().await {
        tracing::debug!(%line, "slirp4netns");
        last.push_back(line);
        if last.len() > LAST_LINES {
            last.pop_front();
        }
    }
    Vec::from(last).join("; ")
}

fn describe(status: io::Result<ExitStatus>) -> String {
    status.map_or_else(|e| e.to_string(), |status| status.to_string())
}

fn cannot_run(source: &io::Error) -> NetworkError {
    NetworkError { message: source.to_string() }
}

/// Version in the output of `slirp4netns --version`.
pub(crate) fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = version_word(text)?.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The version as slirp4netns writes it.
pub(crate) fn version_word(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("slirp4netns version ")).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn command_line() {
        insta::assert_snapshot!(arguments(&NetworkOptions::default(), 42, true, true).join("\n"), @r"
        --ready-fd=0
        --exit-fd=1
        --mtu=65520
        --cidr=10.0.2.0/24
        --disable-host-loopback
        --enable-sandbox
        --enable-seccomp
        42
        tap0
        ");
    }

    #[test]
    fn roots_of_containers() {
        assert!(may_administrate("Name:\tx\nCapEff:\t000001ffffffffff\n"));
        // Podman's default.
        assert!(!may_administrate("CapEff:\t00000000800405fb\n"));
    }

    #[test]
    fn versions() {
        assert_eq!(parse_version("slirp4netns version 1.2.0\ncommit: 656041d\n"), Some((1, 2)));
        assert_eq!(parse_version("slirp4netns version 1.3.1+dev\n"), Some((1, 3)));
        assert_eq!(parse_version("no such option"), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(slirp4netns version )?\\PC*") {
            let _ = parse_version(&text);
        }
    }
}
