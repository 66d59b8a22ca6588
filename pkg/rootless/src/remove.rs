//! Deleting what belongs to subordinate ids, which the user alone may not.

use crate::protocol::Socket;
use crate::protocol::{Outcome, ToParent, unexpected};
use crate::userns::Stage;
use crate::userns::{self, StageError, become_root, report};
use crate::userns::{IdMapError, SubIds};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Something could not be deleted.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// Subordinate ids.
    #[error(transparent)]
    IdMap(#[from] IdMapError),
    /// No user namespace could be made.
    #[error("cannot make a user namespace: {message}")]
    Namespace {
        /// Why.
        message: String,
    },
    /// A path.
    #[error("cannot delete {}: {message}", path.display())]
    Path {
        /// Which.
        path: PathBuf,
        /// Why.
        message: String,
    },
}

/// Deletes files and folders with everything in them, as root of a user namespace with the user's maps.
/// Paths that are not there are no error; every path is tried, the first failure is returned.
pub fn remove_all(paths: &[PathBuf]) -> Result<(), RemoveError> {
    let present: Vec<_> = paths.iter().map(PathBuf::as_path).filter(|path| path.symlink_metadata().is_ok()).collect();
    if present.is_empty() {
        return Ok(());
    }
    let failed = |e: &dyn std::fmt::Display| RemoveError::Namespace { message: e.to_string() };
    let ids = SubIds::current()?;
    let (mut stage, socket) = userns::start(Stage::Remove, &ids, &present).map_err(|e| failed(&e))?;
    let report = socket.recv();
    stage.wait().map_err(|e| failed(&e))?;
    let outcomes = match report.map_err(|e| failed(&e))?.0 {
        ToParent::Report(outcomes) => outcomes,
        other => return Err(failed(&unexpected("a report", &other))),
    };
    let failure = outcomes.into_iter().find_map(|o| Some((o.what.into(), o.failure?)));
    failure.map_or(Ok(()), |(path, message)| Err(RemoveError::Path { path, message }))
}

pub(crate) fn main() -> ExitCode {
    report(run)
}

fn run(socket: &Socket) -> Result<Vec<Outcome>, StageError> {
    become_root(socket)?;
    let failed = |path: PathBuf| {
        let failure = remove(&path).err()?.to_string();
        Some(Outcome { what: path.to_string_lossy().into_owned(), failure: Some(failure) })
    };
    Ok(std::env::args_os().skip(2).map(PathBuf::from).filter_map(failed).collect())
}

fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}
