//! Proxy variables: systemd starts the node without those of the shell, and at boot there is no shell.

use super::read_list;
use crate::DaemonError;
use usernetes_api::{EnvVar, Paths};
use usernetes_host::{env, fs};

/// Keeps the variables of this process for the parent. Not in the unit, which every user may read: the URL of a proxy can
/// hold a password.
pub(crate) fn keep(paths: &Paths) -> Result<(), DaemonError> {
    let json = serde_json::to_vec(&own_variables()).expect("plain data");
    Ok(fs::write(paths.proxies(), json, fs::Mode::Secret)?)
}

/// The variables of the last start by a command; those of this process where that had none, for the user's service manager
/// may have been given some.
pub(crate) fn list(paths: &Paths) -> Result<Vec<EnvVar>, DaemonError> {
    let kept = read_list(&paths.proxies())?;
    Ok(if kept.is_empty() { own_variables() } else { kept })
}

fn own_variables() -> Vec<EnvVar> {
    env::proxy_variables().into_iter().map(|(name, value)| EnvVar { name, value, value_from: None }).collect()
}
