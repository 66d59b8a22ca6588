//! Verifies the files of a bundle against its manifest, on all cores.

use super::verified::{self, Stamp, Stamps};
use super::{BadFile, Bundle, BundleError, Fault, digest};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use usernetes_api::bundle::BundleFile;

/// Which files are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Only files that have changed since they were last hashed.
    Changed,
    /// Every file.
    Full,
}

/// Progress of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Number of verified bytes.
    pub done: u64,
    /// Number of bytes of all files.
    pub total: u64,
}

/// Result of a verification without errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Number of files.
    pub files: usize,
    /// Number of files that were hashed; the others were unchanged.
    pub hashed: usize,
    /// Number of bytes of all files.
    pub bytes: u64,
}

impl Bundle {
    /// Checks size, SHA-256 and mode of every file, and that `bin/`, `cni/` and `lib/` contain no other files.
    ///
    /// `cache` is the directory of stamps. The error lists every bad file.
    pub fn verify(
        &self,
        cache: &Path,
        check: Check,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Verified, BundleError> {
        let old = match check {
            Check::Changed => verified::load_stamps(cache, self.dir()),
            Check::Full => Stamps::new(),
        };
        let (verified, stamps) = self.compare_files(&old, progress)?;
        if stamps != old {
            verified::save_stamps(cache, self.dir(), &stamps);
        }
        Ok(verified)
    }

    /// Compares the files with the manifest; files with a valid stamp in `old` are not hashed. Returns the stamps that are
    /// valid now.
    pub(crate) fn compare_files(
        &self,
        old: &Stamps,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<(Verified, Stamps), BundleError> {
        let files = &self.manifest().files;
        let run = Run::new(self.dir(), old, files, progress);
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(files.len().max(1));
        std::thread::scope(|scope| {
            for _ in 1..workers {
                scope.spawn(|| run.verify_queue());
            }
            run.verify_queue();
        });
        let mut found = run.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.bad.extend(find_unexpected(self.dir(), files));
        if !found.bad.is_empty() {
            found.bad.sort_by(|a, b| a.path.cmp(&b.path));
            return Err(BundleError::Damaged { dir: self.dir().to_owned(), files: found.bad });
        }
        let verified = Verified { files: files.len(), hashed: found.hashed, bytes: run.total };
        Ok((verified, found.stamps))
    }
}

#[derive(Default)]
struct Found {
    bad: Vec<BadFile>,
    stamps: Stamps,
    hashed: usize,
}

struct Run<'a> {
    dir: &'a Path,
    old: &'a Stamps,
    /// Largest first, so that no worker is left with a large one at the end.
    queue: Vec<&'a BundleFile>,
    next: AtomicUsize,
    done: AtomicU64,
    total: u64,
    progress: &'a (dyn Fn(Progress) + Sync),
    found: Mutex<Found>,
}

impl<'a> Run<'a> {
    fn new(dir: &'a Path, old: &'a Stamps, files: &'a [BundleFile], progress: &'a (dyn Fn(Progress) + Sync)) -> Self {
        let mut queue: Vec<_> = files.iter().collect();
        queue.sort_by_key(|file| std::cmp::Reverse(file.size));
        // A manifest may say anything; the sum must not overflow.
        let total = files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.size));
        Self { dir, old, queue, next: 0.into(), done: 0.into(), total, progress, found: Mutex::default() }
    }

    fn verify_queue(&self) {
        while let Some(&file) = self.queue.get(self.next.fetch_add(1, Relaxed)) {
            let outcome = self.verify_file(file);
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            match outcome {
                Ok((stamp, hashed)) => {
                    found.stamps.extend(stamp.map(|stamp| (file.path.clone(), stamp)));
                    found.hashed += usize::from(hashed);
                }
                Err(fault) => found.bad.push(BadFile { path: file.path.clone(), fault }),
            }
        }
    }

    /// Checks one file. Returns its stamp if it may have one, and whether it was hashed.
    fn verify_file(&self, file: &BundleFile) -> Result<(Option<Stamp>, bool), Fault> {
        let path = self.dir.join(&file.path);
        let meta = path.symlink_metadata().map_err(|e| classify_error(&e))?;
        match (meta.is_file(), meta.len() == file.size, meta.permissions().mode() & 0o100 != 0) {
            (false, ..) => return Err(Fault::NotAFile),
            (_, false, _) => return Err(Fault::Size { expected: file.size, found: meta.len() }),
            (_, _, false) if file.executable => return Err(Fault::NotExecutable),
            _ => {}
        }
        if let Some(stamp) = self.old.get(&file.path).filter(|old| old.sha256 == file.sha256 && old.matches(&meta)) {
            self.report_progress(file.size);
            return Ok((Some(stamp.clone()), false));
        }
        let settled = Stamp::is_settled(&meta);
        let opened = File::open(&path).map_err(|e| classify_error(&e))?;
        let found =
            digest::hash_reader(&opened, &|bytes| self.report_progress(bytes)).map_err(|e| classify_error(&e))?;
        if found != file.sha256 {
            return Err(Fault::Checksum { expected: file.sha256.clone(), found });
        }
        let stamp = Stamp::new(&meta, found);
        // The file may have been changed or replaced while it was read.
        let unchanged = stamp.matches(&opened.metadata().map_err(|e| classify_error(&e))?);
        Ok(((settled && unchanged).then_some(stamp), true))
    }

    fn report_progress(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Relaxed) + bytes;
        (self.progress)(Progress { done, total: self.total });
    }
}

fn classify_error(error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Fault::Missing,
        _ => Fault::Unreadable(error.to_string()),
    }
}

/// Directories whose files are run or loaded by name.
const PROGRAM_DIRECTORIES: [&str; 3] = ["bin", "cni", "lib"];

/// Files in the directories of programs that the manifest does not list: they would be found by name and run.
pub(crate) fn find_unexpected(dir: &Path, files: &[BundleFile]) -> Vec<BadFile> {
    let listed: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let mut extra = Vec::new();
    let mut directories = PROGRAM_DIRECTORIES.map(str::to_owned).to_vec();
    while let Some(directory) = directories.pop() {
        let entries = match dir.join(&directory).read_dir() {
            Ok(entries) => entries,
            // A missing directory is reported through its missing files.
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => {
                extra.push(BadFile { path: directory, fault: Fault::Unreadable(e.to_string()) });
                continue;
            }
        };
        for entry in entries.flatten() {
            let path = format!("{directory}/{}", entry.file_name().to_string_lossy());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                directories.push(path);
            } else if !listed.contains(path.as_str()) {
                extra.push(BadFile { path, fault: Fault::Unexpected });
            }
        }
    }
    extra
}
