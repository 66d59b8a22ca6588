//! Power that fails, and an administrator who reboots: nobody logs in, and the cluster is back.

use anyhow::{Result, ensure};
use usernetes_e2e::Rig;

use crate::unit::still_there;

pub(crate) fn power_cut(rig: &Rig) -> Result<()> {
    let guest = rig.guest();
    guest.power_cut()?;
    guest.power_on()?;
    still_there(guest)
}

pub(crate) fn reboot(rig: &Rig) -> Result<()> {
    let guest = rig.guest();
    guest.reboot()?;
    let failed = guest.admin("journalctl -b -1 --no-pager | grep -c 'usernetes-default.service: Failed' || true")?;
    ensure!(failed.text() == "0", "the shutdown ended the unit by force");
    still_there(guest)
}
