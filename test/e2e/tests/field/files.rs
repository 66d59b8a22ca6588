//! The user's own files, and hints that can be run.

use anyhow::{Result, ensure};
use usernetes_e2e::{Host, Machine, Scenario};

/// The links of [`link_kubeconfig`] are part of a scenario that makes a cluster anyway.
pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![]
}

/// Makes `~/.kube/config` a relative link to a file among others.
pub(crate) fn link_kubeconfig(host: &Host) -> Result<()> {
    let script = "mkdir -p dotfiles .kube; printf 'apiVersion: v1\\nkind: Config\\n' > dotfiles/kc
        ln -s ../dotfiles/kc .kube/config";
    host.sh(script).ok().map(drop)
}

/// The link stays, and the file to which it leads has the cluster's entries or has them no more.
pub(crate) fn check_linked_kubeconfig(host: &Host, has_entries: bool) -> Result<()> {
    let found = host.sh("readlink .kube/config; cat dotfiles/kc").ok()?;
    let is_right = found.text().starts_with("../dotfiles/kc") && found.text().contains("server:") == has_entries;
    ensure!(is_right, "{found}");
    Ok(())
}
