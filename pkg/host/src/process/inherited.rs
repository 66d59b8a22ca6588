//! What a process inherits from its caller. Every process of a node starts from the state that is made here, whether a shell,
//! a service manager, cron, `nohup` or another program started the node.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Mask of new files. What is private has an explicit mode.
const UMASK: u32 = 0o022;
/// First descriptor after the standard streams.
const FIRST_OTHER: i32 = 3;
/// Soft limit of open files: each connection to a pod takes two. Not the hard limit: old programs iterate over the whole
/// range.
const OPEN_FILES: u64 = 65536;
/// Least soft limit of the stack, in bytes: that of every distribution.
const STACK: u64 = 8 << 20;
/// Limits whose soft value is raised to the hard one.
const RAISED: [Resource; 6] = [
    Resource::RLIMIT_AS,
    Resource::RLIMIT_CPU,
    Resource::RLIMIT_DATA,
    Resource::RLIMIT_FSIZE,
    Resource::RLIMIT_MEMLOCK,
    Resource::RLIMIT_NPROC,
];

/// Search path where the caller has none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Language of a node's processes: their messages are read by this program.
const LANGUAGE: (&str, &str) = ("LANG", "C.UTF-8");
/// Variables that a node keeps of its caller's, beside `PATH`.
const KEPT: [&str; 20] = [
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TZ",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "RUST_LOG",
    "RUST_BACKTRACE",
    "PATH",
    "LANG",
];
/// Variables of a service manager, for the process that it started.
const OF_MANAGER: [&str; 6] =
    ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "INVOCATION_ID", "JOURNAL_STREAM", "MANAGERPID"];

/// Gives a command the environment of a node's processes: of the caller's variables those of a short list, such as `HOME`,
/// `TZ` and the proxies; `PATH` with its absolute entries; `LANG=C.UTF-8`.
pub fn clean_environment(command: &mut Command) -> &mut Command {
    command.env_clear();
    for name in KEPT {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("PATH", search_path()).env(LANGUAGE.0, LANGUAGE.1)
}

/// The caller's `PATH` without relative entries, which would depend on the working directory.
pub fn search_path() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let entries = std::env::split_paths(&path).filter(|entry| entry.is_absolute());
    match std::env::join_paths(entries) {
        Ok(path) if !path.is_empty() => path,
        _ => DEFAULT_PATH.into(),
    }
}

/// Keeps the caller's open files from the programs that this process starts. Its own are closed there anyway.
pub(super) fn withhold_descriptors() {
    close_fds::set_fds_cloexec(FIRST_OTHER, &[]);
}

/// Brings this process, the first of a node, into the state from which its processes start: working directory `/`, mask 022,
/// no open files of the caller's for its children, no ignored signals. Executes this program once more where the environment has variables that
/// a node does not keep. Limits are raised by [`prepare_process`].
pub fn reset_inherited() -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the process has one thread yet")]
    std::env::set_current_dir("/")?;
    umask(Mode::from_bits_truncate(UMASK));
    withhold_descriptors();
    handle_ignored_signals()?;
    if std::env::vars_os().all(|(name, _)| is_kept(&name)) {
        return Ok(());
    }
    let mut command = Command::new(std::env::current_exe()?);
    clean_environment(&mut command).args(std::env::args_os().skip(1));
    for name in OF_MANAGER {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    Err(command.exec())
}

fn is_kept(name: &OsStr) -> bool {
    KEPT.iter().chain(&OF_MANAGER).any(|kept| name == *kept)
}

/// Handles, by doing nothing, the signals that the caller ignored (`nohup`, `trap ''`). A program that is executed gets the
/// default for a signal that was handled, but goes on ignoring one that was ignored.
fn handle_ignored_signals() -> io::Result<()> {
    let ignored = read_ignored_signals();
    (1..=64).filter(|signal| ignored >> (signal - 1) & 1 == 1).try_for_each(handle_signal)
}

/// Prepares a process for any command: raises soft limits, and handles an ignored SIGCHLD, with which the kernel would keep the
/// exit status of children from this process.
pub fn prepare_process() -> io::Result<()> {
    const SIGCHLD: i32 = nix::sys::signal::Signal::SIGCHLD as i32;
    raise_limits();
    if read_ignored_signals() >> (SIGCHLD - 1) & 1 == 1 { handle_signal(SIGCHLD) } else { Ok(()) }
}

/// Rust itself ignores SIGPIPE and gives children the default. The other ones here cannot be handled; those from 32 are the C
/// library's own.
fn handle_signal(signal: i32) -> io::Result<()> {
    use nix::libc::{SIGFPE, SIGILL, SIGKILL, SIGPIPE, SIGSEGV, SIGSTOP};
    if [SIGFPE, SIGILL, SIGKILL, SIGPIPE, SIGSEGV, SIGSTOP, 32, 33, 34].contains(&signal) {
        return Ok(());
    }
    signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false))).map(drop)
}

/// A bit for each ignored signal, from signal 1.
fn read_ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

/// Hard limits that are too low are findings of preflight.
fn raise_limits() {
    for resource in RAISED {
        raise_limit(resource, u64::MAX);
    }
    raise_limit(Resource::RLIMIT_NOFILE, OPEN_FILES);
    raise_limit(Resource::RLIMIT_STACK, STACK);
}

fn raise_limit(resource: Resource, wanted: u64) {
    if let Ok((soft, hard)) = getrlimit(resource) {
        let _ = setrlimit(resource, soft.max(wanted.min(hard)), hard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    /// The caller's part of the test below, in a process of its own.
    #[test]
    #[ignore = "started by what_a_shell_hands_down_is_reset"]
    fn inner() {
        prepare_process().and_then(|()| reset_inherited()).expect("possible");
        assert!(std::env::vars_os().all(|(name, _)| is_kept(&name)), "{:?}", std::env::vars_os());
        let mut shell = Command::new("sh");
        let script = "umask; pwd; ulimit -S -n; ls -l /proc/self/fd | grep -c held; grep SigIgn /proc/self/status; echo $GODEBUG$LANG";
        let output = shell.args(["-c", script]).output().expect("started");
        std::io::stdout().write_all(&output.stdout).expect("read by the other test");
    }

    #[test]
    fn what_a_shell_hands_down_is_reset() {
        let directory = tempfile::tempdir().expect("a directory");
        let program = std::env::current_exe().expect("this program");
        let script = "umask 077; ulimit -S -n 200; trap '' HUP CHLD INT; exec 9>held; exec \"$0\" --ignored --exact process::inherited::tests::inner --nocapture";
        let mut shell = Command::new("bash");
        shell.args(["-c", script]).arg(program).current_dir(directory.path()).env("GODEBUG", "x").env("LANG", "de_DE");
        let output = shell.output().expect("started");
        let text = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
        let start = lines.iter().position(|line| *line == "0022").unwrap_or_else(|| panic!("{output:?}"));
        assert_eq!(lines[start + 1], "/");
        assert!(lines[start + 2].parse::<u64>().expect("a number") > 200, "{text}");
        // Two signals of the C library's own are ignored in every process that it starts.
        let signals = lines[start + 4].replace("180000000", "000000000");
        assert_eq!(
            [lines[start + 3], &signals, lines[start + 5]],
            ["0", "SigIgn:\t0000000000000000", "C.UTF-8"],
            "{text}"
        );
    }

    #[test]
    fn relative_entries_of_the_path_are_dropped() {
        let path = search_path();
        assert!(!path.is_empty() && std::env::split_paths(&path).all(|entry| entry.is_absolute()));
    }
}
