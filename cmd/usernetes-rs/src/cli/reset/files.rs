//! Removes a node's files: only what this program wrote, by names and marks. All else is left, and named.

use crate::errors::Hinted;
use crate::session::Session;
use anyhow::{Result, bail};
use std::fs::{Metadata, read_dir};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use usernetes_api::Paths;
use usernetes_host::fs::Context as _;

/// Name of the kept subordinate ids.
const SUBIDS: &str = "subids.json";
/// Name of the only file of a runtime directory.
const SOCKET: &str = "control.sock";

/// The state directory of a node, as it was found.
#[derive(Debug)]
pub(super) struct StateDirectory {
    /// The directory, or the link to it.
    path: PathBuf,
    /// The directory itself.
    target: PathBuf,
    /// What this program wrote, in the order of removal.
    ours: Vec<PathBuf>,
    /// Everything else, and directories of ours that are links to another place.
    others: Vec<PathBuf>,
}

impl StateDirectory {
    /// Looks at `path`; `None` if nothing is there. An error if it is not a state directory of this user's node.
    pub(super) fn inspect(path: &Path) -> Result<Option<Self>> {
        let Some(found) = metadata(path)? else { return Ok(None) };
        let target = if found.is_symlink() { follow(path)? } else { path.to_owned() };
        let meta = target.metadata().context("read", &target)?;
        if !meta.is_dir() {
            return Err(refuse(path, "it is not a directory"));
        }
        if !is_ours(&meta) {
            return Err(refuse(path, &format!("{} belongs to user {}", target.display(), meta.uid())));
        }
        let mut state = Self { path: path.to_owned(), target, ours: Vec::new(), others: Vec::new() };
        state.read_entries()?;
        if !state.ours.is_empty() || !state.others.is_empty() {
            state.require_marks()?;
        }
        Ok(Some(state))
    }

    fn read_entries(&mut self) -> Result<()> {
        for entry in read_dir(&self.target).context("list", &self.target)? {
            let entry = entry.context("list", &self.target)?;
            let ours = entry.file_name().to_str().is_some_and(Paths::is_state_entry);
            let list = if ours { &mut self.ours } else { &mut self.others };
            list.push(entry.path());
        }
        self.ours.sort_by_key(|path| {
            let place = Paths::STATE_ENTRIES.iter().position(|name| path.ends_with(name));
            place.map_or(0, |place| place + 1)
        });
        self.others.sort();
        Ok(())
    }

    fn require_marks(&self) -> Result<()> {
        for name in Paths::STATE_MARKS {
            if metadata(&self.target.join(name))?.is_some_and(|meta| meta.is_file() && is_ours(&meta)) {
                return Ok(());
            }
        }
        let marks = Paths::STATE_MARKS.join(", ");
        Err(refuse(&self.path, &format!("it has none of the files by which a node is known ({marks})")))
    }

    /// Removes what is ours, then the directory if nothing else is in it. Returns what a user should know.
    fn remove(self) -> Result<Vec<String>> {
        let links = self.linked_directories()?;
        if !links.is_empty() {
            let links: Vec<_> = links.iter().map(|link| link.display().to_string()).collect();
            return Err(Hinted::new(
                format!(
                    "nothing of {} was removed: these are links to other places: {}",
                    self.target.display(),
                    links.join(", ")
                ),
                "remove what they lead to, and the links",
            )
            .into());
        }
        let is_mark = |path: &PathBuf| Paths::STATE_MARKS.iter().any(|mark| path.ends_with(mark));
        // Marks and the kept ids stay until everything else is gone: reset can be repeated.
        let (last, first): (Vec<_>, Vec<_>) =
            self.ours.iter().cloned().partition(|path| is_mark(path) || *path == self.target.join(SUBIDS));
        usernetes_rootless::remove_all(&first)?;
        usernetes_rootless::remove_all(&last)?;
        if !self.others.is_empty() {
            let names: Vec<_> = self.others.iter().map(|path| path.display().to_string()).collect();
            bail!("left what usernetes-rs did not write: {}", names.join(", "));
        }
        let mut notes = Vec::new();
        let emptied = remove_emptied(&self.target)?;
        if !emptied {
            notes.push(format!("the empty directory {} stays: it cannot be removed", self.target.display()));
        }
        if self.path != self.target {
            std::fs::remove_file(&self.path).context("remove", &self.path)?;
            notes.push(format!(
                "{} was a link: removed the node's files in {}",
                self.path.display(),
                self.target.display()
            ));
        }
        Ok(notes)
    }

