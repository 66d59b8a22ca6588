//! Waits for a file to appear, by inotify: on its folder or, while that is not there, on the nearest one above it.

use futures::StreamExt as _;
use inotify::{Inotify, WatchMask};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Waits until one of the files is there.
pub async fn any_appears(files: &[PathBuf]) -> io::Result<()> {
    while let Some(inotify) = watch(files)? {
        inotify.into_event_stream(vec![0; 4096])?.next().await.transpose()?;
    }
    Ok(())
}

/// Waits at most `limit` until the file is there, without a runtime; whether it is.
pub fn appears_within(file: &Path, limit: Duration) -> io::Result<bool> {
    let end = Instant::now() + limit;
    while let Some(inotify) = watch(&[file.to_owned()])? {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        if poll(&mut [PollFd::new(&inotify, PollFlags::IN)], Some(&timeout))? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Something that becomes readable when a file may have appeared; `None` when one is there. Used for one event only:
/// the folder to be watched may be another after it.
fn watch(files: &[PathBuf]) -> io::Result<Option<Inotify>> {
    loop {
        if files.iter().any(|file| is_there(file)) {
            return Ok(None);
        }
        let inotify = Inotify::init()?;
        let folders = files.iter().map(|file| nearest_folder(file)).collect::<Vec<_>>();
        for folder in &folders {
            inotify.watches().add(folder, WatchMask::CREATE | WatchMask::MOVED_TO)?;
        }
        // What came before the watches raises no event.
        let unchanged = files.iter().zip(&folders).all(|(file, folder)| nearest_folder(file) == *folder);
        if unchanged && !files.iter().any(|file| is_there(file)) {
            return Ok(Some(inotify));
        }
    }
}

/// A link counts wherever it leads: one with a path of the node leads nowhere on its host.
fn is_there(file: &Path) -> bool {
    file.symlink_metadata().is_ok()
}

fn nearest_folder(file: &Path) -> &Path {
    file.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_a_file_in_a_folder_that_is_made_later() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a/b/c");
        let parent = file.parent().expect("one").to_owned();
        let writer = std::thread::spawn({
            let file = file.clone();
            move || {
                std::thread::sleep(Duration::from_millis(30));
                std::fs::create_dir_all(&parent).expect("made");
                std::thread::sleep(Duration::from_millis(30));
                std::fs::write(file, "").expect("written");
            }
        });
        let start = Instant::now();
        assert!(appears_within(&file, Duration::from_secs(20)).expect("watched"));
        assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
        writer.join().expect("ended");
    }

    #[test]
    fn a_link_that_leads_nowhere_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/nowhere/at/all", &link).expect("linked");
        assert!(appears_within(&link, Duration::ZERO).expect("watched"));
    }

    #[test]
    fn gives_up_after_the_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        let start = Instant::now();
        assert!(!appears_within(&folder.path().join("x"), Duration::from_millis(50)).expect("watched"));
        assert!(start.elapsed() >= Duration::from_millis(50));
    }

    #[tokio::test]
    async fn one_of_several_is_enough() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = [folder.path().join("a"), folder.path().join("later/b")];
        let make = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            std::fs::create_dir(folder.path().join("later")).expect("made");
            std::fs::rename(tempfile::NamedTempFile::new_in(&folder).expect("a file"), &files[1]).expect("renamed");
        };
        let (seen, ()) = tokio::join!(tokio::time::timeout(Duration::from_secs(5), any_appears(&files)), make);
        seen.expect("in time").expect("watched");
    }
}
