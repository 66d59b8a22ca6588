//! Imports a bundle from a directory or an archive. It appears complete and verified, or not at all.

use super::verified::{self, Stamps};
use super::verify::find_unexpected;
use super::{Bundle, BundleError, Check, MANIFEST, Progress, Verified, unpack};
use rustix::fs::FlockOperation;
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tempfile::TempDir;
use usernetes_host::fs::{self, Context as _, create_dir};

/// Prefix of the temporary directories of imports.
const HALF_MADE: &str = ".import-";

/// A bundle that was imported.
#[derive(Debug)]
pub struct Imported {
    /// The imported bundle.
    pub bundle: Bundle,
    /// Number and size of the verified files.
    pub verified: Verified,
    /// Whether the same bundle had been imported before and was kept.
    pub kept: bool,
}

/// Imports a bundle into the directory `bundles`. `source` is a directory, an archive (tar, plain or compressed by gzip or
/// zstd) or `-` for an archive on standard input; `cache` is the directory of stamps. Waits for imports of other processes.
pub fn import(
    source: &Path,
    bundles: &Path,
    cache: &Path,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Imported, BundleError> {
    let staging = Staging::open(bundles)?;
    let half_made = staging.new_directory()?;
    let root = if source.is_dir() {
        let bundle = Bundle::open(source)?;
        // Linking again would change the ctime of every file and invalidate its stamp.
        if let Some(imported) = staging.find_imported(&bundle, cache, progress)? {
            return Ok(imported);
        }
        link_files(&bundle, half_made.path())?;
        half_made.path().to_owned()
    } else if source == Path::new(unpack::STDIN) || source.exists() {
        let stream = unpack::open_archive(source).context("read", source)?;
        unpack::unpack_bundle(source, stream, half_made.path())?
    } else {
        return Err(BundleError::Missing(source.to_owned()));
    };
    staging.publish(&root, source, cache, progress)
}

/// The directory of imported bundles, locked while a bundle is added.
pub(crate) struct Staging {
    bundles: PathBuf,
    _lock: File,
}

impl Staging {
    /// Waits for the lock and removes the temporary directories of killed imports.
    pub(crate) fn open(bundles: &Path) -> Result<Self, BundleError> {
        create_dir(bundles)?;
        let lock = bundles.join(".lock");
        let file = File::options().create(true).append(true).open(&lock).context("open", &lock)?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive).map_err(Into::into).context("lock", &lock)?;
        for entry in bundles.read_dir().context("list", bundles)?.flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(HALF_MADE.as_bytes()) {
                std::fs::remove_dir_all(entry.path()).context("remove", entry.path())?;
            }
        }
        Ok(Self { bundles: bundles.canonicalize().context("open", bundles)?, _lock: file })
    }

    /// A new temporary directory on the same file system, removed when dropped.
    pub(crate) fn new_directory(&self) -> Result<TempDir, BundleError> {
        let made = tempfile::Builder::new().prefix(HALF_MADE).tempdir_in(&self.bundles);
        Ok(made.context("make directory in", &self.bundles)?)
    }

    /// Verifies the bundle in `root` and moves it to its final path; `source` is for messages.
    pub(crate) fn publish(
        &self,
        root: &Path,
        source: &Path,
        cache: &Path,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Imported, BundleError> {
        let bundle = Bundle::open(root)?;
        if let Some(imported) = self.find_imported(&bundle, cache, progress)? {
            return Ok(imported);
        }
        let (verified, stamps) =
            bundle.compare_files(&Stamps::new(), progress).map_err(|error| name_source(error, source))?;
        let place = self.target_path(&bundle);
        self.move_to(bundle.dir(), &place)?;
        verified::save_stamps(cache, &place, &stamps);
        Ok(Imported { bundle: Bundle::open(&place)?, verified, kept: false })
    }

    /// The earlier import of the same bundle, if it is still valid. It becomes the latest import.
    pub(crate) fn find_imported(
        &self,
        bundle: &Bundle,
        cache: &Path,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Option<Imported>, BundleError> {
        let place = self.target_path(bundle);
        let Ok(bundle) = Bundle::open(&place) else { return Ok(None) };
        let Ok(verified) = bundle.verify(cache, Check::Changed, progress) else { return Ok(None) };
        update_mtime(&place)?;
        Ok(Some(Imported { bundle, verified, kept: true }))
    }

    pub(crate) fn target_path(&self, bundle: &Bundle) -> PathBuf {
        self.bundles.join(bundle.directory_name())
    }

    /// Moves `from` to `place` and removes a damaged bundle there.
    pub(crate) fn move_to(&self, from: &Path, place: &Path) -> Result<(), BundleError> {
        fs::sync_all(from)?;
        let old = self.new_directory()?;
        if place.exists() {
            std::fs::rename(place, old.path().join("old")).context("move away", place)?;
        }
        std::fs::rename(from, place).context("make", place)?;
        update_mtime(place)
    }
}

/// Damaged files are reported for the source, not for the temporary directory.
fn name_source(error: BundleError, source: &Path) -> BundleError {
    match error {
        BundleError::Damaged { files, .. } => BundleError::Damaged { dir: source.to_owned(), files },
        other => other,
    }
}

/// Makes a bundle the latest import, which [`super::find_version`] prefers.
fn update_mtime(place: &Path) -> Result<(), BundleError> {
    let touched = File::open(place).and_then(|dir| dir.set_modified(SystemTime::now()));
    Ok(touched.context("touch", place)?)
}

/// Links or copies the listed files of a bundle into `to`, and no others.
pub(crate) fn link_files(bundle: &Bundle, to: &Path) -> Result<(), BundleError> {
    let files = &bundle.manifest().files;
    let extra = find_unexpected(bundle.dir(), files);
    if !extra.is_empty() {
        return Err(BundleError::Damaged { dir: bundle.dir().to_owned(), files: extra });
    }
    for path in files.iter().map(|file| file.path.as_str()) {
        let (from, target) = (bundle.dir().join(path), to.join(path));
        create_dir(target.parent().unwrap_or(to))?;
        // Missing files are left out here; verification reports all of them.
        if from.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
            link_or_copy(&from, &target).context("copy", &from)?;
        }
    }
    // The manifest last, and always as a copy: all other files are checked against it.
    std::fs::copy(bundle.dir().join(MANIFEST), to.join(MANIFEST)).context("copy", bundle.dir().join(MANIFEST))?;
    Ok(())
}

/// Makes a hard link if no other user may write the file, else a copy (a reflink if the file system supports it).
fn link_or_copy(from: &Path, to: &Path) -> std::io::Result<()> {
    let meta = from.metadata()?;
    let ours = meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o022 == 0;
    if ours && std::fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    std::fs::copy(from, to).map(drop)
}
