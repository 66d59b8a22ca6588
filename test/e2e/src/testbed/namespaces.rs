//! Making the namespaces of a host and starting programs inside them.
//!
//! The programs stay children of this process (no `nsenter` between), so their exit status and signals are their own.

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::thread;

/// Argument that turns a test binary into the first process of a host.
pub(crate) const FIRST_PROCESS: &str = "--first-process-of-a-host";

/// Starts this binary again as the first process of new namespaces. It lives until its standard input closes.
pub(crate) fn spawn_init() -> Result<Child> {
    let mut first = Command::new(std::env::current_exe()?);
    first.arg(FIRST_PROCESS).stdin(Stdio::piped()).stdout(Stdio::piped());
    apart(move || {
        let kinds = [
            CloneFlags::CLONE_NEWNS,
            CloneFlags::CLONE_NEWNET,
            CloneFlags::CLONE_NEWPID,
            CloneFlags::CLONE_NEWUTS,
            CloneFlags::CLONE_NEWIPC,
        ];
        unshare(kinds.into_iter().collect()).context("cannot make the namespaces of a host")?;
        Ok(first.spawn()?)
    })
}

/// Which namespaces to enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inside {
    /// All.
    Everything,
    /// Only its network: files and process ids are the machine's.
    Network,
}

/// Runs `work` on a thread of its own inside the namespaces of process `pid`.
pub(crate) fn enter<T: Send>(pid: u32, inside: Inside, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    apart(move || {
        // The mount namespace last: after it, /proc is another.
        let kinds: &[&str] = match inside {
            Inside::Everything => &["net", "uts", "ipc", "pid", "mnt"],
            Inside::Network => &["net"],
        };
        let open = |kind: &&str| {
            let path = format!("/proc/{pid}/ns/{kind}");
            File::open(&path).with_context(|| format!("cannot open {path}: the host is gone"))
        };
        let files: Vec<File> = kinds.iter().map(open).collect::<Result<_>>()?;
        if inside == Inside::Everything {
            // Threads share their root and working directory; one that does may not change its mount namespace.
            unshare(CloneFlags::CLONE_FS)?;
        }
        for (file, kind) in files.iter().zip(kinds) {
            setns(file, CloneFlags::empty()).with_context(|| format!("cannot enter the {kind} namespace of {pid}"))?;
        }
        work()
    })
}

/// On a thread of its own, which takes its changed namespaces with it when it ends.
fn apart<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let thread = scope.spawn(work);
        thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a thread inside a host panicked")))
    })
}
