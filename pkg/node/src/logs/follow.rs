//! Follows logs as they grow, with inotify.

use crate::ComponentName;
use inotify::{Inotify, WatchMask};
use rustix::event::{PollFd, PollFlags, poll};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use usernetes_host::FsError;
use usernetes_host::fs::Context as _;

/// An endless blocking iterator over new lines of logs, each with its component.
pub struct Follow {
    directory: PathBuf,
    changes: Inotify,
    logs: Vec<Log>,
    lines: VecDeque<(ComponentName, String)>,
}

struct Log {
    component: ComponentName,
    path: PathBuf,
    /// Number of bytes read.
    position: u64,
    /// An incomplete last line.
    part: Vec<u8>,
}

/// Follows the logs of `components` in the directory `logs` from their current end; logs that are created later from their
/// beginning.
pub fn follow_logs(logs: &Path, components: &[ComponentName]) -> Result<Follow, FsError> {
    let changes = watch_directory(logs).context("watch", logs)?;
    let logs_of = components.iter().map(|component| Log::at_end(logs, *component)).collect();
    Ok(Follow { directory: logs.to_owned(), changes, logs: logs_of, lines: VecDeque::new() })
}

/// Watches the directory and not the files: a log may be made later.
fn watch_directory(logs: &Path) -> io::Result<Inotify> {
    let changes = Inotify::init()?;
    changes.watches().add(logs, WatchMask::MODIFY | WatchMask::CREATE)?;
    Ok(changes)
}

impl Iterator for Follow {
    type Item = Result<(ComponentName, String), FsError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(Ok(line));
            }
            if let Err(error) = self.wait_for_change().context("watch", &self.directory) {
                return Some(Err(error));
            }
            for log in &mut self.logs {
                if let Err(error) = log.read_lines(&mut self.lines).context("read", &log.path) {
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Follow {
    fn wait_for_change(&mut self) -> io::Result<()> {
        while poll(&mut [PollFd::new(&self.changes, PollFlags::IN)], None).is_err_and(|e| e == rustix::io::Errno::INTR)
        {
        }
        self.changes.read_events(&mut [0; 4096]).map(drop)
    }
}

impl Log {
    fn at_end(logs: &Path, component: ComponentName) -> Self {
        let path = super::log_path(logs, component);
        let position = path.metadata().map_or(0, |meta| meta.len());
        Self { component, path, position, part: vec![] }
    }

    fn read_lines(&mut self, lines: &mut VecDeque<(ComponentName, String)>) -> io::Result<()> {
        let mut file = match File::open(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file?,
        };
        // The log was rotated.
        if file.metadata()?.len() < self.position {
            self.position = 0;
        }
        file.seek(SeekFrom::Start(self.position))?;
        self.position += file.read_to_end(&mut self.part)? as u64;
        while let Some(end) = self.part.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.part.drain(..=end).collect();
            lines.push_back((self.component, String::from_utf8_lossy(&line[..end]).into_owned()));
        }
        Ok(())
    }
}
