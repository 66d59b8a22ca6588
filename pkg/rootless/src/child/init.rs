//! PID 1: receives the spec, prepares the namespaces, runs the payload, and ends all processes inside.

use super::{ChildContext, ReadyNotifier, Status, SysctlOutcome, files, mounts};
use crate::Spec;
use crate::control::{self, Node};
use crate::network::{self, interfaces};
use crate::ports::{self, ClientAddresses, PortError, PortManager, own_ports};
use crate::protocol::{ParentLink, Socket, ToChild, ToParent, WireError, check_version, unexpected_message};
use crate::resolver;
use crate::userns::{Action as _, StageError, die_with_parent, take_socket};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use usernetes_api::join_causes;
use usernetes_host::Reaper;

/// Time for remaining processes to end after SIGTERM; the end of PID 1 kills the rest.
const GRACE: Duration = Duration::from_secs(1);
/// Capacity of the queue of payload requests.
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
    #[error("cannot start the threads of ports")]
    Threads(#[source] std::io::Error),
}

struct StartOrder {
    pid: i32,
    spec: Arc<Spec>,
    control: OwnedFd,
    users: Option<OwnedFd>,
}

pub(crate) fn run_stage<Fut: Future<Output = ExitCode>>(run: impl FnOnce(ChildContext) -> Fut) -> ExitCode {
    let Ok(socket) = take_socket() else { return ExitCode::FAILURE };
    // Shown by `ps`; the default would be "exe".
    let _ = nix::sys::prctl::set_name(c"usernetes-child");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match (receive_order(&socket), runtime) {
        (Ok(orders), Ok(runtime)) => return runtime.block_on(run_payload(orders, socket, run)),
        (Err(error), _) => error.to_string(),
        (_, Err(error)) => error.to_string(),
    };
    let _ = socket.send(&ToParent::Failed { message: runtime }, &[]);
    ExitCode::FAILURE
}

/// The parent sends them after the first stage has ended, so the process that PID 1 dies with is the parent.
fn receive_order(socket: &Socket) -> Result<StartOrder, StageError> {
    let (message, fds) = socket.recv()?;
    let ToChild::Start { version, pid, spec } = message else {
        return Err(unexpected_message("start", &message).into());
    };
    check_version(version)?;
    die_with_parent()?;
    let mut fds = fds.into_iter();
    let Some(control) = fds.next() else {
        return Err(unexpected_message("the control socket", &"no file").into());
    };
    Ok(StartOrder { pid, spec: Arc::from(spec), control, users: fds.next() })
}

async fn run_payload<Fut: Future<Output = ExitCode>>(
    mut orders: StartOrder,
    socket: Socket,
    run: impl FnOnce(ChildContext) -> Fut,
) -> ExitCode {
    let Ok(socket) = socket.into_async() else { return ExitCode::FAILURE };
    let parent = Arc::new(ParentLink::new(socket));
    let shutdown = CancellationToken::new();
    let reaper = Reaper::start();
    let users = orders.users.take();
    let prepared = prepare_node(&orders.spec, users, &parent, &reaper, &shutdown).await;
    let (sysctls, ports) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            parent.send_failed(join_causes(&error)).await;
            return ExitCode::FAILURE;
        }
    };
    let stop_timeout = orders.spec.stop_timeout;
    let context = assemble_context(orders, &parent, reaper, shutdown.clone(), ports, sysctls);
    let code = tokio::select! {
        code = run(context) => code,
        () = wait_overdue(&shutdown, stop_timeout) => ExitCode::FAILURE,
    };
    end_everything().await;
    code
}

/// Returns when the payload has not ended in time after the shutdown began.
async fn wait_overdue(shutdown: &CancellationToken, limit: Duration) {
    shutdown.cancelled().await;
    tokio::time::sleep(limit).await;
    tracing::warn!(?limit, "the payload did not end in time");
}

/// Prepares namespaces, network and ports. The network driver starts while mounts are made.
async fn prepare_node(
    spec: &Spec,
    users: Option<OwnedFd>,
    parent: &Arc<ParentLink>,
    reaper: &Reaper,
    shutdown: &CancellationToken,
) -> Result<(Vec<SysctlOutcome>, PortManager), InitError> {
    nix::unistd::sethostname(&spec.host_name).with_action(format!("set the host name {}", spec.host_name))?;
    interfaces::set_up_interfaces(&spec.network, &spec.host_addresses).await?;
    let resolver = resolver::open_sockets(&spec.network).await;
    parent.send_tap(resolver.map_err(|error| join_causes(&error))).await?;
    mounts::prepare_mounts(spec)?;
    let sysctls = files::set_sysctls(&spec.sysctls);
    serve_parent(Arc::clone(parent), shutdown.clone());
    let clients = ClientAddresses::new(spec.nft.clone(), reaper.clone());
    let ports = PortManager::start(spec, Arc::clone(parent), clients, users).map_err(InitError::Threads)?;
    for forward in &spec.ports {
        ports.add(ports::SPEC, *forward).await?;
    }
    tokio::select! {
        ((), ()) = async { tokio::join!(parent.wait_for_helper(), exempt_own_ports(spec, reaper)) } => {}
        () = shutdown.cancelled() => return Err(WireError::Closed.into()),
    }
    let gateway = network::tap_addresses(&spec.network).gateway;
    let link = Arc::clone(parent);
    tokio::spawn(async move { link.watch_network(gateway).await });
    Ok((sysctls, ports))
}

/// Without these rules the node works, until an object takes one of its ports.
async fn exempt_own_ports(spec: &Spec, reaper: &Reaper) {
    let (Some(own), Some(nft)) = (&spec.own_ports, &spec.nft) else { return };
    if let Err(error) = own_ports::exempt_from_nat(nft, own, reaper).await {
        tracing::warn!(%error, "Services and hostPorts can divert connections to the node's own ports");
    }
}

fn serve_parent(parent: Arc<ParentLink>, shutdown: CancellationToken) {
    tokio::spawn(async move { parent.receive_messages(&shutdown).await });
}

fn assemble_context(
    orders: StartOrder,
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

/// PID 1 receives only the signals that it handles.
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

/// Ends the processes that the payload left. When PID 1 ends, the kernel kills every process of the namespace.
async fn end_everything() {
    let all = Pid::from_raw(-1);
    let Ok(mut ended) = signal(SignalKind::child()) else { return };
    if kill(all, Signal::SIGTERM).is_err() {
        return;
    }
    let gone = async {
        while kill(all, None).is_ok() {
            // The signal may arrive before the reaper has reaped the process, so this looks again after a while.
            let _ = tokio::time::timeout(Duration::from_millis(20), ended.recv()).await;
        }
    };
    let _ = tokio::time::timeout(GRACE, gone).await;
}
