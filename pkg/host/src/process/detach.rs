//! Starts a process that outlives its parent and the terminal.
//!
//! The session is the new process' own to make: what it runs first is [`lead_session`]. That needs neither `unsafe`
//! between fork and exec nor the `setsid` program, and the parent can still wait for the process.

use super::inherited::withhold_descriptors;
use crate::FsError;
use crate::fs::{Context as _, create_dir};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Starts a program that begins with [`lead_session`]: `stdin` (null, or a socket to report on) to read, its output appended to `log` (0600).
/// It inherits nothing else that is open.
pub fn detach(command: &mut Command, stdin: impl Into<Stdio>, log: impl AsRef<Path>) -> Result<Child, FsError> {
    let log = log.as_ref();
    create_dir(log.parent().unwrap_or(Path::new(".")))?;
    let out = OpenOptions::new().append(true).create(true).mode(0o600).open(log).context("open log", log)?;
    let err = out.try_clone().context("open log", log)?;
    let program = command.get_program().to_owned();
    withhold_descriptors();
    command.stdin(stdin).stdout(out).stderr(err).current_dir("/").spawn().context("start", program)
}

/// Makes this process the leader of a session without a terminal. One that leads its session already stays it.
pub fn lead_session() -> std::io::Result<()> {
    let own = nix::unistd::getpid();
    if nix::unistd::getsid(None)? != own {
        nix::unistd::setsid()?;
    }
    Ok(())
}
