//! Subordinate ids: files of the node belong to them, so a node starts with those that it was made with only.

use crate::{DaemonError, Instance};
use usernetes_api::Paths;
use usernetes_host::fs;
use usernetes_rootless::{IdMaps, SubIds};

impl Instance {
    /// Whether the user still has the subordinate ids of this node: an error if not, `false` before a node was started.
    pub fn check_subids(&self) -> Result<bool, DaemonError> {
        let Some(kept) = read(&self.paths)? else { return Ok(false) };
        let ids = SubIds::current()?;
        let now = ids.maps();
        if kept.are_kept_by(&now) {
            return Ok(true);
        }
        Err(DaemonError::SubIdsChanged {
            flag: self.cluster_flag(),
            entries: kept.entries(&ids.user),
            old: kept.describe(),
            new: now.describe(),
            user: ids.user,
        })
    }
}

/// Keeps the ids of a node that starts.
pub(crate) fn keep(paths: &Paths) -> Result<(), DaemonError> {
    let json = serde_json::to_vec(&SubIds::current()?.maps()).expect("plain data");
    Ok(fs::write(paths.subids(), json, fs::Mode::Secret)?)
}

fn read(paths: &Paths) -> Result<Option<IdMaps>, DaemonError> {
    let path = paths.subids();
    let Some(text) = fs::read_if_exists(&path)? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|source| DaemonError::DamagedList { path, source })
}
