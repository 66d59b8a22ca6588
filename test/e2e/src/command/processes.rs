//! Processes of given users, as the machine sees them; ends exactly those.

use anyhow::{Result, bail};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::ops::Range;
use std::time::{Duration, Instant};

/// A living process, zombies left out: the process that should reap them may not belong to the test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id as the machine sees it.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
    /// Its real user id as the machine sees it.
    pub uid: u32,
    /// Its arguments, or its name when it has none.
    pub command: Vec<String>,
}

impl Process {
    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(self.pid), signal)?)
    }

    /// The file name of its first argument.
    pub fn program(&self) -> &str {
        let first = self.command.first().map_or("", String::as_str);
        first.rsplit('/').next().unwrap_or(first)
    }

    /// It still runs.
    pub fn lives(&self) -> bool {
        read(self.pid).is_some_and(|now| now.uid == self.uid)
    }
}

/// Processes whose real user id lies in one of the ranges.
pub(crate) fn of(users: &[Range<u32>]) -> Result<Vec<Process>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|n| n.parse().ok()) else { continue };
        found.extend(read(pid).filter(|p| users.iter().any(|r| r.contains(&p.uid))));
    }
    found.sort_by_key(|p| p.pid);
    Ok(found)
}

/// Kills the processes of these users until there is none; a process may fork while we look.
pub(crate) fn end_all(users: &[Range<u32>]) -> Result<()> {
    let limit = Instant::now() + Duration::from_secs(20);
    loop {
        let left = of(users)?;
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > limit {
            bail!("processes outlive SIGKILL: {left:?}");
        }
        for process in &left {
            match kill(Pid::from_raw(process.pid), Signal::SIGKILL) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(e) => bail!("cannot end {process:?}: {e}"),
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn read(pid: i32) -> Option<Process> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).map(str::trim);
    if field("State:")?.starts_with(['Z', 'X']) {
        return None;
    }
    let uid = field("Uid:")?.split_whitespace().next()?.parse().ok()?;
    let parent = field("PPid:")?.parse().ok()?;
    let arguments = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let arguments = String::from_utf8_lossy(&arguments);
    let mut command: Vec<String> = arguments.split_terminator('\0').map(str::to_owned).collect();
    if command.is_empty() {
        command.push(field("Name:")?.to_owned());
    }
    Some(Process { pid, parent, uid, command })
}
