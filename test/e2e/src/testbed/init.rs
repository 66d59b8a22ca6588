//! The first process of a host: adopts and reaps orphans, serves the outside world on request, ends with its input.

use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use std::io::{BufRead, Write, stdin, stdout};
use std::thread;

use crate::testbed::lan;

/// A request on the standard input of the first process, which answers `ready`.
pub(crate) const SERVE: &str = "serve";

/// Runs as process 1. The kernel ends every other process of the host when this one returns.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGCHLD);
    signals.thread_block()?;
    thread::spawn(move || {
        loop {
            while matches!(waitpid(None, Some(WaitPidFlag::WNOHANG)), Ok(status) if status != WaitStatus::StillAlive) {}
            if signals.wait().is_err() {
                return;
            }
        }
    });
    for line in stdin().lock().lines() {
        if line? == SERVE {
            lan::serve()?;
            writeln!(stdout(), "ready")?;
        }
    }
    Ok(())
}
