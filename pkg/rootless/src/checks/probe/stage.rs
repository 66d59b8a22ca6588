//! The stage of the probe: tries mounts as root of a user namespace and removes its files.

use super::links;
use super::{FUSE, HOST_NAME, KERNEL, PROC, SYS};
use crate::child::{mount_new, mount_writable, open_path};
use crate::protocol::{Outcome, Socket};
use crate::userns::{Action as _, Stage, StageError, become_root, run_report_stage};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use std::fs;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use usernetes_host::CommandExt as _;

/// With the directories of administrators' programs, which an ordinary user's `PATH` may lack.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(crate) fn run_probe_stage() -> ExitCode {
    run_report_stage(probe_mounts)
}

fn probe_mounts(socket: &Socket) -> Result<Vec<Outcome>, StageError> {
    become_root(socket)?;
    let namespaces = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC;
    unshare(namespaces | CloneFlags::CLONE_NEWUTS).with_action("make mount, network, ipc and uts namespaces")?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_SLAVE | MsFlags::MS_REC, None::<&str>)
        .with_action("make / a slave")?;
    let directory = std::env::args_os().nth(2).map(PathBuf::from).unwrap_or_default();
    // By its handle: a comma or a colon in a path would end it in the options of a mount.
    let handle = open_path(&directory).with_action(format!("open {}", directory.display()))?;
    let directory = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), handle.as_raw_fd()));
    let scratch = directory.join(format!(".overlay-probe-{}", std::process::id()));
    let mut outcomes = vec![to_outcome(KERNEL, try_overlay(&scratch, mount_overlay))];
    if outcomes[0].failure.is_some() {
        let _ = fs::remove_dir_all(&scratch);
        outcomes.push(to_outcome(FUSE, try_overlay(&scratch, mount_fuse_overlayfs)));
    }
    // Not by the parent process: the kernel leaves a directory that only root of the namespace can read.
    let _ = fs::remove_dir_all(&scratch);
    outcomes.push(to_outcome(HOST_NAME, nix::unistd::sethostname("probe").with_action("set a host name")));
    outcomes.extend(links::try_links());
    // Privileged pods such as kube-proxy need a writable one, which the kernel refuses if the surrounding one is not.
    outcomes.push(to_outcome(SYS, mount_writable("sysfs", SYS)));
    // Last, since this process's ids are not in the new /proc.
    outcomes.push(to_outcome(PROC, mount_own_proc()));
    Ok(outcomes)
}

/// Only a process of a PID namespace can mount its `/proc`.
fn mount_own_proc() -> Result<(), StageError> {
    unshare(CloneFlags::CLONE_NEWPID).with_action("make a PID namespace")?;
    let status = Stage::ProbeProc.command().status().with_action("start a process in a PID namespace")?;
    match status.code() {
        Some(0) => Ok(()),
        code => Err(Errno::from_raw(code.unwrap_or(Errno::EPERM as i32))).with_action("mount proc on /proc"),
    }
}

/// Runs as PID 1; the error number is the exit code.
pub(crate) fn run_proc_stage() -> ExitCode {
    match mount_new("proc", PROC) {
        Ok(()) => ExitCode::SUCCESS,
        Err(StageError::System { source, .. }) => ExitCode::from(u8::try_from(source as i32).unwrap_or(u8::MAX)),
        Err(_) => ExitCode::FAILURE,
    }
}

pub(super) fn to_outcome(what: &str, tried: Result<(), impl std::error::Error>) -> Outcome {
    Outcome { what: what.to_owned(), failure: tried.err().map(|e| e.to_string()) }
}

/// Mounts an overlay and replaces a directory in it, which needs working extended attributes, too.
fn try_overlay(scratch: &Path, mount: fn(&str, &Path) -> Result<(), StageError>) -> Result<(), StageError> {
    let [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(|name| scratch.join(name));
    for directory in [&lower, &upper, &work, &merged] {
        fs::create_dir_all(directory).with_action(format!("make {}", directory.display()))?;
    }
    fs::create_dir(lower.join("dir")).with_action("make a directory")?;
    let (lower, upper, work) = (lower.display(), upper.display(), work.display());
    mount(&format!("lowerdir={lower},upperdir={upper},workdir={work}"), &merged)?;
    let replaced = fs::remove_dir(merged.join("dir")).and_then(|()| fs::create_dir(merged.join("dir")));
    // The unmount ends the process of a FUSE file system.
    let unmounted = umount2(&merged, MntFlags::MNT_DETACH);
    replaced.with_action("replace a directory in an overlay")?;
    unmounted.with_action("unmount an overlay")
}

fn mount_overlay(options: &str, merged: &Path) -> Result<(), StageError> {
    let options = format!("{options},userxattr");
    mount(Some("overlay"), merged, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .with_action("mount an overlay")
}

/// As containerd does.
fn mount_fuse_overlayfs(options: &str, merged: &Path) -> Result<(), StageError> {
    let mut command = Command::new("mount.fuse3");
    command.env("PATH", PATH).args(["overlay".as_ref(), merged.as_os_str(), "-o".as_ref(), options.as_ref()]);
    command.args(["-t", FUSE]).run()?;
    Ok(())
}
