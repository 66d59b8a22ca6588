//! The parent: decides from the documents and from what the host is like, writes the node's files, and lives as
//! long as the node.

use super::pod_ids::PodIds;
use super::process::{Greeting, greet};
use super::watch::{self, Moved};
use super::{address, ports, proxies, spec};
use crate::errors::{Hinted, hints};
use crate::session::Session;
use anyhow::{Context as _, Result};
use sd_notify::NotifyState;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::PoisonError;
use usernetes_api::bundle::BundleManifest;
use usernetes_api::constants::FUSE_OVERLAYFS_PROGRAM;
use usernetes_api::{CgroupMode, CgroupSelection, Config, ContainerRuntime, OciRuntime, Snapshotter};
use usernetes_host::process::lead_session;
use usernetes_host::{Tenancy, TenancyError, env, fs};
use usernetes_node::bundle::{self, Check};
use usernetes_node::{Cri, Decisions, NodePlan};
use usernetes_rootless::checks::{Overlay, overlay};
use usernetes_rootless::{Event, SubIds};

/// Microseconds from now that systemd waits for the start to end, told every few seconds.
const START_EXTENSION: u32 = 60_000_000;

/// Runs the node to its end; a detached parent says on its standard input how the start went.
pub(crate) fn run(session: &Session, detached: bool) -> Result<ExitCode> {
    if detached {
        // Nobody's terminal may end the node.
        lead_session().context("cannot leave the session")?;
    }
    let result = run_node(session, detached);
    if let Err(error) = &result
        && detached
    {
        greet(&Greeting::Failed { message: format!("{error:#}"), cure: hints(error).into_iter().next() });
    }
    result
}

fn run_node(session: &Session, detached: bool) -> Result<ExitCode> {
    let mut config = session.config()?;
    let _tenancy = settle_in(session)?;
    if !detached {
        address::arrive(session, &config)?;
    }
    address::settle(session, &mut config)?;
    let plan = plan(session, &config)?;
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    usernetes_node::prepare(&plan, &session.paths, &program)?;
    let spec = spec::spec(&plan, &session.paths, &config)?;
    let moved = Moved::default();
    let status = usernetes_rootless::run_parent(&spec, |event| match event {
        Event::Ready(_) => {
            if detached {
                greet(&Greeting::Ready);
            } else {
                tell(&[NotifyState::Status("components are starting")]);
            }
            if let Err(error) = watch::watch(session, &config, &moved) {
                tracing::warn!("the host's addresses cannot be watched: {error:#}");
            }
        }
        Event::Steady => tell(&[NotifyState::Ready, NotifyState::Status("every component is ready")]),
        // A start may take as long as the child answers.
        Event::Alive => tell(&[NotifyState::Watchdog, NotifyState::ExtendTimeoutUsec(START_EXTENSION)]),
    })?;
    if moved.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
        return again(session, detached);
    }
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Nobody else changes the node's files as long as we live, and everybody finds us.
fn settle_in(session: &Session) -> Result<Tenancy> {
    let paths = &session.paths;
    let tenancy = Tenancy::take(paths.node_lock()).map_err(|error| match error {
        TenancyError::Held { .. } => {
            let cure = format!("usernetes-rs{} stop ends it", session.cluster_flag());
            Hinted::new("a node of this cluster lives on this host already", cure).because(error)
        }
        error => error.into(),
    })?;
    fs::symlink(paths.runtime(), paths.running())?;
    Ok(tenancy)
}

/// What systemd, if it started us, is to know; elsewhere nobody listens.
fn tell(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd does not hear");
    }
}

/// Under its new address. A unit is started again by its manager, in its own cgroup; a detached process takes its own
/// place, and whoever waits for it to end sees no end.
fn again(session: &Session, detached: bool) -> Result<ExitCode> {
    if !detached {
        return Ok(ExitCode::FAILURE);
    }
    Err(Command::new(session.paths.program()).args(std::env::args_os().skip(1)).exec()).context("cannot start again")
}

/// Made here and not by the command that starts us: a systemd unit has cgroups that the user's shell has not.
fn plan(session: &Session, config: &Config) -> Result<NodePlan> {
    let paths = &session.paths;
    let bundle = bundle::find(config, &paths.bundles())?;
    bundle.verify(&paths.bundles(), Check::Changed, &|_| {})?;
    let cri =
        Cri::find(config.container_runtime()).map_err(|missing| Hinted::new(missing.to_string(), missing.cure()))?;
    let decisions = Decisions {
        cgroups: cgroup_mode(config)?,
        snapshotter: snapshotter(session, config, bundle.manifest()),
        oci_runtime: oci_runtime(config, bundle.dir())?,
        // Such pods were tried with containerd only.
        user_namespaces: cri == Cri::Containerd && PodIds::new(&SubIds::current()?, config).suffice(),
        cri,
        external_ca: !paths.node(usernetes_api::constants::PKI_DIR).join("ca.key").exists(),
        open_files: env::open_files_limit(),
        first_free_port: env::first_free_port(),
        memory: env::memory()?,
        published: ports::by_hand(paths)?,
        proxy_env: proxies::kept(paths)?,
    };
    Ok(NodePlan::new(config, paths, bundle.dir(), bundle.manifest(), decisions)?)
}

fn cgroup_mode(config: &Config) -> Result<CgroupMode> {
    let probe = usernetes_rootless::probe_cgroup();
    match config.rootless.cgroups {
        CgroupSelection::None => Ok(CgroupMode::None),
        CgroupSelection::Delegated => match probe.obstacle {
            Some(obstacle) => {
                Err(Hinted::new(format!("cgroups cannot be delegated: {}", obstacle.reason), obstacle.cure).into())
            }
            None => Ok(CgroupMode::Delegated),
        },
        CgroupSelection::Auto => Ok(probe.mode),
    }
}

fn snapshotter(session: &Session, config: &Config, manifest: &BundleManifest) -> Snapshotter {
    if config.rootless.snapshotter != Snapshotter::Auto {
        return config.rootless.snapshotter;
    }
    // For CRI-O there is none.
    let has_fuse =
        config.container_runtime() == ContainerRuntime::Containerd && manifest.has_file(FUSE_OVERLAYFS_PROGRAM);
    match overlay(&session.paths.state()) {
        Overlay::Kernel => Snapshotter::Overlayfs,
        Overlay::Fuse if has_fuse => Snapshotter::FuseOverlayfs,
        Overlay::Fuse | Overlay::None => Snapshotter::Native,
    }
}

/// crun is the host's: its distribution links it with libraries of the host.
fn oci_runtime(config: &Config, bundle: &Path) -> Result<PathBuf> {
    match config.rootless.oci_runtime {
        OciRuntime::Runc => Ok(bundle.join("bin/runc")),
        OciRuntime::Crun => {
            let cure = "usernetes-rs preflight --oci-runtime crun";
            env::find_program("crun").ok_or_else(|| Hinted::new("crun is not in PATH", cure).into())
        }
    }
}
