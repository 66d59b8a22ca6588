//! Hosts, accounts and files as people really have them; each scenario is a bug report of this field.

mod addresses;
mod data;
mod files;
mod identity;
mod images;
mod inherited;
mod names;
mod storage;
mod waits;

use anyhow::Result;
use std::process::ExitCode;
use usernetes_e2e::{Machine, Requirement, SharedCluster, Testbed, main as suite};

/// What a scenario with hosts of its own needs.
const NEEDS: [Requirement; 4] =
    [Requirement::Hosts, Requirement::Program, Requirement::Bundle, Requirement::Command("init")];

fn main() -> ExitCode {
    let scenarios = [
        inherited::scenarios(),
        data::scenarios(),
        identity::scenarios(),
        names::scenarios(),
        addresses::scenarios(),
        waits::scenarios(),
        storage::scenarios(),
        files::scenarios(),
        images::scenarios(),
    ];
    suite(
        "field",
        scenarios.into_iter().flatten().collect(),
        Some(SharedCluster { topology: 2.into(), create: create_cluster }),
    )
}

/// A control plane and a worker, for what leaves them as they were.
fn create_cluster(testbed: &Testbed) -> Result<()> {
    let [first, worker] = testbed.hosts() else { anyhow::bail!("not two hosts") };
    first.init::<&str>(&[]).ok()?;
    let token = first.tool(&["token", "create"]).ok()?.text().to_owned();
    worker.tool(&["join", "--bundle", "/srv/bundle", "-"]).input(token).ok().map(drop)
}
