//! Proxy variables: systemd starts the node without those of the shell that asked for it, and at boot there is no shell.

use super::remembered;
use anyhow::Result;
use usernetes_api::{EnvVar, Paths};
use usernetes_host::{env, fs};

/// Remembers the variables of the shell that starts the node. Not in its unit, which all may read: a proxy's URL may hold a
/// password.
pub(super) fn keep(paths: &Paths) -> Result<()> {
    Ok(fs::write(paths.proxies(), serde_json::to_vec(&ours())?, fs::Mode::Secret)?)
}

/// Those of the last start by hand; our own where it had none, for the user's manager may have been given some.
pub(super) fn kept(paths: &Paths) -> Result<Vec<EnvVar>> {
    let kept = remembered(&paths.proxies())?;
    Ok(if kept.is_empty() { ours() } else { kept })
}

fn ours() -> Vec<EnvVar> {
    env::proxy_variables().into_iter().map(|(name, value)| EnvVar { name, value }).collect()
}
