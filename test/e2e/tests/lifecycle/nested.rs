//! A node inside a container: in a user namespace that a container engine created.

use anyhow::{Result, ensure};
use usernetes_e2e::{Host, Machine, Run, Testbed};

use crate::{quiet, works};

/// As root of a container that the host's user has, as Podman makes it.
fn inside<'a>(host: &'a Host, command: &str) -> Run<'a> {
    host.sh(&format!("exec unshare --user --map-root-user --map-auto --mount --propagation slave sh -euc '{command}'"))
}

pub(crate) fn in_a_user_namespace(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.init(&["--nested"]).output()?.exits(1)?.says(&["--nested", "outside of a container"])?;
    // An engine that covers parts of /proc leaves no way to a new one.
    let covered = "mount --bind /dev/null /proc/timer_list; usernetes-rs preflight --nested --bundle /srv/bundle";
    inside(host, covered).output()?.exits(2)?.says(&["OwnProc", "/proc"])?;
    let whole = "id -u; usernetes-rs init --nested --bundle /srv/bundle";
    let output = inside(host, whole).limit(300).output()?.ok()?;
    ensure!(output.text().starts_with("0\n"), "{output}");
    // Seen from outside they are the user's own processes.
    works(host)?;
    inside(host, "usernetes-rs status").ok()?;
    inside(host, "usernetes-rs stop; usernetes-rs start").limit(300).ok()?;
    works(host)?;
    inside(host, "usernetes-rs reset --force").limit(120).ok()?;
    quiet(host)
}

/// Messages in a container with few ids, and an ordinary user in it that has some of them.
pub(crate) fn preflight_with_few_ids(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    host.admin("sed -i 's/:[0-9]*$/:5000/; 2d' /etc/subuid /etc/subgid")?;
    let said = inside(host, "usernetes-rs preflight --nested --bundle /srv/bundle").output()?.exits(0)?;
    said.says(&["SubID", "4999", "more ids"]).map(drop)
}
