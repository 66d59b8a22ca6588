//! A real sshd on a host, and a machine of an administrator from which all hosts accept a login.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use usernetes_e2e::{Host, Machine};

/// As Debian runs it, but without PAM: no session creates a directory in /run/user.
const SSHD: &str = "mkdir -p -m 755 /run/sshd
rm -f /etc/ssh/ssh_host_*
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
printf '%s\\n' 'Port 22' 'UsePAM no' 'PasswordAuthentication no' 'PermitRootLogin no' > /etc/ssh/sshd_config";
/// It leaves this session and keeps none of its files open.
const START: &str = "/usr/sbin/sshd -E /run/sshd.log";

/// A key of its own for the host, and the laptop's user let in as the host's. The server does not run yet.
pub(crate) fn prepare(host: &Host, laptop: &Host) -> Result<()> {
    host.admin(SSHD)?;
    laptop
        .sh("mkdir -p -m 700 ~/.ssh; [ -e ~/.ssh/id_ed25519 ] || ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519")
        .ok()?;
    let key = laptop.sh("cat ~/.ssh/id_ed25519.pub").ok()?;
    host.write(".ssh/authorized_keys", &key.stdout)?;
    let known = host.admin("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub")?;
    let line = format!("{} {}\n", host.address(), known.text());
    laptop.sh("cat >> ~/.ssh/known_hosts").input(line).ok().map(drop)
}

pub(crate) fn start(host: &Host) -> Result<()> {
    host.admin(START).map(drop)
}

/// hack/homelab in the home of the laptop's user, with an inventory.
pub(crate) fn bring_scripts(laptop: &Host, inventory: &str) -> Result<()> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../hack/homelab");
    for name in files(&from)? {
        let text = fs::read_to_string(from.join(&name))?;
        laptop.write(&format!("homelab/{name}"), &text)?;
    }
    laptop.sh("chmod +x ~/homelab/homelab").ok()?;
    laptop.write("homelab/hosts", inventory).map(drop)
}

fn files(directory: &Path) -> Result<Vec<String>> {
    let list = |below: &str| -> Result<Vec<String>> {
        let entries = fs::read_dir(directory.join(below)).with_context(|| format!("no {}", directory.display()))?;
        let names = entries.map(|entry| Ok(format!("{below}{}", entry?.file_name().to_string_lossy())));
        names.filter(|name| name.as_ref().map_or(true, |name| !directory.join(name).is_dir())).collect()
    };
    Ok([list("")?, list("lib/")?].concat())
}
