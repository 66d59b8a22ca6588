//! Hosts with systemd, delegated cgroups and a kernel of their own. What begins with `core` is one story on one guest, in
//! order; the others take their own guests.

mod boot;
mod death;
mod limits;
mod place;
mod runtimes;
mod session;
mod trouble;
mod two;
mod unit;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::process::ExitCode;
use usernetes_e2e::{
    Guest, HostKind, Machine, Output, Requirement, Run, Scenario, SharedCluster, Testbed, Topology, main as suite,
};

fn main() -> ExitCode {
    let needs = [Requirement::Guests, Requirement::Program, Requirement::Bundle];
    let core = |name, run| Scenario::shared_with(name, &needs, run);
    let own = |name, guests, run| Scenario::own(name, Topology::guests(guests), &needs, run);
    let scenarios = vec![
        core("core_init_makes_a_unit", unit::made),
        core("core_limits_hold", limits::hold),
        core("core_hog_is_killed", limits::hog),
        core("core_usage_is_counted", limits::usage),
        core("core_own_user_namespace", limits::own_user_namespace),
        core("core_stop_leaves_nothing", unit::stopped),
        core("core_killed_parent_comes_back", unit::parent_killed),
        core("core_hung_parent_comes_back", unit::parent_hung),
        core("core_hung_child_comes_back", death::child_hung),
        core("core_child_killed", death::child_killed),
        core("core_slirp_killed", death::slirp_killed),
        core("core_component_out_of_memory", death::component_out_of_memory),
        core("core_power_cut", boot::power_cut),
        core("core_reboot", boot::reboot),
        own("without_cpu", 1, session::without_cpu).on(HostKind::Partial),
        own("without_manager", 1, session::without_manager),
        own("without_linger", 1, session::without_linger),
        own("own_environment", 1, session::own_environment),
        own("init_cut", 1, trouble::init_cut),
        own("cut_after_init", 1, trouble::cut_after_init),
        own("disk_full", 1, trouble::disk_full),
        own("late_address", 1, trouble::late_address),
        own("crun", 1, runtimes::crun),
        Scenario::own("crio", Topology::guests(1), &[&needs[..], &[Requirement::Crio]].concat(), runtimes::crio),
        own("masked", 1, unit::masked),
        own("limits_of_a_configuration", 1, limits::of_a_configuration),
        own("clock_jump", 1, trouble::clock_jump),
        own("two_users", 1, place::two_users),
        own("read_only_root", 1, place::read_only_root),
        own("apparmor", 1, place::apparmor),
        own("in_podman", 1, place::in_podman).on(HostKind::Nested),
        own("keys_run_out", 1, limits::keys_run_out),
        own("join_cut", 2, trouble::join_cut),
        own("join", 2, two::join),
    ];
    suite("realhost", scenarios, Some(SharedCluster { topology: Topology::guests(1), create: create_cluster }))
}

/// An administrator does what `preflight` prints, and nothing is left to warn about; then a user does the rest.
fn create_cluster(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    let warnings = warnings(&preflight(guest).ok()?)?;
    let names: Vec<_> = warnings.iter().map(|warning| warning["check"].as_str().unwrap_or_default()).collect();
    ensure!(names == ["PodSubID", "Inotify", "Keyring", "Linger", "PingGroups"], "preflight warns of {names:?}");
    for warning in &warnings {
        apply_hint(guest, warning)?;
    }
    let left = preflight(guest).ok()?;
    ensure!(self::warnings(&left)?.is_empty(), "still warned:\n{left}");
    guest.init::<&str>(&[]).ok()?.says(&["cgroups delegated", "systemd user unit"])?;
    Ok(())
}

fn preflight(guest: &Guest) -> Run<'_> {
    guest.tool(&["preflight", "--bundle", "/srv/bundle", "-o", "json"])
}

/// What has not passed, but for the number of processors: a guest has one.
fn warnings(preflight: &Output) -> Result<Vec<Value>> {
    let findings: Vec<Value> = serde_json::from_str(&preflight.stdout)?;
    let counts = |finding: &Value| finding["level"] != "passed" && finding["check"] != "NumCPU";
    Ok(findings.into_iter().filter(counts).collect())
}

/// The warning of one check.
fn warning(preflight: &Output, check: &str) -> Result<Value> {
    let found = warnings(preflight)?.into_iter().find(|warning| warning["check"] == check);
    found.with_context(|| format!("no warning of {check} in\n{preflight}"))
}

/// Runs to the letter what a finding prints as its hint, up to a remark or an alternative in words.
fn apply_hint(guest: &Guest, finding: &Value) -> Result<()> {
    let text = finding["hint"].as_str().context("no hint")?;
    let command = text.split(" (").next().unwrap_or(text).split(", or ").next().unwrap_or(text);
    // Root needs no sudo, and this Debian has none.
    guest.admin(&format!("sudo() {{ \"$@\"; }}\n{command}")).map(drop)
}

/// The node is well, in its own words and the API server's.
fn is_well(guest: &Guest) -> Result<()> {
    guest.until("the node is healthy", 180, |guest| Ok(guest.tool(&["status"]).output()?.code() == Some(0)))
}
