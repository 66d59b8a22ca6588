//! A node is found whatever has become of `XDG_RUNTIME_DIR` since its start.

use anyhow::{Result, ensure};
use usernetes_e2e::{Host, Machine, Testbed};

use crate::reset::gone;
use crate::{keep_something, quiet, still_there, works};

/// What the CNI plugins keep of the pods that run.
fn networks(host: &Host) -> Result<String> {
    let list = host.admin("find /home/alice/.local/share/usernetes/default/node/var/lib/cni -type f | sort")?;
    ensure!(!list.text().is_empty(), "nothing is kept of the pods' networks");
    Ok(list.stdout)
}

/// Started by `su` or cron, before there was a login; used in one.
pub(crate) fn from_another_environment(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let directory = host.runtime_dir();
    host.admin(&format!("mv {directory} /run/later"))?;
    host.init::<&str>(&[]).without("XDG_RUNTIME_DIR").ok()?;
    host.sh("test -S ~/.local/share/usernetes/.run/usernetes/default/control.sock").ok()?;
    host.admin(&format!("mv /run/later {directory}"))?;

    host.until("the node is healthy", 120, |host| Ok(host.tool(&["status"]).output()?.code() == Some(0)))?;
    host.init::<&str>(&[]).ok()?.says(&["nothing to do"])?;
    host.tool(&["ports", "list"]).ok()?.says(&["6443"])?;
    host.tool(&["shell", "true"]).ok()?;
    keep_something(host, "found")?;
    let before = networks(host)?;
    host.tool(&["start"]).ok()?.says(&["already running"])?;
    // As a unit that a login starts.
    host.tool(&["daemon"]).output()?.exits(1)?.says(&["runs on this host already", "hint: usernetes-rs stop"])?;
    ensure!(networks(host)? == before, "a second start has forgotten the networks of the first one's pods");
    works(host)?;
    host.tool(&["stop"]).ok()?.says(&["stopped"])?;
    quiet(host)?;

    host.tool(&["start"]).ok()?;
    host.sh("test -S $XDG_RUNTIME_DIR/usernetes/default/control.sock").ok()?;
    still_there(host, "found")?;
    host.sh("mkdir -m 700 ~/other; XDG_RUNTIME_DIR=~/other usernetes-rs status").ok()?;
    host.tool(&["reset", "--force"]).without("XDG_RUNTIME_DIR").ok()?;
    host.sh("test ! -e ~/.local/share/usernetes/default && test ! -e $XDG_RUNTIME_DIR/usernetes/default").ok()?;
    quiet(host)
}

/// As by elogind, which removes the directory at the last logout and ends no process.
pub(crate) fn without_its_runtime_directory(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.init::<&str>(&[]).ok()?;
    keep_something(host, "unreached")?;
    host.admin(&format!("rm -r {}", host.runtime_dir()))?;
    host.tool(&["status"]).output()?.exits(1)?.says(&["usernetes-rs start"])?;
    host.tool(&["start"]).ok()?.says(&["started"])?;
    still_there(host, "unreached")?;
    works(host)?;
    host.sh("rm -r ~/.local/share/usernetes/.run").ok()?;
    host.tool(&["reset", "--force"]).ok()?;
    gone(host)
}
