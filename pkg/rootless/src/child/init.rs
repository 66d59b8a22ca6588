//! PID 1: takes its orders, prepares the namespaces, runs the payload, and ends with nothing left behind.

use super::{ChildContext, ReadyNotifier, Status, SysctlOutcome, files, mounts};
use crate::Spec;
use crate::control::{self, Node};
use crate::network::interfaces;
use crate::ports::{self, ClientAddresses, PortError, PortManager};
use crate::protocol::{ParentLink, Socket, WireError};
use crate::protocol::{ToChild, ToParent, same_version, unexpected};
use crate::userns::{StageError, What as _, die_with_parent, take_socket};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use usernetes_host::Reaper;

/// How long the payload may take to end. Below the parent's own limit, which is for a child that hangs.
const STOP_LIMIT: Duration = Duration::from_secs(50);
/// How long what is left may take after SIGTERM; the end of PID 1 kills the rest.
const GRACE: Duration = Duration::from_secs(1);
/// Open files of PID 1.
const DESCRIPTORS: u64 = 65536;
/// Payload requests that may wait.
const REQUESTS: usize = 16;

#[derive(Debug, thiserror::Error)]
enum InitError {
    #[error(transparent)]
    Stage(#[from] StageError),
    #[error(transparent)]
    Net(#[from] interfaces::InterfaceError),
    #[error("{0}")]
    Port(#[from] PortError),
    #[error(transparent)]
    Wire(#[from] WireError),
}

struct Orders {
    pid: i32,
    spec: Arc<Spec>,
    control: OwnedFd,
}

pub(crate) fn main<Fut: Future<Output = ExitCode>>(run: impl FnOnce(ChildContext) -> Fut) -> ExitCode {
    let Ok(socket) = take_socket() else { return ExitCode::FAILURE };
    // Seen by people in `ps`; the kernel's default would be "exe".
    let _ = nix::sys::prctl::set_name(c"usernetes-child");
    raise_descriptors();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match (receive_orders(&socket), runtime) {
        (Ok(orders), Ok(runtime)) => return runtime.block_on(start(orders, socket, run)),
        (Err(error), _) => error.to_string(),
        (_, Err(error)) => error.to_string(),
    };
    let _ = socket.send(&ToParent::Failed { message: runtime }, &[]);
    ExitCode::FAILURE
}

/// Two for every connection: the usual 1024 would be few. Not all that may be had, since everything that we start
/// inherits it, and old programs walk through the whole range.
fn raise_descriptors() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, soft.max(DESCRIPTORS.min(hard)), hard);
    }
}

/// The parent sends them only when the first stage is gone, so the process that we tie our life to is the parent.
fn receive_orders(socket: &Socket) -> Result<Orders, StageError> {
    let (message, fds) = socket.recv()?;
    let ToChild::Start { version, pid, spec } = message else {
        return Err(unexpected("start", &message).into());
    };
    same_version(version)?;
    die_with_parent()?;
    let Some(control) = fds.into_iter().next() else {
        return Err(unexpected("the control socket", &"no file").into());
    };
    Ok(Orders { pid, spec: Arc::from(spec), control })
}

async fn start<Fut: Future<Output = ExitCode>>(
    orders: Orders,
    socket: Socket,
    run: impl FnOnce(ChildContext) -> Fut,
) -> ExitCode {
    let Ok(socket) = socket.into_async() else { return ExitCode::FAILURE };
    let parent = Arc::new(ParentLink::new(socket));
    let shutdown = CancellationToken::new();
    let reaper = Reaper::start();
    let prepared = prepare(&orders.spec, &parent, &reaper, &shutdown).await;
    let (sysctls, ports) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            parent.failed(describe(&error)).await;
            return ExitCode::FAILURE;
        }
    };
    let context = assemble(orders, &parent, reaper, shutdown.clone(), ports, sysctls);
    let code = tokio::select! {
        code = run(context) => code,
        () = overdue(&shutdown) => ExitCode::FAILURE,
    };
    end_everything().await;
    code
}

/// Returns when the payload should have ended long ago, whoever asked it to.
async fn overdue(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(STOP_LIMIT).await;
    tracing::warn!(limit = ?STOP_LIMIT, "the payload did not end in time");
}

/// Namespaces, network and ports. The helper starts while we mount.
async fn prepare(
    spec: &Spec,
    parent: &Arc<ParentLink>,
    reaper: &Reaper,
    shutdown: &CancellationToken,
) -> Result<(Vec<SysctlOutcome>, PortManager), InitError> {
    nix::unistd::sethostname(&spec.host_name).what(format!("set the host name {}", spec.host_name))?;
    interfaces::prepare(&spec.network, &spec.host_addresses).await?;
    parent.tap().await?;
    mounts::prepare(spec)?;
    let sysctls = files::set_sysctls(&spec.sysctls);
    serve_parent(Arc::clone(parent), shutdown.clone());
    let ports = PortManager::new(Arc::clone(parent), ClientAddresses::new(spec.nft.clone(), reaper.clone()));
    for forward in &spec.ports {
        ports.add(ports::SPEC, *forward).await?;
    }
    tokio::select! {
        () = parent.helper_up() => Ok((sysctls, ports)),
        () = shutdown.cancelled() => Err(WireError::Closed.into()),
    }
}

fn serve_parent(parent: Arc<ParentLink>, shutdown: CancellationToken) {
    tokio::spawn(async move { parent.serve(&shutdown).await });
}

fn assemble(
    orders: Orders,
    parent: &Arc<ParentLink>,
    reaper: Reaper,
    shutdown: CancellationToken,
    ports: PortManager,
    sysctls: Vec<SysctlOutcome>,
) -> ChildContext {
    stop_on_signals(&shutdown);
    let (ready, is_ready) = watch::channel(false);
    let status = watch::Sender::new(serde_json::Value::Null);
    let (request, requests) = mpsc::channel(REQUESTS);
    let node = Node {
        spec: Arc::clone(&orders.spec),
        host_pid: orders.pid,
        started: SystemTime::now(),
        parent: Arc::clone(parent),
        ready: is_ready,
        status: status.clone(),
        ports: ports.clone(),
        requests: request,
        shutdown: shutdown.clone(),
    };
    tokio::spawn(control::serve(orders.control, Arc::new(node)));
    ChildContext {
        spec: orders.spec,
        host_pid: orders.pid,
        reaper,
        ports,
        shutdown,
        ready: ReadyNotifier { ready, parent: Arc::clone(parent) },
        status: Status(status),
        requests,
        sysctls,
    }
}

/// PID 1 gets only those signals that it handles.
fn stop_on_signals(shutdown: &CancellationToken) {
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let shutdown = shutdown.clone();
        if let Ok(mut signals) = signal(kind) {
            tokio::spawn(async move {
                signals.recv().await;
                shutdown.cancel();
            });
        }
    }
}

/// Ends what the payload left. When PID 1 ends, the kernel kills every process of the namespace and waits for it.
async fn end_everything() {
    let everyone = Pid::from_raw(-1);
    let Ok(mut ended) = signal(SignalKind::child()) else { return };
    if kill(everyone, Signal::SIGTERM).is_err() {
        return;
    }
    let gone = async {
        while kill(everyone, None).is_ok() {
            // The signal may come before the reaper has taken the process away, so there is a second look.
            let _ = tokio::time::timeout(Duration::from_millis(20), ended.recv()).await;
        }
    };
    let _ = tokio::time::timeout(GRACE, gone).await;
}

/// The whole chain of causes on one line, since only text goes to the parent.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
