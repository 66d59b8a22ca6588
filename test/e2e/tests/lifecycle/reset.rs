//! `reset`, on whole, half-made and absent nodes.

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use std::time::Duration;
use usernetes_e2e::{Host, Machine, Testbed};

use crate::{quiet, works};

/// No process, mount, socket or file of a cluster.
pub(crate) fn gone(host: &Host) -> Result<()> {
    quiet(host)?;
    let left = host.admin(
        "find /home/alice/.local/share/usernetes /home/alice/.config/usernetes /run/user/*/usernetes 2>/dev/null | head -50
         find /home/alice ! -user alice | head -50
         find /tmp -user alice | head -50",
    )?;
    let directories = ["/home/alice/.local/share/usernetes", "/home/alice/.config/usernetes"];
    let left: Vec<&str> = left.text().lines().filter(|line| !directories.contains(line)).collect();
    let empty_runtime = |line: &&&str| !line.ends_with("/usernetes");
    let left: Vec<_> = left.iter().filter(empty_runtime).collect();
    ensure!(left.is_empty(), "files are left: {left:#?}");
    Ok(())
}

pub(crate) fn without_a_node(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.tool(&["reset", "--force"]).ok()?;
    gone(host)?;
    for command in [&["status"][..], &["start"], &["kubectl", "get", "nodes"], &["shell", "--", "true"], &["logs"]] {
        host.tool(command).output()?.exits(1)?.says(&["usernetes-rs init"])?;
    }
    host.tool(&["stop"]).output()?;
    gone(host)
}

pub(crate) fn of_a_cluster(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    // Without a terminal to answer on, it does not go ahead by itself.
    let asked = host.tool(&["reset"]).limit(30).output()?;
    ensure!(asked.code() != Some(0) && !asked.late, "{asked}");
    host.tool(&["status"]).ok()?;
    host.tool(&["reset"]).input("n\n").limit(30).output()?;
    host.tool(&["status"]).ok()?;
    host.tool(&["reset", "--force"]).ok()?;
    gone(host)?;
    host.tool(&["reset", "--force"]).ok()?;
    // The host is as before: a new cluster, with another CA, comes up and can be removed while it is stopped.
    // The user's own kubeconfig is in a repository of dotfiles.
    host.sh("mkdir -p ~/.kube ~/dotfiles && touch ~/dotfiles/config && ln -s ../dotfiles/config ~/.kube/config")
        .ok()?;
    host.init(&["--merge-kubeconfig"]).ok()?;
    host.sh("test -L ~/.kube/config && grep -q usernetes- ~/dotfiles/config && test ! -e ~/.kube/config.lock").ok()?;
    works(host)?;
    host.tool(&["stop"]).ok()?;
    host.tool(&["reset", "--force"]).ok()?;
    let merged = host.sh("test -L ~/.kube/config && grep -c usernetes- ~/dotfiles/config || true").ok()?;
    ensure!(merged.text() == "0", "the user's own kubeconfig still has the cluster");
    gone(host)
}

/// However far `init` came, and whatever became of its journal.
pub(crate) fn of_a_half_made_node(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    for (phase, break_more) in [("certs", ""), ("node-start", "journal.json"), ("addon", "config.yaml")] {
        let init = host.init(&["-o", "json"]).spawn()?;
        let entered = format!("\"name\":\"{phase}\"");
        init.line(Duration::from_mins(5), |line| line.contains(&entered))?;
        init.signal(Signal::SIGKILL)?;
        drop(init.wait(Duration::from_secs(10))?);
        if !break_more.is_empty() {
            host.sh(&format!("rm ~/.local/share/usernetes/default/{break_more}")).ok()?;
        }
        host.tool(&["reset", "--force"]).ok()?;
        gone(host)?;
    }
    Ok(())
}
