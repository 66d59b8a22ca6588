//! The parent process: holds the node's lock, writes its files, makes its namespaces, and lives as long as the node.

use crate::host_ip::{self, PendingHostIp};
use crate::launch::StartReport;
use crate::resolve::{complete_pki, resolve_plan};
use crate::{DaemonError, Instance, kept, namespaces};
use sd_notify::NotifyState;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};
use usernetes_api::join_causes;
use usernetes_host::process::{lead_session, reset_inherited};
use usernetes_host::{ProcessLock, ProcessLockError, fs};
use usernetes_rootless::Event;

/// Microseconds from now that systemd waits for the start to end; extended every few seconds.
const START_EXTENSION: u32 = 60_000_000;

/// Runs the node to its end. A detached parent sends a report of the start on its standard input.
pub fn run_parent(instance: &Instance, detached: bool) -> Result<ExitCode, DaemonError> {
    if detached {
        // The end of a terminal must not end the node.
        lead_session().map_err(|source| DaemonError::Io { action: "leave the session", source })?;
    }
    let result = reset_inherited()
        .map_err(|source| DaemonError::Io { action: "reset what the caller handed down", source })
        .and_then(|()| run_node(instance, detached));
    if let Err(error) = &result
        && detached
    {
        StartReport::Failed { message: join_causes(error), hint: error.hint() }.send();
    }
    result
}

fn run_node(instance: &Instance, detached: bool) -> Result<ExitCode, DaemonError> {
    let mut config = instance.config()?;
    instance.check_subids()?;
    let _lock = acquire_node_lock(instance)?;
    if !detached {
        host_ip::wait_for_host_ip(instance, &config)?;
    }
    host_ip::reconcile_host_ip(instance, &mut config)?;
    complete_pki(instance, &config)?;
    let plan = resolve_plan(instance, &config)?;
    let program = std::env::current_exe()
        .map_err(|source| DaemonError::Io { action: "find the file of this program", source })?;
    usernetes_node::prepare(&plan, &instance.paths, &program)?;
    kept::subids::keep(&instance.paths)?;
    let spec = namespaces::describe(&plan, &instance.paths, &config)?;
    let pending = PendingHostIp::default();
    tracing::info!(host_ip = %plan.host_ip, cgroups = ?plan.host.cgroups, bundle = %plan.software.bundle.display(), "node starts");
    let status = usernetes_rootless::run_parent(&spec, |event| match event {
        Event::Ready(_) => {
            if detached {
                StartReport::Ready.send();
            } else {
                notify_systemd(&[NotifyState::Status("components are starting")]);
            }
            if let Err(error) = host_ip::spawn_watcher(instance, &config, &pending) {
                tracing::warn!(%error, "the addresses of this host are not watched");
            }
        }
        Event::Steady => {
            tracing::info!("every component is ready");
            notify_systemd(&[NotifyState::Ready, NotifyState::Status("every component is ready")]);
        }
        // A start may take as long as the child answers.
        Event::Alive => notify_systemd(&[NotifyState::Watchdog, NotifyState::ExtendTimeoutUsec(START_EXTENSION)]),
    })?;
    if pending.get().is_some() {
        return restart(instance, detached);
    }
    tracing::info!(?status, "node ended");
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// No other process changes the node's files while the lock is held, and every command finds the node by it.
fn acquire_node_lock(instance: &Instance) -> Result<ProcessLock, DaemonError> {
    let paths = &instance.paths;
    let lock = ProcessLock::take(paths.node_lock()).map_err(|source| match source {
        ProcessLockError::Held { .. } => DaemonError::AlreadyRunning { flag: instance.cluster_flag(), source },
        source => source.into(),
    })?;
    fs::symlink(paths.runtime(), paths.running())?;
    Ok(lock)
}

/// Does nothing where systemd did not start this process.
fn notify_systemd(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "sd_notify failed");
    }
}

/// Starts the node again, under its new address. A unit is restarted by its manager, in its own cgroup; a detached process
/// executes itself, so that a process that waits for its end sees none.
fn restart(instance: &Instance, detached: bool) -> Result<ExitCode, DaemonError> {
    if !detached {
        return Ok(ExitCode::FAILURE);
    }
    let source = Command::new(instance.paths.program()).args(std::env::args_os().skip(1)).exec();
    Err(DaemonError::Io { action: "execute the node's program again", source })
}
