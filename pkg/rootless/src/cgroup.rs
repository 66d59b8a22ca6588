//! The cgroup of this process: whether it is delegated to the user, and emptying it for the child.

use nix::unistd::{AccessFlags, access};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use usernetes_api::CgroupMode;
use usernetes_host::fs::{Context as _, FsError, read, read_of_system};

/// Controllers without which pods do not start in delegated mode.
const NEEDED: [&str; 3] = ["cpu", "memory", "pids"];
/// Time for which a cgroup may stay busy after it was emptied, and the pause between two attempts.
const BUSY_LIMIT: Duration = Duration::from_secs(5);
const BUSY_PAUSE: Duration = Duration::from_millis(5);
/// Child cgroup for the parent's processes, so that the cgroup itself is free for the child's tree.
const LEAF: &str = "usernetes-supervisor";

/// Result of probing a cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupProbe {
    /// Mode that works.
    pub mode: CgroupMode,
    /// Reason why the mode is not `Delegated`; `None` if it is.
    pub obstacle: Option<Obstacle>,
}

/// Reason why pods cannot have cgroups.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Obstacle {
    /// Missing prerequisite in words.
    pub reason: String,
    /// How the user or an administrator can provide it.
    pub hint: String,
}

impl Obstacle {
    fn no_cgroup_v2() -> Self {
        let hint = "boot with cgroup v2: systemd.unified_cgroup_hierarchy=1 on the kernel's command line";
        Self { reason: "no cgroup v2 tree is mounted that holds this process".into(), hint: hint.into() }
    }

    fn missing_controllers(cgroup: &Path, missing: &[&str]) -> Self {
        let hint = format!(
            "sudo mkdir -p /etc/systemd/system/user@.service.d && printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' \
             | sudo tee /etc/systemd/system/user@.service.d/delegate.conf && sudo systemctl daemon-reload \
             && sudo systemctl restart user@{}.service (which ends this user's services)",
            nix::unistd::getuid()
        );
        Self { reason: format!("{} lacks the controllers {}", cgroup.display(), missing.join(", ")), hint }
    }

    fn not_delegated(reason: String) -> Self {
        let hint = "run it under the user's service manager: log in by ssh or on a console instead of su or sudo, or run \
                    `sudo loginctl enable-linger $USER`";
        Self { reason, hint: hint.into() }
    }
}

/// Probes whether this process's cgroup is delegated, by making a child cgroup.
///
/// The result is valid for the calling process: call it in the one that calls [`run_parent`](crate::run_parent).
pub fn probe_cgroup() -> CgroupProbe {
    probe_result(try_delegation())
}

/// Probes the cgroup of the user's service manager, given as in `/proc/PID/cgroup`, for a node that will be its unit.
/// The calling process is in another cgroup then, and the cgroup of a login session belongs to root.
pub fn probe_manager(cgroup: &str) -> CgroupProbe {
    probe_result(try_manager(cgroup))
}

fn probe_result(tried: Result<(), Obstacle>) -> CgroupProbe {
    let mode = if tried.is_ok() { CgroupMode::Delegated } else { CgroupMode::None };
    CgroupProbe { mode, obstacle: tried.err() }
}

fn try_manager(cgroup: &str) -> Result<(), Obstacle> {
    let mounts = read_of_system("/proc/self/mountinfo").unwrap_or_default();
    let dir = find_cgroup_dir(&format!("0::{cgroup}"), &mounts).ok_or_else(Obstacle::no_cgroup_v2)?;
    require_controllers(&dir)?;
    let writable = access(&dir, AccessFlags::W_OK);
    writable.map_err(|e| Obstacle::not_delegated(format!("{} does not allow child cgroups: {e}", dir.display())))
}

fn try_delegation() -> Result<(), Obstacle> {
    let own = own_cgroup().ok_or_else(Obstacle::no_cgroup_v2)?;
    let probe = own.join(format!("{LEAF}-probe-{}", std::process::id()));
    let tried = std::fs::create_dir(&probe).and_then(|()| std::fs::remove_dir(&probe));
    tried.map_err(|e| Obstacle::not_delegated(format!("{} does not allow child cgroups: {e}", own.display())))?;
    for file in ["cgroup.procs", "cgroup.subtree_control"] {
        let opened = std::fs::OpenOptions::new().write(true).open(own.join(file));
        opened.map_err(|e| Obstacle::not_delegated(format!("{} is not writable: {e}", own.join(file).display())))?;
    }
    require_controllers(&own)
}