    /// Directories of the node that are links. Removing them would leave keys and data where they lead.
    fn linked_directories(&self) -> Result<Vec<PathBuf>> {
        let mut links = Vec::new();
        let inside = Paths::PERSISTENT.iter().flat_map(|path| Path::new(path).ancestors());
        let inside = inside.filter_map(|path| path.strip_prefix("/").ok()).map(|path| Path::new("node").join(path));
        for directory in ["log", "bin", "bundle"].into_iter().map(PathBuf::from).chain(inside) {
            let path = self.target.join(directory);
            // "node/" would be followed.
            let path: PathBuf = path.components().collect();
            // Below a link everything is elsewhere.
            if !links.iter().any(|link| path.starts_with(link))
                && metadata(&path)?.is_some_and(|meta| meta.is_symlink())
            {
                links.push(path);
            }
        }
        links.sort();
        links.dedup();
        Ok(links)
    }
}

/// Removes the runtime directories and the state directory. Files of pods and containers belong to subordinate ids: they are
/// removed as root of a user namespace that maps them.
pub(super) fn remove(session: &Session) -> Result<()> {
    let paths = session.paths();
    let mut left = Vec::new();
    // The node may have been started with another runtime directory than this command's.
    let linked = std::fs::read_link(paths.running()).ok();
    let mut directories: Vec<_> = linked.into_iter().chain([paths.runtime()]).collect();
    directories.dedup();
    for directory in directories.iter().filter(|directory| **directory != paths.state()) {
        if let Err(error) = remove_runtime(paths, directory) {
            left.push(format!("left {}: {error:#}", directory.display()));
        }
    }
    match StateDirectory::inspect(&paths.state())?.map(StateDirectory::remove).transpose() {
        Ok(notes) => notes.into_iter().flatten().for_each(|note| session.printer.note(&format!("[reset] {note}"))),
        Err(error) if left.is_empty() => return Err(error),
        Err(error) => left.push(format!("{error:#}")),
    }
    if left.is_empty() { Ok(()) } else { bail!("{}", left.join("; ")) }
}

/// Removes a runtime directory of this cluster: the socket, then the directory. Anything else is an error, and stays.
fn remove_runtime(paths: &Paths, directory: &Path) -> Result<()> {
    let Some(meta) = metadata(directory)? else { return Ok(()) };
    if !paths.is_runtime_name(directory) {
        bail!("it is not named usernetes/{}, as runtime directories of this cluster are", paths.cluster);
    }
    if !meta.is_dir() || !is_ours(&meta) || meta.mode() & 0o777 != 0o700 {
        bail!("it is not a directory of this user with mode 0700, as runtime directories are");
    }
    for entry in read_dir(directory).context("list", directory)? {
        let entry = entry.context("list", directory)?;
        if entry.file_name() != SOCKET || !entry.file_type().context("read", entry.path())?.is_socket() {
            bail!("{} is not of usernetes-rs", entry.path().display());
        }
    }
    usernetes_host::fs::remove_if_exists(directory.join(SOCKET))?;
    Ok(std::fs::remove_dir(directory).context("remove", directory)?)
}

/// Removes an empty directory; `false` if it is a mount point or its parent is not writable.
fn remove_emptied(directory: &Path) -> Result<bool> {
    match std::fs::remove_dir(directory) {
        Ok(()) => Ok(true),
        Err(e) if matches!(e.kind(), ErrorKind::ResourceBusy | ErrorKind::PermissionDenied) => Ok(false),
        Err(e) => Err(e).context("remove", directory).map_err(Into::into),
    }
}

fn follow(link: &Path) -> Result<PathBuf> {
    link.canonicalize().map_err(|source| {
        let target = std::fs::read_link(link).unwrap_or_default();
        let message = format!("{} is a link to {}, which cannot be opened", link.display(), target.display());
        Hinted::new(message, format!("mount its disk; or, if it is gone for good, rm {}", link.display()))
            .caused_by(source)
    })
}

fn refuse(path: &Path, reason: &str) -> anyhow::Error {
    let path = path.display();
    let message = format!("{path} is not the state directory of a node, so nothing was removed: {reason}");
    Hinted::new(message, format!("look at it (ls -la {path}/), and remove it by hand if it is not needed")).into()
}

fn is_ours(meta: &Metadata) -> bool {
    meta.uid() == nix::unistd::geteuid().as_raw()
}

/// Of the path itself, where links are not followed; `None` if nothing is there.
fn metadata(path: &Path) -> Result<Option<Metadata>> {
    match path.symlink_metadata() {
        Ok(meta) => Ok(Some(meta)),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(e).context("read", path).map_err(Into::into),
    }
}

#[cfg(test)]
mod tests;
