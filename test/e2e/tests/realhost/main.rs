//! Hosts with systemd, delegated cgroups and a kernel of their own. What begins with `core` is one story on one guest, in
//! order; the others take their own guests.

mod boot;
mod limits;
mod session;
mod trouble;
mod two;
mod unit;

use anyhow::{Context, Result};
use serde_json::Value;
use std::process::ExitCode;
use usernetes_e2e::{Crew, Guest, Need, Output, Rig, Scenario, Shared, main as suite};

fn main() -> ExitCode {
    let needs = [Need::Guests, Need::Program, Need::Bundle];
    let core = |name, play| Scenario::raised(name, &needs, play);
    let own = |name, guests, play| Scenario::own(name, Crew::guests(guests), &needs, play);
    let scenarios = vec![
        core("core_init_makes_a_unit", unit::made),
        core("core_limits_hold", limits::hold),
        core("core_hog_is_killed", limits::hog),
        core("core_usage_is_counted", limits::usage),
        core("core_stop_leaves_nothing", unit::stopped),
        core("core_killed_parent_comes_back", unit::parent_killed),
        core("core_hung_parent_comes_back", unit::parent_hung),
        core("core_power_cut", boot::power_cut),
        core("core_reboot", boot::reboot),
        own("without_cpu", 1, session::without_cpu),
        own("without_manager", 1, session::without_manager),
        own("without_linger", 1, session::without_linger),
        own("init_cut", 1, trouble::init_cut),
        own("disk_full", 1, trouble::disk_full),
        own("late_address", 1, trouble::late_address),
        own("join", 2, two::join),
    ];
    suite("realhost", scenarios, Some(Shared { crew: Crew::guests(1), raise }))
}

/// An administrator does what `preflight` prints, and nothing is left to warn about; then a user does the rest.
fn raise(rig: &Rig) -> Result<()> {
    let guest = rig.guest();
    let preflight = ["preflight", "--bundle", "/srv/bundle"];
    let json = [&preflight[..], &["-o", "json"]].concat();
    let findings = guest.tool(&json).ok()?.says(&["Linger", "Inotify", "Keyring"])?.says_not(&["CgroupDelegation"])?;
    for finding in cures(&findings)? {
        cure(guest, &finding)?;
    }
    guest.tool(&preflight).ok()?.says(&["passed"])?.says_not(&["warning"])?;
    guest.init::<&str>(&[]).ok()?.says(&["cgroups delegated", "systemd user unit"])?;
    Ok(())
}

/// The findings of `preflight -o json` that have a cure.
fn cures(preflight: &Output) -> Result<Vec<Value>> {
    let findings = preflight.stdout.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    Ok(findings.into_iter().filter(|finding| finding["cure"].is_string()).collect())
}

/// Does to the letter what a finding prints as its cure, up to a remark or an alternative in words.
fn cure(guest: &Guest, finding: &Value) -> Result<()> {
    let text = finding["cure"].as_str().context("no cure")?;
    let command = text.split(" (").next().unwrap_or(text).split(", or ").next().unwrap_or(text);
    // Root needs no sudo, and this Debian has none.
    guest.admin(&format!("sudo() {{ \"$@\"; }}\n{command}")).map(drop)
}

/// The node is well, in its own words and the API server's.
fn is_well(guest: &Guest) -> Result<()> {
    guest.until("the node is healthy", 180, |guest| Ok(guest.tool(&["status"]).output()?.code() == Some(0)))
}