fn require_controllers(cgroup: &Path) -> Result<(), Obstacle> {
    let there =
        read(cgroup.join("cgroup.controllers")).map_err(|e| Obstacle::not_delegated(format!("{e}: {}", e.source)))?;
    let missing: Vec<_> = NEEDED.into_iter().filter(|c| !there.split_whitespace().any(|o| o == *c)).collect();
    if missing.is_empty() { Ok(()) } else { Err(Obstacle::missing_controllers(cgroup, &missing)) }
}

/// Moves every process of this process's cgroup into a leaf and enables the controllers for child cgroups.
///
/// Call it only after the child has made its cgroup namespace: one that is made afterwards is rooted in the leaf.
pub(crate) fn evacuate_cgroup() -> Result<(), FsError> {
    let Some(own) = own_cgroup() else {
        return Err(io::Error::from(io::ErrorKind::NotFound)).context("find the cgroup2 mount below", "/sys/fs/cgroup");
    };
    let leaf = own.join(LEAF);
    match std::fs::create_dir(&leaf) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e).context("make cgroup", leaf),
        _ => {}
    }
    move_processes(&own, &leaf)?;
    for controller in read(own.join("cgroup.controllers"))?.split_whitespace() {
        // One write each: a controller that cannot be enabled must not prevent the others.
        let enabled = delegate_controller(&own, &leaf, controller);
        if NEEDED.contains(&controller) {
            enabled?;
        }
    }
    Ok(())
}

/// Enables a controller for child cgroups. A process that has just ended, such as newuidmap, keeps the cgroup busy for a
/// moment although no list has it, and no event reports the end of that; hence the attempts.
fn delegate_controller(own: &Path, leaf: &Path, controller: &str) -> Result<(), FsError> {
    let file = own.join("cgroup.subtree_control");
    let end = Instant::now() + BUSY_LIMIT;
    loop {
        match std::fs::write(&file, format!("+{controller}")) {
            Err(e) if e.kind() == io::ErrorKind::ResourceBusy && Instant::now() < end => {
                std::thread::sleep(BUSY_PAUSE);
                move_processes(own, leaf)?;
            }
            written => return written.context("enable a controller in", file),
        }
    }
}

fn move_processes(from: &Path, to: &Path) -> Result<(), FsError> {
    let target = to.join("cgroup.procs");
    // A process may fork while the list is read, so it is read until it is empty.
    loop {
        let pids = read(from.join("cgroup.procs"))?;
        let mut pids = pids.split_whitespace().filter(|pid| *pid != "0").peekable();
        if pids.peek().is_none() {
            return Ok(());
        }
        for pid in pids {
            match std::fs::write(&target, pid) {
                Err(e) if e.raw_os_error() != Some(nix::libc::ESRCH) => {
                    return Err(e).context("move a process to", target);
                }
                _ => {}
            }
        }
    }
}

fn own_cgroup() -> Option<PathBuf> {
    let cgroup = read_of_system("/proc/self/cgroup").ok()?;
    let mounts = read_of_system("/proc/self/mountinfo").ok()?;
    find_cgroup_dir(&cgroup, &mounts)
}

/// Directory of a process's cgroup v2, from the texts of its `cgroup` and `mountinfo`.
fn find_cgroup_dir(cgroup: &str, mountinfo: &str) -> Option<PathBuf> {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
    let (root, mount) = mountinfo.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut fields = before.split(' ').skip(3);
        (after.split(' ').next()? == "cgroup2").then_some((fields.next()?, fields.next()?))
    })?;
    let below = Path::new(path).strip_prefix(root).ok()?;
    Some(Path::new(mount).join(below))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cgroup_is_found_below_its_mount() {
        let unified = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate";
        let unit = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/u.service\n";
        let dir = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/u.service";
        assert_eq!(find_cgroup_dir(unit, unified), Some(PathBuf::from(dir)));
        let hybrid = "9:pids:/\n0::/\n";
        let mounts =
            "41 1 0:3 / /x rw - cgroup cgroup rw,pids\n42 32 0:37 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw";
        assert_eq!(find_cgroup_dir(hybrid, mounts), Some(PathBuf::from("/sys/fs/cgroup/unified/")));
        assert_eq!(find_cgroup_dir("9:pids:/\n", mounts), None);
        assert_eq!(find_cgroup_dir(unit, "30 23 0:26 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw"), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(a in "\\PC*", b in "(\\PC* - cgroup2\n|\\PC*)*") {
            let _ = find_cgroup_dir(&a, &b);
        }
    }
}
