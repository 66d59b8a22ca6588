//! The bundle that a node runs, below its state directory: a cache may be emptied at any time, and another import may follow.

use super::import::{Staging, link_files};
use super::verified::{self, Stamp, Stamps};
use super::{Bundle, BundleError, list_bundles};
use std::path::{Path, PathBuf};
use std::time::Duration;
use usernetes_api::Paths;
use usernetes_host::fs::Context as _;

/// Longer than the tick of a file's time: what changes a file later changes its ctime.
const SETTLED: Duration = Duration::from_millis(25);

/// The bundle below the state directory of a node that was started; `None` before.
pub(crate) fn pinned_bundle(paths: &Paths) -> Option<Bundle> {
    list_bundles(&paths.pinned_bundles()).ok()?.into_iter().find_map(|found| found.bundle.ok())
}

/// The directory of a bundle's stamps: beside the bundle of a node, else among the imported bundles.
pub fn stamps_directory(bundle: &Bundle, paths: &Paths) -> PathBuf {
    let pinned = paths.pinned_bundles();
    if is_below(bundle.dir(), &pinned) { pinned } else { paths.bundles() }
}

/// Puts a verified bundle below the state directory if it lies among the imported ones, and removes another one there. A
/// directory that the user named stays where it is. Only while the node does not run.
///
/// Files are hard links where the file system allows it, else reflinks or copies.
pub fn pin_bundle(bundle: Bundle, paths: &Paths) -> Result<Bundle, BundleError> {
    let (bundles, pinned) = (paths.bundles(), paths.pinned_bundles());
    if !is_below(bundle.dir(), &bundles) {
        return Ok(bundle);
    }
    let staging = Staging::open(&pinned)?;
    let half_made = staging.new_directory()?;
    let mut stamps = verified::load_stamps(&bundles, bundle.dir());
    stamps.retain(|path, stamp| bundle.dir().join(path).symlink_metadata().is_ok_and(|meta| stamp.matches(&meta)));
    link_files(&bundle, half_made.path())?;
    restamp_links(&mut stamps, bundle.dir(), half_made.path());
    verified::save_stamps(&bundles, bundle.dir(), &stamps);
    let (_, stamps) = Bundle::open(half_made.path())?.compare_files(&stamps, &|_| {})?;
    let place = staging.target_path(&bundle);
    staging.move_to(half_made.path(), &place)?;
    verified::save_stamps(&pinned, &place, &stamps);
    for other in list_bundles(&pinned)?.into_iter().filter(|other| other.dir.file_name() != place.file_name()) {
        std::fs::remove_dir_all(&other.dir).context("remove", &other.dir)?;
    }
    Bundle::open(place)
}

/// Removes the bundle of a node that does not run.
pub fn unpin_bundle(paths: &Paths) -> Result<(), BundleError> {
    let pinned = paths.pinned_bundles();
    match std::fs::remove_dir_all(&pinned) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e).context("remove", pinned).map_err(Into::into),
        _ => Ok(()),
    }
}

/// Renews the stamps of files that have just been linked: a link changes the ctime of a file, and nothing else.
fn restamp_links(stamps: &mut Stamps, from: &Path, to: &Path) {
    std::thread::sleep(SETTLED);
    stamps.retain(|path, stamp| {
        let (Ok(old), Ok(new)) = (from.join(path).symlink_metadata(), to.join(path).symlink_metadata()) else {
            return false;
        };
        if stamp.matches(&old) {
            // A copy, which is hashed.
            return true;
        }
        let is_linked = stamp.matches_but_ctime(&old) && stamp.matches_but_ctime(&new);
        *stamp = Stamp::new(&old, std::mem::take(&mut stamp.sha256));
        is_linked
    });
}

fn is_below(path: &Path, directory: &Path) -> bool {
    directory.canonicalize().is_ok_and(|directory| path.starts_with(directory))
}
