//! Keeps a bundle from a directory or an archive; it appears whole and verified, or not at all.

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

/// Prefix of directories in which a bundle is being put together.
const HALF_MADE: &str = ".import-";

/// A bundle that was imported.
#[derive(Debug)]
pub struct Imported {
    /// Where it is kept.
    pub bundle: Bundle,
    /// What was verified.
    pub verified: Verified,
    /// Whether it was there before, good, and was left as it is.
    pub kept: bool,
}

/// Imports from a directory, an archive (tar, alone or in gzip or zstd) or, for `-`, an archive on standard input.
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
        // Linking again would change ctime, and with it every stamp.
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

/// The directory of imported bundles while one is added; others wait.
pub(crate) struct Staging {
    bundles: PathBuf,
    _lock: File,
}

impl Staging {
    /// Waits for its turn and removes what a killed import left.
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

    /// A new directory on the same file system, removed when dropped.
    pub(crate) fn new_directory(&self) -> Result<TempDir, BundleError> {
        let made = tempfile::Builder::new().prefix(HALF_MADE).tempdir_in(&self.bundles);
        Ok(made.context("make directory in", &self.bundles)?)
    }

    /// Verifies the bundle in `root` and moves it to its place; `source` is for messages.
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

    /// The same bundle, where it was imported before and is still good; it becomes the newest.
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

    fn target_path(&self, bundle: &Bundle) -> PathBuf {
        self.bundles.join(bundle.directory_name())
    }

    /// Moves `from` to `place`; a damaged bundle of that name gives way.
    fn move_to(&self, from: &Path, place: &Path) -> Result<(), BundleError> {
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

/// Makes a bundle the one that `locate` takes.
fn update_mtime(place: &Path) -> Result<(), BundleError> {
    let touched = File::open(place).and_then(|dir| dir.set_modified(SystemTime::now()));
    Ok(touched.context("touch", place)?)
}

/// Takes the listed files of a bundle into `to`, and nothing else.
fn link_files(bundle: &Bundle, to: &Path) -> Result<(), BundleError> {
    let files = &bundle.manifest().files;
    let extra = find_unexpected(bundle.dir(), files);
    if !extra.is_empty() {
        return Err(BundleError::Damaged { dir: bundle.dir().to_owned(), files: extra });
    }
    for path in files.iter().map(|file| file.path.as_str()) {
        let (from, target) = (bundle.dir().join(path), to.join(path));
        create_dir(target.parent().unwrap_or(to))?;
        // A file that is missing or no file is left out here, and verification tells of all of them.
        if from.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
            link_or_copy(&from, &target).context("copy", &from)?;
        }
    }
    // The manifest last and always as a copy: it is what everything else is checked against.
    std::fs::copy(bundle.dir().join(MANIFEST), to.join(MANIFEST)).context("copy", bundle.dir().join(MANIFEST))?;
    Ok(())
}

/// A hard link where no other user may write the file; else a copy, which is a reflink where the file system has them.
fn link_or_copy(from: &Path, to: &Path) -> std::io::Result<()> {
    let meta = from.metadata()?;
    let ours = meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o022 == 0;
    if ours && std::fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    std::fs::copy(from, to).map(drop)
}
