//! Deletes files of subordinate ids, which the user cannot delete without their user namespace.

use crate::protocol::{Outcome, Socket};
use crate::userns::{self, IdMapError, Stage, StageError, SubIds, UsernsError, become_root, run_report_stage};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A path could not be deleted.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// Subordinate ids could not be found.
    #[error(transparent)]
    IdMap(#[from] IdMapError),
    /// No user namespace could be made.
    #[error("cannot make a user namespace")]
    Namespace(#[from] UsernsError),
    /// A path could not be deleted.
    #[error("cannot delete {}: {message}", path.display())]
    Path {
        /// Path.
        path: PathBuf,
        /// Error in words.
        message: String,
    },
}

impl RemoveError {
    /// How to resolve the error, if there is a known way.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::IdMap(error) | Self::Namespace(UsernsError::IdMap(error)) => error.hint(),
            Self::Namespace(_) | Self::Path { .. } => None,
        }
    }
}

/// Deletes files and directories recursively, as root of a user namespace with the user's id maps.
/// A path that does not exist is no error. Every path is tried; the first failure is returned.
pub fn remove_all(paths: &[PathBuf]) -> Result<(), RemoveError> {
    let present: Vec<_> = paths.iter().map(PathBuf::as_path).filter(|path| path.symlink_metadata().is_ok()).collect();
    if present.is_empty() {
        return Ok(());
    }
    let ids = SubIds::current()?;
    let outcomes = userns::collect_report(Stage::Remove, &ids, &present)?;
    let failure = outcomes.into_iter().find_map(|o| Some((o.what.into(), o.failure?)));
    failure.map_or(Ok(()), |(path, message)| Err(RemoveError::Path { path, message }))
}

pub(crate) fn run_stage() -> ExitCode {
    run_report_stage(remove_paths)
}

fn remove_paths(socket: &Socket) -> Result<Vec<Outcome>, StageError> {
    become_root(socket)?;
    Ok(std::env::args_os().skip(2).filter_map(|path| failed_outcome(Path::new(&path))).collect())
}

/// The outcome of deleting a path, if that failed.
fn failed_outcome(path: &Path) -> Option<Outcome> {
    let failure = remove_path(path).err()?.to_string();
    Some(Outcome { what: path.to_string_lossy().into_owned(), failure: Some(failure) })
}

/// Removes everything of a path that can be removed.
fn remove_path(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.is_dir() {
        return fs::remove_file(path);
    }
    let removed = fs::remove_dir_all(path);
    if removed.is_err() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            let _ = remove_path(&entry.path());
        }
    }
    removed
}
