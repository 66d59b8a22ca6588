//! Runs a command inside a running child's namespaces.

use crate::userns::{Action as _, Stage, StageError};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Gid, Uid, setresgid, setresuid};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A command that runs `words` as root inside, in `/`, with the streams of the command. Its exit code is that of the
/// program, 128 plus the number of a signal, or 126 if the program could not be run.
///
/// `child_pid` is [`Info::child_pid`](crate::control::Info::child_pid). The caller may add environment variables.
pub fn enter_command(child_pid: i32, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Stage::Enter.command();
    command.arg(child_pid.to_string()).args(words).env("PATH", PATH).env("HOME", "/root");
    command
}

pub(crate) fn run_stage() -> ExitCode {
    match run_command(std::env::args_os().skip(2)) {
        Ok(code) => code,
        Err(error) => {
            // Standard error is the caller's; there is no other channel to it.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(126)
        }
    }
}

fn run_command(mut args: impl Iterator<Item = OsString>) -> Result<ExitCode, StageError> {
    let pid = args.next().and_then(|pid| pid.to_str()?.parse().ok()).and_then(Pid::from_raw);
    let (Some(pid), Some(program)) = (pid, args.next()) else {
        return Err(Errno::EINVAL).with_action("enter: a process and a command are needed");
    };
    enter_namespaces(pid)?;
    // The terminal sends these signals to the program as well, which handles them. It starts with none blocked.
    let mut terminal = SigSet::empty();
    terminal.add(Signal::SIGINT);
    terminal.add(Signal::SIGQUIT);
    terminal.thread_block().with_action("block the terminal's signals")?;
    let mut command = Command::new(&program);
    command.args(args).current_dir("/");
    let status = command.status().with_action(format!("run {}", program.display()))?;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
}

/// Enters all namespaces at once; the kernel begins with the user namespace. The PID namespace applies to children.
fn enter_namespaces(pid: Pid) -> Result<(), StageError> {
    let target = pidfd_open(pid, PidfdFlags::empty()).with_action("find the running child")?;
    let namespaces = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWCGROUP;
    setns(target, namespaces).with_action("enter the namespaces of the running child")?;
    setresgid(Gid::from_raw(0), Gid::from_raw(0), Gid::from_raw(0)).with_action("become group 0")?;
    setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).with_action("become uid 0")
}
