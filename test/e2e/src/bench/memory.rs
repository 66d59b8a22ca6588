//! Memory of the parent and the child together.

use anyhow::{Context, Result};
use serde::Serialize;
use std::fs;

use crate::command::processes::Process;
use crate::testbed::host::Host;

/// MiB of both processes.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Memory {
    /// Resident; pages that both have count twice.
    pub(super) rss: f64,
    /// Proportional; they count once.
    pub(super) pss: f64,
    /// Neither a file's nor shared.
    pub(super) anonymous: f64,
}

/// Of the node that runs on the host.
pub(super) fn of(host: &Host) -> Result<Memory> {
    let all = host.processes()?;
    let ours = |p: &&Process| p.program() == "usernetes-rs" && p.command.get(1).is_some_and(|word| word == "daemon");
    let parent = all.iter().find(ours).context("no parent runs")?;
    let child = all.iter().find(|p| p.parent == parent.pid && p.program() != "slirp4netns").context("no child runs")?;
    let (parent, child) = (rollup(parent.pid)?, rollup(child.pid)?);
    Ok(Memory {
        rss: parent.rss + child.rss,
        pss: parent.pss + child.pss,
        anonymous: parent.anonymous + child.anonymous,
    })
}

fn rollup(pid: i32) -> Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let mib = |field: &str| -> Result<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(field)).with_context(|| format!("no {field}"))?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
    };
    Ok(Memory { rss: mib("Rss:")?, pss: mib("Pss:")?, anonymous: mib("Anonymous:")? })
}
