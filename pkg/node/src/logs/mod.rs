//! Logs of components: paths, last lines, following, rotation.
//!
//! A component writes directly into its file, opened for appending: no line passes through the child, so none is lost while
//! the child is busy. The file keeps its inode while the component runs: rotation copies it in the kernel and truncates it.
//! A line that is written between the two steps is lost, at most one in 10 MiB.

mod follow;
mod last_error;
mod rotate;

pub use follow::{Follow, follow_logs};
pub(crate) use last_error::{read_last_error, size};
pub(crate) use rotate::{open_log, rotate_log};

use crate::ComponentName;
use std::path::{Path, PathBuf};
use usernetes_host::FsError;
use usernetes_host::fs;

/// Size in bytes above which a log is rotated.
const LONGEST: u64 = 10 * 1024 * 1024;
/// Number of old logs: `.1` is the newest.
const KEPT: u32 = 3;

/// Path of the log of a detached parent and of the child in the directory of logs.
pub fn daemon_log_path(logs: &Path) -> PathBuf {
    logs.join("daemon.log")
}

/// Path of the log of a component in the directory of logs.
pub fn log_path(logs: &Path, component: ComponentName) -> PathBuf {
    logs.join(format!("{component}.log"))
}

/// Path of an old log; the log itself for 0.
fn generation_path(log: &Path, n: u32) -> PathBuf {
    match n {
        0 => log.to_owned(),
        n => PathBuf::from(format!("{}.{n}", log.display())),
    }
}

/// The last `lines` lines of a log and its old logs, oldest first; empty if there is no log yet.
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
