//! Waits for a file to appear, with inotify on its directory or, if that is missing, on its nearest existing parent.

use futures::StreamExt as _;
use inotify::{Inotify, WatchMask};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// Waits until the file exists. A symbolic link counts, even if its target is missing.
pub async fn wait_for_file(file: &Path) -> io::Result<()> {
    while let Some(inotify) = watch_file(file)? {
        inotify.into_event_stream(vec![0; 4096])?.next().await.transpose()?;
    }
    Ok(())
}

/// Blocks until the file exists, at most for `limit`. Returns whether it exists.
pub(crate) fn wait_for_file_within(file: &Path, limit: Duration) -> io::Result<bool> {
    let end = Instant::now() + limit;
    while let Some(inotify) = watch_file(file)? {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        if poll(&mut [PollFd::new(&inotify, PollFlags::IN)], Some(&timeout))? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A watch that becomes readable when the file may have appeared; `None` if it exists. It serves for one event: afterwards
/// another directory may have to be watched.
fn watch_file(file: &Path) -> io::Result<Option<Inotify>> {
    loop {
        if is_there(file) {
            return Ok(None);
        }
        let inotify = Inotify::init()?;
        let directory = nearest_directory(file);
        inotify.watches().add(directory, WatchMask::CREATE | WatchMask::MOVED_TO)?;
        // A file that appeared before the watch raises no event.
        if nearest_directory(file) == directory && !is_there(file) {
            return Ok(Some(inotify));
        }
    }
}

/// Whether the path exists. Links are not followed: a link to a path of the node has no target on the host.
fn is_there(file: &Path) -> bool {
    file.symlink_metadata().is_ok()
}

fn nearest_directory(file: &Path) -> &Path {
    file.ancestors().skip(1).find(|directory| directory.is_dir()).unwrap_or(Path::new("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{sleep, timeout};

    #[tokio::test]
    async fn sees_a_file_in_a_directory_that_is_made_later() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("a/b/c");
        let make = async {
            sleep(Duration::from_millis(20)).await;
            std::fs::create_dir_all(directory.path().join("a/b")).expect("made");
            sleep(Duration::from_millis(20)).await;
            std::fs::rename(tempfile::NamedTempFile::new_in(&directory).expect("a file"), &file).expect("renamed");
        };
        let (seen, ()) = tokio::join!(timeout(Duration::from_secs(5), wait_for_file(&file)), make);
        seen.expect("in time").expect("watched");
    }

    #[test]
    fn gives_up_after_the_limit() {
        let directory = tempfile::tempdir().expect("a directory");
        let start = Instant::now();
        assert!(!wait_for_file_within(&directory.path().join("x"), Duration::from_millis(50)).expect("watched"));
        assert!(start.elapsed() >= Duration::from_millis(50));
    }

    #[tokio::test]
    async fn a_link_that_leads_nowhere_is_there() {
        let directory = tempfile::tempdir().expect("a directory");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("/nowhere/at/all", &link).expect("linked");
        timeout(Duration::from_secs(5), wait_for_file(&link)).await.expect("at once").expect("watched");
    }
}
