//! What dies beside the parent, and what starts it again.

use anyhow::{Result, ensure};
use usernetes_e2e::{Guest, Machine, Testbed};

use crate::unit::{comes_back, hung, running, still_there};

/// The one process of alice, or of her subordinate ids, with that name.
fn pid(guest: &Guest, name: &str) -> Result<u32> {
    Ok(guest.admin(&format!("pgrep -o -x {name}"))?.text().parse()?)
}

/// PID 1 of the node takes all of it along; systemd starts the unit again.
pub(crate) fn child_killed(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    let before = running(guest)?;
    guest.admin(&format!("kill -9 {}", pid(guest, "usernetes-child")?))?;
    comes_back(guest, before)
}

/// PID 1 that answers no more: the parent, which is well, no longer says so.
pub(crate) fn child_hung(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    running(guest)?;
    hung(guest, pid(guest, "usernetes-child")?)
}

/// The parent starts another; nothing else notices.
pub(crate) fn slirp_killed(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    let (parent, before) = (running(guest)?, pid(guest, "slirp4netns")?);
    guest.admin(&format!("kill -9 {before}"))?;
    guest.until(
        "another slirp4netns runs",
        60,
        |guest| Ok(pid(guest, "slirp4netns").is_ok_and(|now| now != before)),
    )?;
    still_there(guest)?;
    ensure!(running(guest)? == parent, "the parent was started again");
    Ok(())
}

/// The kernel ends a component for want of memory: its supervisor starts it again, and systemd leaves the unit alone.
pub(crate) fn component_out_of_memory(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    let (parent, before) = (running(guest)?, pid(guest, "kube-apiserver")?);
    // The same code of the kernel as when memory has run out; the process with the highest score is killed.
    guest.admin(&format!(
        "own=/sys/fs/cgroup$(cut -d: -f3 /proc/{before}/cgroup)
         echo 1000 > /proc/{before}/oom_score_adj
         echo f > /proc/sysrq-trigger
         until grep -q 'oom_kill [1-9]' $own/memory.events; do sleep 0.1; done"
    ))?;
    guest.until("another kube-apiserver runs", 120, |guest| {
        Ok(pid(guest, "kube-apiserver").is_ok_and(|now| now != before))
    })?;
    still_there(guest)?;
    ensure!(running(guest)? == parent, "the parent was started again");
    Ok(())
}
