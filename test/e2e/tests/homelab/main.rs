//! `hack/homelab` from an administrator's machine, over real ssh, to the hosts of a cluster.

mod life;
mod ssh;

use anyhow::{Context, Result};
use std::process::ExitCode;
use usernetes_e2e::{Host, Machine, Output, Requirement, Scenario, Testbed, main as suite};

const NEEDS: [Requirement; 4] =
    [Requirement::Hosts, Requirement::Program, Requirement::Bundle, Requirement::Command("init")];
/// For a copy of the bundle and `init`, or the join of all, on a loaded machine.
const PATIENCE: u64 = 900;

fn main() -> ExitCode {
    let scenarios = vec![
        Scenario::own("inventory_mistakes", 1, &[Requirement::Hosts, Requirement::Program], inventory_mistakes),
        Scenario::own("life_of_a_homelab", 4, &NEEDS, life::of_a_homelab),
    ];
    suite("homelab", scenarios, None)
}

/// Runs it on the laptop with this program and the bundle under test.
fn homelab(laptop: &Host, verb: &str, arguments: &[&str]) -> Result<Output> {
    let fixed = ["bash", "homelab/homelab", verb, "--bin", "/usr/local/bin/usernetes-rs", "--bundle", "/srv/bundle"];
    laptop.run(&[&fixed, arguments].concat()).without("XDG_RUNTIME_DIR").limit(PATIENCE).output()
}

fn inventory_mistakes(testbed: &Testbed) -> Result<()> {
    const CODE: i32 = 3;
    let laptop = testbed.hosts().first().context("no laptop")?;
    let first = "one role=control-plane\n";
    for (inventory, texts) in [
        ("", &["no host has role=control-plane"][..]),
        ("# one role=control-plane\n", &["no host has role=control-plane"]),
        ("one role=control-plane\ntwo role=control-plane\n", &["line 2", "one is the control plane already"]),
        ("one role=boss\n", &["line 1", "role=boss"]),
        ("one role=control-plane\none\n", &["line 2", "twice"]),
        ("One role=control-plane\n", &["One", "a-z"]),
        ("one role=control-plane ssh=a@b@c\n", &["ssh=a@b@c"]),
        ("one role=control-plane ssh=-oProxyCommand=reboot\n", &["[USER@]HOST[:PORT]"]),
        ("one role=control-plane labels=a=$(reboot)\n", &["labels=a=$(reboot)"]),
        ("one role=control-plane labels=a=b;reboot\n", &["KEY=VALUE"]),
        ("one role=control-plane taints=a=b\n", &["EFFECT"]),
        ("one role=control-plane ip=eth0\n", &["ip=eth0"]),
    ] {
        ssh::bring_scripts(laptop, inventory)?;
        homelab(laptop, "status", &[])?.exits(CODE)?.says(texts)?;
    }
    ssh::bring_scripts(laptop, first)?;
    homelab(laptop, "status", &["--only", "two"])?.exits(64)?.says(&["--only two", "one"])?;
    homelab(laptop, "status", &["--inventory", "/nowhere"])?.exits(CODE)?.says(&["example.hosts", "--inventory"])?;
    homelab(laptop, "down", &[])?.exits(64)?.says(&["--yes"])?;
    homelab(laptop, "sideways", &[])?.exits(64)?.says(&["usage"])?;
    // The example is an inventory, and no host has its addresses.
    let example = homelab(laptop, "status", &["--inventory", "homelab/example.hosts"])?.exits(1)?;
    example.says(&["attic", "cellar", "shed", "3 of 3 hosts failed", "without a password"]).map(drop)
}
