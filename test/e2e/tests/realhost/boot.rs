//! Power that fails, and an administrator who reboots: the cluster starts without a login.

use anyhow::{Result, ensure};
use usernetes_e2e::{Guest, Machine, Testbed};

use crate::unit::still_there;

pub(crate) fn power_cut(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    guest.power_cut()?;
    guest.power_on()?;
    up_by_itself(guest)?;
    still_there(guest)
}

pub(crate) fn reboot(testbed: &Testbed) -> Result<()> {
    let guest = testbed.guest();
    guest.reboot()?;
    let journal = guest.admin("journalctl -b -1 --no-pager -u user@1000")?;
    ensure!(journal.text().contains("Stopped usernetes-default.service"), "nothing of the shutdown in\n{journal}");
    ensure!(!journal.text().contains("usernetes-default.service: Failed"), "ended by force:\n{journal}");
    up_by_itself(guest)?;
    still_there(guest)
}

/// Alice's own login would start her services, and thereby the unit: only root looks until the API answers.
pub(crate) fn up_by_itself(guest: &Guest) -> Result<()> {
    let ask =
        "/srv/bundle/bin/kubectl --kubeconfig /home/alice/.local/share/usernetes/default/admin.conf get --raw /livez";
    guest.until("the API answers after the boot", 180, |guest| Ok(guest.sh(ask).root().output()?.text() == "ok"))?;
    let sessions = guest.admin("loginctl list-sessions --no-legend; loginctl show-user -p State alice")?;
    ensure!(sessions.text().ends_with("State=lingering"), "alice has logged in:\n{sessions}");
    Ok(())
}
