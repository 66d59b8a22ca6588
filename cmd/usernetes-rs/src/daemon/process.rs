//! Starting, stopping and questioning the node of this host, as a systemd user unit or as a detached process.

use super::{Request, proxies};
use crate::errors::Hinted;
use crate::session::Session;
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use usernetes_api::Paths;
use usernetes_host::process::detach;
use usernetes_host::systemd::{Unit, UserManager};
use usernetes_host::{Tenant, fs};
use usernetes_node::{ComponentName, NodeStatus, State};
use usernetes_rootless::control::{Client, ControlError, Watch};

/// Longest start of the namespaces, files and network; components are waited for elsewhere.
const START_LIMIT: Duration = Duration::from_mins(2);
/// Longest orderly stop: pods, then the control plane.
const STOP_LIMIT: Duration = Duration::from_mins(2);
/// Pause between two looks at a unit that starts.
const LOOK: Duration = Duration::from_millis(20);
/// Longest silence of the parent, which speaks every few seconds as long as its child answers.
const WATCHDOG: Duration = Duration::from_mins(1);
/// systemd's own hard limit.
const OPEN_FILES: u64 = 524_288;

/// What a detached parent says to whoever started it, once.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Greeting {
    /// The child is up.
    Ready,
    /// It will not be.
    Failed {
        /// The chain of causes.
        message: String,
        /// What to do.
        cure: Option<String>,
    },
}

/// Where the node speaks: it may have been started in another environment than ours, and says in its state in which.
pub(crate) fn runtime(paths: &Paths) -> PathBuf {
    std::fs::read_link(paths.running()).unwrap_or_else(|_| paths.runtime())
}

/// Whether a node of this cluster runs on this host, and can be talked to.
pub(crate) fn is_running(paths: &Paths) -> bool {
    Client::connect(&runtime(paths)).is_ok()
}

/// Whether a node of this cluster lives on this host, though nobody may reach it: its socket is removed with the
/// runtime folder, at the last logout, where systemd or elogind do so. Not for the node itself, see [`Tenant`].
pub(crate) fn is_alive(paths: &Paths) -> Result<bool> {
    Ok(is_running(paths) || Tenant::of(paths.node_lock())?.is_some())
}

/// Starts the parent and waits until its child is up. Says how it runs.
pub(crate) fn start(session: &Session) -> Result<&'static str> {
    // One that cannot be reached would be in the way.
    if is_alive(&session.paths)? {
        stop(&session.paths)?;
    }
    fs::create_dir(session.paths.runtime())?;
    proxies::keep(&session.paths)?;
    match manager(&session.paths) {
        Some(manager) => {
            let unit = unit(session);
            manager.install(&unit)?;
            manager.enable(&unit.name)?;
            start_unit(manager, unit.name, &session.paths)?;
            Ok("systemd user unit")
        }
        None => start_detached(session).map(|()| "detached process"),
    }
}

/// systemd calls the unit started when its components are ready, and tells nothing of the moment when the node can be
/// talked to, from which on we look for ourselves.
fn start_unit(manager: UserManager, unit: String, paths: &Paths) -> Result<()> {
    let (tx, rx) = mpsc::channel();
    std::thread::spawn(move || drop(tx.send(manager.start(&unit))));
    let is_up = || Client::connect(&runtime(paths)).and_then(|mut node| node.info()).is_ok_and(|info| info.ready);
    loop {
        match rx.recv_timeout(LOOK) {
            Ok(started) => return Ok(started?),
            Err(_) if is_up() => return Ok(()),
            Err(_) => {}
        }
    }
}

/// The user's service manager, if one answers.
pub(crate) fn manager(paths: &Paths) -> Option<UserManager> {
    UserManager::detect(&paths.xdg.config, &paths.xdg.runtime)
}

fn unit_name(paths: &Paths) -> String {
    format!("usernetes-{}", paths.cluster)
}

fn unit(session: &Session) -> Unit {
    let paths = &session.paths;
    let folder = |name: &str, path: &Path| (name.to_owned(), path.display().to_string());
    Unit {
        name: unit_name(paths),
        description: format!("Kubernetes node of cluster {}", paths.cluster),
        program: paths.program(),
        arguments: vec!["daemon".into(), "--cluster".into(), paths.cluster.to_string()],
        environment: vec![
            folder("XDG_CONFIG_HOME", &paths.xdg.config),
            folder("XDG_DATA_HOME", &paths.xdg.data),
            folder("XDG_CACHE_HOME", &paths.xdg.cache),
            folder("XDG_RUNTIME_DIR", &paths.xdg.runtime),
        ],
        start_timeout: START_LIMIT,
        stop_timeout: STOP_LIMIT,
        watchdog: Some(WATCHDOG),
        open_files: OPEN_FILES,
    }
}

fn start_detached(session: &Session) -> Result<()> {
    let log = log_path(&session.paths);
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = Command::new(session.paths.program());
    command.args(["daemon", "--detached", "--cluster", &session.paths.cluster.to_string()]);
    let parent = detach(&mut command, OwnedFd::from(theirs), &log)?;
    // It holds the parent's end of the pair too: only without it do we see when the parent ends without a word.
    drop(command);
    tracing::debug!(pid = parent.id(), "parent started");
    let mut line = String::new();
    BufReader::new(ours).read_line(&mut line)?;
    match serde_json::from_str(&line) {
        Ok(Greeting::Ready) => Ok(()),
        Ok(Greeting::Failed { message, cure: Some(cure) }) => Err(Hinted::new(message, cure).into()),
        Ok(Greeting::Failed { message, cure: None }) => bail!("{message}"),
        Err(_) => bail!("the node's parent ended without a word; its log is {}", log.display()),
    }
}

