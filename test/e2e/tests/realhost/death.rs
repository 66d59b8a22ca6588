//! What dies beside the parent, and who brings it back.

use anyhow::{Result, ensure};
use usernetes_e2e::{Guest, Rig};

use crate::unit::{comes_back, running, still_there};

/// The one process of alice, or of her subordinate ids, with that name.
fn pid(guest: &Guest, name: &str) -> Result<u32> {
    Ok(guest.admin(&format!("pgrep -o -x {name}"))?.text().parse()?)
}

/// PID 1 of the node takes all of it along; systemd starts the unit again.
pub(crate) fn child_killed(rig: &Rig) -> Result<()> {
    let guest = rig.guest();
    let before = running(guest)?;
    guest.admin(&format!("kill -9 {}", pid(guest, "usernetes-child")?))?;
    comes_back(guest, before)
}

/// The parent starts another; nothing else notices.
pub(crate) fn slirp_killed(rig: &Rig) -> Result<()> {
    let guest = rig.guest();
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
