//! The probe's stage: tries mounts as root of a user namespace, and leaves nothing.

use super::{FUSE, HOST_NAME, KERNEL, PROC, SYS};
use crate::child::{fresh, writable};
use crate::protocol::Outcome;
use crate::protocol::Socket;
use crate::userns::Stage;
use crate::userns::{StageError, What as _, become_root, report};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use usernetes_host::CommandExt as _;

/// Where administrators' programs are, too: an ordinary user may not have those in its own.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(crate) fn main() -> ExitCode {
    report(run)
}

fn run(socket: &Socket) -> Result<Vec<Outcome>, StageError> {
    become_root(socket)?;
    let namespaces = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC;
    unshare(namespaces | CloneFlags::CLONE_NEWUTS).what("make mount, network, ipc and uts namespaces")?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_SLAVE | MsFlags::MS_REC, None::<&str>).what("make / a slave")?;
    let folder = std::env::args_os().nth(2).map(PathBuf::from).unwrap_or_default();
    let scratch = folder.join(format!(".overlay-probe-{}", std::process::id()));
    let mut outcomes = vec![outcome(KERNEL, try_overlay(&scratch, mount_overlay))];
    if outcomes[0].failure.is_some() {
        let _ = fs::remove_dir_all(&scratch);
        outcomes.push(outcome(FUSE, try_overlay(&scratch, mount_fuse_overlayfs)));
    }
    // Here and not by the starter: the kernel leaves a folder that only root may look into.
    let _ = fs::remove_dir_all(&scratch);
    outcomes.push(outcome(HOST_NAME, nix::unistd::sethostname("probe").what("set a host name")));
    // Privileged pods, and kube-proxy is one, have theirs writable, which nobody may where the one around is not.
    outcomes.push(outcome(SYS, writable("sysfs", SYS)));
    // Last, for our own numbers are not in it.
    outcomes.push(outcome(PROC, own_proc()));
    Ok(outcomes)
}

/// Only a process of a PID namespace can mount its `/proc`.
fn own_proc() -> Result<(), StageError> {
    unshare(CloneFlags::CLONE_NEWPID).what("make a PID namespace")?;
    let status = Stage::ProbeProc.command().status().what("start a process in a PID namespace")?;
    match status.code() {
        Some(0) => Ok(()),
        code => Err(Errno::from_raw(code.unwrap_or(Errno::EPERM as i32))).what("mount proc on /proc"),
    }
}

/// As PID 1: the error's number is the exit code.
pub(crate) fn proc_main() -> ExitCode {
    match fresh("proc", PROC) {
        Ok(()) => ExitCode::SUCCESS,
        Err(StageError::System { source, .. }) => ExitCode::from(u8::try_from(source as i32).unwrap_or(u8::MAX)),
        Err(_) => ExitCode::FAILURE,
    }
}

fn outcome(what: &str, tried: Result<(), StageError>) -> Outcome {
    Outcome { what: what.to_owned(), failure: tried.err().map(|e| e.to_string()) }
}

/// Mounts one and replaces a folder in it, which needs extended attributes to work too.
fn try_overlay(scratch: &Path, mount: fn(&str, &Path) -> Result<(), StageError>) -> Result<(), StageError> {
    let [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(|name| scratch.join(name));
    for folder in [&lower, &upper, &work, &merged] {
        fs::create_dir_all(folder).what(format!("make {}", folder.display()))?;
    }
    fs::create_dir(lower.join("folder")).what("make a folder")?;
    let (lower, upper, work) = (lower.display(), upper.display(), work.display());
    mount(&format!("lowerdir={lower},upperdir={upper},workdir={work}"), &merged)?;
    let replaced = fs::remove_dir(merged.join("folder")).and_then(|()| fs::create_dir(merged.join("folder")));
    // A file system in a process ends that with it.
    let unmounted = umount2(&merged, MntFlags::MNT_DETACH);
    replaced.what("replace a folder in an overlay")?;
    unmounted.what("unmount an overlay")
}

fn mount_overlay(options: &str, merged: &Path) -> Result<(), StageError> {
    let options = format!("{options},userxattr");
    mount(Some("overlay"), merged, Some("overlay"), MsFlags::empty(), Some(options.as_str())).what("mount an overlay")
}

/// As containerd does.
fn mount_fuse_overlayfs(options: &str, merged: &Path) -> Result<(), StageError> {
    let mut command = Command::new("mount.fuse3");
    command.env("PATH", PATH).args(["overlay".as_ref(), merged.as_os_str(), "-o".as_ref(), options.as_ref()]);
    command.args(["-t", FUSE]).run()?;
    Ok(())
}