/// The parent's own log.
pub(crate) fn log_path(paths: &Paths) -> PathBuf {
    usernetes_node::logs::of_the_daemon(&paths.logs())
}

/// Says how the start went; once, on the socket that is our standard input.
pub(crate) fn greet(greeting: &Greeting) {
    use std::os::fd::AsFd as _;
    let Ok(fd) = std::io::stdin().as_fd().try_clone_to_owned() else { return };
    let line = serde_json::to_string(greeting).expect("plain data");
    let _ = writeln!(UnixStream::from(fd), "{line}");
}

/// Stops the node and waits until nothing of it is left; `false` when none was running.
pub(crate) fn stop(paths: &Paths) -> Result<bool> {
    let alive = is_alive(paths)?;
    // What a manager cannot stop may end all the same.
    let unit = manager(paths).map_or(Ok(()), |manager| manager.stop(&unit_name(paths)));
    let asked = Client::connect(&runtime(paths)).and_then(Client::shutdown);
    if let Some(node) = Tenant::of(paths.node_lock())? {
        tracing::warn!(?node, ?asked, "the node does not hear and is sent a signal");
        node.end(STOP_LIMIT)?;
    } else if !matches!(asked, Err(ControlError::NotRunning { .. })) {
        asked?;
    }
    unit?;
    Ok(alive)
}

/// Stops the node where nobody can do anything about a failure to stop.
pub(crate) fn stop_quietly(paths: &Paths) {
    if let Err(error) = stop(paths) {
        tracing::warn!(%error, "the node did not stop");
    }
}

/// Removes the unit, if there is a service manager.
pub(crate) fn remove_unit(session: &Session) -> Result<()> {
    match manager(&session.paths) {
        Some(manager) => Ok(manager.remove(&unit_name(&session.paths))?),
        None => Ok(()),
    }
}

/// Watches the supervisor until all of `names` are ready.
pub(crate) fn wait_for_components(session: &Session, names: &[ComponentName], limit: Duration) -> Result<()> {
    let deadline = Instant::now() + limit;
    let changes = changes(connect(session)?.watch()?);
    let mut last = NodeStatus::default();
    while let Ok(status) = changes.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        last = status?;
        let ready = |name: &ComponentName| last.component(*name).is_some_and(|c| c.state == State::Ready);
        if names.iter().all(ready) {
            return Ok(());
        }
    }
    let late: Vec<_> = last.components.iter().filter(|c| names.contains(&c.name) && c.state != State::Ready).collect();
    let words = late.iter().map(|c| describe(c)).collect::<Vec<_>>().join("; ");
    let name = late.first().map_or("COMPONENT".into(), |c| c.name.to_string());
    let flag = session.cluster_flag();
    let message =
        if Instant::now() < deadline { "the node ended".into() } else { format!("not ready after {limit:?}: {words}") };
    Err(Hinted::new(message, format!("usernetes-rs{flag} logs {name} shows why")).into())
}

/// A blocking stream of statuses with a way to stop waiting; its thread ends with the node or with us.
fn changes(watch: Watch) -> mpsc::Receiver<Result<NodeStatus>> {
    let (tx, rx) = mpsc::channel();
    std::thread::spawn(move || {
        for status in watch {
            let status = status.map_err(Into::into).map(|value| serde_json::from_value(value).unwrap_or_default());
            if tx.send(status).is_err() {
                return;
            }
        }
    });
    rx
}

/// `kube-apiserver is starting (3 restarts, last exit code 1)`
fn describe(c: &usernetes_node::ComponentStatus) -> String {
    let exit = c.last_exit.as_ref().map_or(String::new(), |exit| format!(", last {exit}"));
    let waits = c.waits_for.as_ref().map_or(String::new(), |what| format!(", waits for {what}"));
    format!("{} is {:?} ({} restarts{exit}{waits})", c.name, c.state, c.restarts)
}

/// Asks the running node; waits at most `limit` for the answer.
pub(crate) fn ask(session: &Session, request: &Request, limit: Duration) -> Result<serde_json::Value> {
    let mut client = connect(session)?;
    let request = serde_json::to_value(request)?;
    let (tx, rx) = mpsc::channel();
    std::thread::spawn(move || drop(tx.send(client.request(request))));
    match rx.recv_timeout(limit) {
        Ok(answer) => Ok(answer?),
        Err(_) => bail!("no answer within {limit:?}"),
    }
}

/// The control socket, or an error that says how to start the node.
pub(crate) fn connect(session: &Session) -> Result<Client> {
    Client::connect(&runtime(&session.paths)).map_err(|error| {
        let flag = session.cluster_flag();
        let hint = if session.paths.config().exists() {
            Hinted::new("the node is not running", format!("usernetes-rs{flag} start"))
        } else {
            session.no_node()
        };
        tracing::debug!(%error, "no control socket");
        hint.because(error)
    })
}
