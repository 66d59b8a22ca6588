//! The node's two processes: the parent (`usernetes-rs daemon`) and the payload of the child, PID 1 inside.

pub(crate) mod address;
mod bundle;
mod dns;
mod overlay;
pub(crate) mod parent;
mod payload;
mod peers;
pub(crate) mod pod_ids;
pub(crate) mod ports;
pub(crate) mod process;
mod proxies;
mod spec;
mod watch;

pub(crate) use payload::{Request, payload};

use anyhow::{Context as _, Result};
use serde::de::DeserializeOwned;
use std::path::Path;
use usernetes_host::fs;

/// A list that was written down for the node's next start; empty where none was.
fn remembered<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let Some(text) = fs::read_if_exists(path)? else { return Ok(Vec::new()) };
    serde_json::from_str(&text)
        .with_context(|| format!("{} is damaged; remove it to start without them", path.display()))
}
