//! Ending the processes of pods without the runtime: what it left, or everything where it does not answer.

use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};
use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(10);

/// What holds a container: containerd's, or CRI-O's.
const SHIMS: [&str; 2] = ["containerd-shim", "conmon"];

/// Ends all containers, the sandboxes after those that use their network, and the shims after their containers.
pub(super) async fn end_processes_of_pods() {
    let processes = list_processes();
    // Shims outlive what started them, so they are orphans, and orphans are children of PID 1, which is us.
    let own = std::process::id().cast_signed();
    let orphans = processes.iter().filter(|p| p.parent == own);
    let shims: HashSet<i32> = orphans.filter(|p| SHIMS.contains(&p.name.as_str())).map(|p| p.pid).collect();
    let (sandboxes, containers): (Vec<_>, Vec<_>) =
        processes.iter().filter(|p| shims.contains(&p.parent)).partition(|p| p.name == "pause");
    end_processes(&containers, Signal::SIGTERM).await;
    end_processes(&sandboxes, Signal::SIGKILL).await;
    end_processes(&processes.iter().filter(|p| shims.contains(&p.pid)).collect::<Vec<_>>(), Signal::SIGKILL).await;
}

/// Signals all and waits for their ends; SIGKILL for those that would not notice, and after the grace for all.
async fn end_processes(processes: &[&Process], signal: Signal) {
    let mut open = Vec::new();
    for process in processes {
        // A pidfd, not the pid: a process that ended meanwhile may have left its pid to another.
        let Some(fd) = Pid::from_raw(process.pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else {
            continue;
        };
        send_signal(&fd, if process.ignores_term { Signal::SIGKILL } else { signal });
        open.push(fd);
    }
    let _ = tokio::task::spawn_blocking(move || wait_or_kill(&open)).await;
}

fn wait_or_kill(open: &[OwnedFd]) {
    if !wait_for_exits(open, Instant::now() + GRACE) {
        tracing::warn!("containers do not end, killed");
        for fd in open {
            send_signal(fd, Signal::SIGKILL);
        }
        wait_for_exits(open, Instant::now() + GRACE);
    }
}

/// Waits for the ends of all; whether they came in time.
fn wait_for_exits(open: &[OwnedFd], until: Instant) -> bool {
    open.iter().all(|fd| {
        let left = Timespec::try_from(until.saturating_duration_since(Instant::now())).ok();
        // A pidfd is readable once the process has ended.
        matches!(poll(&mut [PollFd::new(fd, PollFlags::IN)], left.as_ref()), Ok(1))
    })
}

fn send_signal(fd: &OwnedFd, signal: Signal) {
    let signal = rustix::process::Signal::from_named_raw(signal as i32).expect("TERM and KILL are known");
    let _ = pidfd_send_signal(fd, signal);
}

/// What `/proc` says about a process.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    pid: i32,
    parent: i32,
    /// At most 15 characters.
    name: String,
    /// The init of a PID namespace that has no handler: the kernel drops its SIGTERM.
    ignores_term: bool,
}

fn list_processes() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| parse_status(pid, &std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?)).collect()
}

/// Reads `/proc/PID/status`; `None` for a process that has ended.
fn parse_status(pid: i32, status: &str) -> Option<Process> {
    if find_field(status, "State")?.starts_with('Z') {
        return None;
    }
    let caught = u64::from_str_radix(find_field(status, "SigCgt")?, 16).ok()?;
    let catches_term = caught & (1 << (Signal::SIGTERM as i32 - 1)) != 0;
    let init = find_field(status, "NSpid").and_then(|pids| pids.split_whitespace().last()) == Some("1");
    Some(Process {
        pid,
        parent: find_field(status, "PPid")?.parse().ok()?,
        name: find_field(status, "Name")?.to_owned(),
        ignores_term: init && !catches_term,
    })
}

fn find_field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tcontainerd-shim\nUmask:\t0022\nState:\tS (sleeping)\nPid:\t812\nPPid:\t1\n\
        NSpid:\t34812\t812\nSigIgn:\t0000000000000000\nSigCgt:\tfffffffd7fc1feff\n";

    #[test]
    fn reads_a_shim() {
        let expected = Process { pid: 812, parent: 1, name: "containerd-shim".into(), ignores_term: false };
        assert_eq!(parse_status(812, STATUS), Some(expected));
    }

    #[test]
    fn an_init_without_a_handler_ignores_term() {
        let init = STATUS.replace("\t812\nSigIgn", "\t812\t1\nSigIgn");
        let ignores = |status: &str| parse_status(812, status).expect("a process").ignores_term;
        assert!(!ignores(&init));
        assert!(ignores(&init.replace("fffffffd7fc1feff", "0000000000000000")));
        assert!(!ignores(&STATUS.replace("fffffffd7fc1feff", "0000000000000000")));
    }

    #[test]
    fn zombies_do_not_count() {
        assert_eq!(parse_status(812, &STATUS.replace("S (sleeping)", "Z (zombie)")), None);
    }

    #[test]
    fn sees_this_process() {
        let own = i32::try_from(std::process::id()).expect("a pid");
        assert!(list_processes().iter().any(|p| p.pid == own));
    }

    #[tokio::test]
    async fn a_process_that_ignores_term_is_killed() {
        let mut command = std::process::Command::new("sleep");
        let child = crate::supervise::tests::REAPER.spawn(command.arg("100")).expect("started");
        let process = Process { pid: child.pid(), parent: 0, name: String::new(), ignores_term: true };
        end_processes(&[&process], Signal::SIGTERM).await;
        assert_eq!(child.wait().await, usernetes_host::process::Exit::Signal(9));
    }
}
