//! Ports that `ports add` has published and `ports remove` has not removed.

use super::read_list;
use crate::DaemonError;
use usernetes_api::{Paths, PortSpec};
use usernetes_host::fs::{self, Mode};
use usernetes_host::lock::Lock;

/// All of them.
pub fn list(paths: &Paths) -> Result<Vec<PortSpec>, DaemonError> {
    read_list(&paths.published_ports())
}

/// Changes the list, under the cluster's lock.
pub fn update(paths: &Paths, change: impl FnOnce(&mut Vec<PortSpec>)) -> Result<(), DaemonError> {
    let _lock = Lock::acquire(paths.lock(), "ports")?;
    let mut ports = list(paths)?;
    change(&mut ports);
    let json = serde_json::to_vec(&ports).expect("plain data");
    Ok(fs::write(paths.published_ports(), json, Mode::Secret)?)
}
