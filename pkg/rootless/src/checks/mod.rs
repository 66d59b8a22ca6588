//! What must be right on the host before anything can run.

mod apparmor;
mod host;
mod probe;

pub(crate) use host::add_ids;
pub(crate) use probe::main as probe_main;

use crate::cgroup::probe_cgroup;
use std::path::Path;
use usernetes_api::CgroupMode;
use usernetes_host::{Finding, Level};

/// Runs all checks, as the user. `state_dir` is where data will lie: overlay mounts are tried there.
pub fn checks(state_dir: &Path) -> Vec<Finding> {
    let mut findings = vec![host::newuidmap(), host::sub_id(), host::userns_sysctl(), apparmor::userns()];
    findings.extend(probe::namespaces(state_dir));
    findings.extend([host::tun_device(), host::slirp4netns(), cgroup_delegation()]);
    findings
}

/// Whether the kernel's overlay can be mounted below `state_dir` by root of a user namespace.
pub fn overlay_works(state_dir: &Path) -> bool {
    probe::namespaces(state_dir).iter().any(|finding| finding.check == probe::OVERLAY && finding.level == Level::Passed)
}

fn cgroup_delegation() -> Finding {
    let probe = probe_cgroup();
    match probe.mode {
        CgroupMode::Delegated => Finding::passed("CgroupDelegation"),
        CgroupMode::None => Finding::warning(
            "CgroupDelegation",
            format!("no cgroups are delegated, so limits of pods are not enforced: {}", probe.reason),
            "sudo mkdir -p /etc/systemd/system/user@.service.d && printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' \
             | sudo tee /etc/systemd/system/user@.service.d/delegate.conf && sudo systemctl daemon-reload, then log in again",
        ),
    }
}
