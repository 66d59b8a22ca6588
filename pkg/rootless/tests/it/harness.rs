//! A node under test: the parent is this program again, its payload serves what the tests ask for.

use libtest_mimic::Failed;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use usernetes_api::{PortSpec, Protocol};
use usernetes_host::CommandExt as _;
use usernetes_rootless::control::Client;
use usernetes_rootless::{Event, Spec, enter_command, run_parent};

/// First argument of a process that is a parent.
pub(crate) const PARENT: &str = "it-parent";
/// The node's own address, which is the host's as well with a second host.
pub(crate) const NODE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 11));

/// The parent's process: runs the spec of a file and prints the child's pid when the payload is up.
pub(crate) fn parent(spec: &str) -> ExitCode {
    let text = std::fs::read_to_string(spec).expect("the spec is there");
    let spec: Spec = serde_json::from_str(&text).expect("it is a spec");
    let print_ready = |event| match event {
        Event::Ready(ready) => println!("{}", ready.child_pid),
        Event::Steady | Event::Alive => {}
    };
    match run_parent(&spec, print_ready) {
        Ok(status) => ExitCode::from(u8::try_from(status.code().unwrap_or(255)).unwrap_or(255)),
        Err(error) => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            println!("error {text}");
            ExitCode::from(42)
        }
    }
}

pub(crate) struct Node {
    pub(crate) parent: Child,
    pub(crate) child_pid: i32,
    pub(crate) directory: TempDir,
    pub(crate) started_in: Duration,
}

pub(crate) fn spec(directory: &Path) -> Spec {
    let mut spec = Spec::new("node-it", directory.join("run"));
    spec.host_addresses = vec![NODE];
    spec
}

impl Node {
    pub(crate) fn start() -> Result<Self, Failed> {
        Self::start_with(|_, _| ())
    }

    pub(crate) fn start_with(change: impl FnOnce(&mut Spec, &Path)) -> Result<Self, Failed> {
        let directory = tempfile::tempdir()?;
        let mut spec = spec(directory.path());
        change(&mut spec, directory.path());
        match launch(&spec, directory.path())? {
            (parent, Ok(child_pid), started_in) => Ok(Self { parent, child_pid, directory, started_in }),
            (_, Err(message), _) => Err(message.into()),
        }
    }

    pub(crate) fn runtime_dir(&self) -> PathBuf {
        self.directory.path().join("run")
    }

    pub(crate) fn client(&self) -> Result<Client, Failed> {
        Ok(Client::connect(&self.runtime_dir())?)
    }

    pub(crate) fn ask(&self, value: Value) -> Result<Value, Failed> {
        Ok(self.client()?.request(value)?)
    }

    /// Output of a shell command inside.
    pub(crate) fn sh(&self, script: &str) -> Result<String, Failed> {
        Ok(enter_command(self.child_pid, ["sh", "-c", script]).run()?.trim().to_owned())
    }

    /// Starts a server inside and returns its port.
    pub(crate) fn serve(&self, kind: &str) -> Result<SocketAddr, Failed> {
        let port = self.ask(json!({ "serve": kind, "address": NODE }))?;
        let port = port.as_u64().and_then(|port| u16::try_from(port).ok()).ok_or("no port")?;
        Ok(SocketAddr::new(NODE, port))
    }

    pub(crate) fn stop(mut self) -> Result<(), Failed> {
        self.client()?.shutdown()?;
        // Our child: its end was awaited by the client, its status is still to be taken.
        assert_that(self.parent.wait()?.success(), "the parent ends with success")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.parent.kill();
        let _ = self.parent.wait();
    }
}

/// Starts a parent; returns its child's pid or its error message.
pub(crate) fn launch(spec: &Spec, directory: &Path) -> Result<(Child, Result<i32, String>, Duration), Failed> {
    let file = directory.join("spec.json");
    std::fs::write(&file, serde_json::to_vec(spec)?)?;
    let started = Instant::now();
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(PARENT).arg(&file).env("NOTIFY_SOCKET", "/nowhere").env("XDG_RUNTIME_DIR", directory);
    let mut parent = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(parent.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let pid = line.trim().parse().map_err(|_| line.trim().to_owned());
    if pid.is_err() {
        parent.wait()?;
    }
    Ok((parent, pid, started.elapsed()))
}

/// A free port of the host.
pub(crate) fn free_port(protocol: Protocol) -> Result<SocketAddr, Failed> {
    let any = ("127.0.0.1", 0);
    Ok(match protocol {
        Protocol::Tcp => std::net::TcpListener::bind(any)?.local_addr()?,
        Protocol::Udp => std::net::UdpSocket::bind(any)?.local_addr()?,
    })
}

pub(crate) fn published(protocol: Protocol, node: SocketAddr) -> Result<PortSpec, Failed> {
    Ok(PortSpec { protocol, host: free_port(protocol)?, node })
}

pub(crate) fn assert_that(holds: bool, what: &str) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(format!("does not hold: {what}").into()) }
}

#[expect(clippy::needless_pass_by_value, reason = "callers make both values for this")]
pub(crate) fn assert_same<T: PartialEq + std::fmt::Debug>(got: T, expected: T) -> Result<(), Failed> {
    if got == expected { Ok(()) } else { Err(format!("got {got:?}, expected {expected:?}").into()) }
}

/// Polls a condition that has no event.
pub(crate) fn eventually(what: &str, holds: impl FnMut() -> bool) -> Result<(), Failed> {
    eventually_within(Duration::from_secs(10), what, holds)
}

pub(crate) fn eventually_within(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) -> Result<(), Failed> {
    let deadline = Instant::now() + limit;
    while !holds() {
        assert_that(Instant::now() < deadline, what)?;
        sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Whether a process runs; zombies do not count.
pub(crate) fn alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// All processes of a node's PID namespace, as the host numbers them.
pub(crate) fn processes_of(child_pid: i32) -> Vec<i32> {
    let namespace = |pid: i32| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let wanted = namespace(child_pid);
    let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| wanted.is_some() && namespace(*pid) == wanted)
        .collect()
}
