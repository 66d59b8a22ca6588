//! Checks of the host, before a node is started.

mod apparmor;
mod host;
mod probe;
mod resolver;
mod subids;

pub use probe::Overlay;
pub(crate) use probe::{run_probe_stage, run_proc_stage};

use crate::cgroup::{Obstacle, probe_cgroup, probe_manager};
use crate::network;
use std::path::Path;
use usernetes_api::NetworkDriver;
use usernetes_host::Finding;

/// Runs all checks as the current user. Overlay mounts are tried below `state_dir`, the directory of the node's state;
/// `driver` is the node's network driver.
pub fn checks(state_dir: &Path, driver: NetworkDriver) -> Vec<Finding> {
    let mut findings = vec![
        host::check_newuidmap(),
        subids::check_subids(),
        host::check_userns_sysctl(),
        apparmor::check_userns(state_dir),
    ];
    findings.extend(probe::check_namespaces(state_dir));
    findings.push(host::check_tun_device());
    findings.extend(network::check_driver(driver));
    findings.push(resolver::check_resolver());
    findings
}

/// Which overlay can be mounted below `state_dir` by root of a user namespace.
pub fn overlay(state_dir: &Path) -> Overlay {
    probe::run_probe(state_dir).map_or(Overlay::None, |report| report.best_overlay())
}

/// Checks whether pods will have cgroups of their own. `manager` is the cgroup of the user's service manager, as in
/// `/proc/PID/cgroup`, if that will start the node; `None` if the node will run in the cgroup of this process.
pub fn cgroups(manager: Option<&str>) -> Finding {
    const CHECK: &str = "CgroupDelegation";
    match manager.map_or_else(probe_cgroup, probe_manager).obstacle {
        None => Finding::passed(CHECK),
        Some(Obstacle { reason, hint }) => Finding::warning(
            CHECK,
            format!("no cgroups are delegated, so limits of pods are not enforced: {reason}"),
            hint,
        ),
    }
}
