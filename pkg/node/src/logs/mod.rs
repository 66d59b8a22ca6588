//! Logs of components: where they are, their last lines, and what is added to them.
//!
//! A component writes straight into its file, opened for appending: no line passes through the child, none is lost
//! when the child is busy, and an idle log costs nothing. So the file must keep its inode while the component
//! runs, and rotation copies it away inside the kernel and truncates it; a line that comes between the two is lost,
//! once in 10 MiB at most.

mod follow;
mod rotate;

pub use follow::{Follow, follow_logs};
pub(crate) use rotate::{open_log, rotate_log};

use crate::ComponentName;
use std::path::{Path, PathBuf};
use usernetes_host::FsError;
use usernetes_host::fs;

/// A log is copied away when it is longer, in bytes.
const LONGEST: u64 = 10 * 1024 * 1024;
/// How many old logs are kept: `.1` is the newest.
const KEPT: u32 = 3;

/// The log of a detached parent and of the child, in the directory of logs.
pub fn daemon_log_path(logs: &Path) -> PathBuf {
    logs.join("daemon.log")
}

/// The log of a component in the directory of logs.
pub fn log_path(logs: &Path, component: ComponentName) -> PathBuf {
    logs.join(format!("{component}.log"))
}

fn generation_path(log: &Path, n: u32) -> PathBuf {
    match n {
        0 => log.to_owned(),
        n => PathBuf::from(format!("{}.{n}", log.display())),
    }
}

/// The last `lines` lines, older generations of the log included; none where there is no log yet.
pub fn read_tail(logs: &Path, component: ComponentName, lines: usize) -> Result<Vec<String>, FsError> {
    let log = log_path(logs, component);
    let mut found: Vec<String> = Vec::new();
    for n in 0..=KEPT {
        let Some(bytes) = read_log(&generation_path(&log, n))? else { break };
        let text = String::from_utf8_lossy(&bytes);
        let older = text.lines().rev().take(lines - found.len()).map(str::to_owned);
        found.extend(older);
        if found.len() == lines {
            break;
        }
    }
    found.reverse();
    Ok(found)
}

fn read_log(path: &Path) -> Result<Option<Vec<u8>>, FsError> {
    use fs::Context as _;
    match std::fs::read(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        read => read.context("read", path).map(Some),
    }
}

#[cfg(test)]
mod tests;
