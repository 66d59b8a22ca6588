//! What must be right on the host before anything can run.

mod apparmor;
mod host;
mod probe;

pub use probe::Overlay;
pub(crate) use probe::{main as probe_main, proc_main as probe_proc_main};

use crate::cgroup::{Obstacle, probe_cgroup, probe_manager};
use crate::network;
use std::path::Path;
use usernetes_api::NetworkDriver;
use usernetes_host::Finding;

/// Runs all checks, as the user. `state_dir` is where data will lie: overlay mounts are tried there;
/// `driver` is the node's network driver.
pub fn checks(state_dir: &Path, driver: NetworkDriver) -> Vec<Finding> {
    let mut findings = vec![host::newuidmap(), host::sub_id(), host::userns_sysctl(), apparmor::userns(state_dir)];
    findings.extend(probe::namespaces(state_dir));
    findings.push(host::tun_device());
    findings.extend(network::check_driver(driver));
    findings
}

/// Which overlay can be mounted below `state_dir` by root of a user namespace.
pub fn overlay(state_dir: &Path) -> Overlay {
    probe::try_out(state_dir).map_or(Overlay::None, |tried| tried.best())
}

/// Whether pods will have cgroups of their own. `manager` is the cgroup of the user's service manager, as
/// `/proc/PID/cgroup` names it, where one will start the node; else the node stays in our own.
pub fn cgroups(manager: Option<&str>) -> Finding {
    const CHECK: &str = "CgroupDelegation";
    match manager.map_or_else(probe_cgroup, probe_manager).obstacle {
        None => Finding::passed(CHECK),
        Some(Obstacle { reason, cure }) => Finding::warning(
            CHECK,
            format!("no cgroups are delegated, so limits of pods are not enforced: {reason}"),
            cure,
        ),
    }
}
