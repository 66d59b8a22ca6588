//! Lists in the state directory that outlive a stop of the node.

pub mod pod_data;
pub mod ports;
pub(crate) mod proxies;
pub(crate) mod subids;

use crate::DaemonError;
use serde::de::DeserializeOwned;
use std::path::Path;
use usernetes_host::fs;

/// The list in the file at `path`; empty when there is no file.
fn read_list<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, DaemonError> {
    let Some(text) = fs::read_if_exists(path)? else { return Ok(Vec::new()) };
    serde_json::from_str(&text).map_err(|source| DaemonError::DamagedList { path: path.into(), source })
}
