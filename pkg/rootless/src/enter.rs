//! A command inside a running child's namespaces.

use crate::userns::Stage;
use crate::userns::{StageError, What as _};
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

/// A command that, when it is run, runs `words` as root inside, in `/`, with this command's streams and exit code
/// (128 and the signal's number after a signal).
///
/// `child_pid` is [`Info::child_pid`](crate::control::Info::child_pid). More variables can be added to the result.
pub fn enter_command(child_pid: i32, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Stage::Enter.command();
    command.arg(child_pid.to_string()).args(words).env("PATH", PATH).env("HOME", "/root");
    command
}

pub(crate) fn main() -> ExitCode {
    match run(std::env::args_os().skip(2)) {
        Ok(code) => code,
        Err(error) => {
            // Standard error belongs to whoever ran the command; there is no other way to reach them from here.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(126)
        }
    }
}

fn run(mut args: impl Iterator<Item = OsString>) -> Result<ExitCode, StageError> {
    let pid = args.next().and_then(|pid| pid.to_str()?.parse().ok()).and_then(Pid::from_raw);
    let (Some(pid), Some(program)) = (pid, args.next()) else {
        return Err(Errno::EINVAL).what("enter: a process and a command are needed");
    };
    enter(pid)?;
    // The terminal sends these to the command as well, which decides what they mean. It starts with none blocked.
    let mut terminal = SigSet::empty();
    terminal.add(Signal::SIGINT);
    terminal.add(Signal::SIGQUIT);
    terminal.thread_block().what("block the terminal's signals")?;
    let mut command = Command::new(&program);
    command.args(args).current_dir("/");
    let status = command.status().what(format!("run {}", program.display()))?;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
}

/// All namespaces at once; the kernel takes the user namespace first. The PID namespace is for children only.
fn enter(pid: Pid) -> Result<(), StageError> {
    let target = pidfd_open(pid, PidfdFlags::empty()).what("find the running child")?;
    let namespaces = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWCGROUP;
    setns(target, namespaces).what("enter the namespaces of the running child")?;
    setresgid(Gid::from_raw(0), Gid::from_raw(0), Gid::from_raw(0)).what("become group 0")?;
    setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).what("become uid 0")
}
