//! A file of the host in parsed form, read again after it has changed.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;

/// Larger files are not read: this is memory of the node's parent process.
const LARGEST: u64 = 64 * 1024 * 1024;

/// A file's identity and time of change.
type Stamp = (u64, u64, i64, i64, u64);

/// The file at a path, which may be a link to a place that changes.
pub(super) struct FileCache<T> {
    path: PathBuf,
    parse: fn(&str) -> T,
    read: Option<(Option<Stamp>, Arc<T>)>,
}

impl<T> FileCache<T> {
    pub(super) fn new(path: impl Into<PathBuf>, parse: fn(&str) -> T) -> Self {
        Self { path: path.into(), parse, read: None }
    }

    /// The parsed file as it is now; one that cannot be read counts as empty.
    pub(super) fn get(&mut self) -> Arc<T> {
        let stamp = self.path.metadata().ok().filter(|meta| meta.is_file() && meta.len() <= LARGEST).map(|m| stamp(&m));
        match &self.read {
            Some((known, parsed)) if *known == stamp => Arc::clone(parsed),
            _ => self.read_again(stamp),
        }
    }

    fn read_again(&mut self, stamp: Option<Stamp>) -> Arc<T> {
        let bytes = stamp.and_then(|_| std::fs::read(&self.path).ok()).unwrap_or_default();
        let parsed = Arc::new((self.parse)(&String::from_utf8_lossy(&bytes)));
        self.read = Some((stamp, Arc::clone(&parsed)));
        parsed
    }
}

fn stamp(meta: &Metadata) -> Stamp {
    (meta.dev(), meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_seen() {
        let directory = tempfile::tempdir().expect("a directory");
        let [file, other, link] = ["file", "other", "link"].map(|name| directory.path().join(name));
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        let mut cache = FileCache::new(&link, str::to_owned);
        assert_eq!(*cache.get(), "", "a dangling link");
        std::fs::write(&file, "one").expect("written");
        assert_eq!(*cache.get(), "one");
        std::fs::write(&other, "two").expect("written");
        std::fs::remove_file(&link).expect("removed");
        std::os::unix::fs::symlink(&other, &link).expect("a link");
        assert_eq!(*cache.get(), "two");
    }
}
