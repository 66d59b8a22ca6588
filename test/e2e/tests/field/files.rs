//! The user's own files, and hints that can be run.

use anyhow::{Result, ensure};
use usernetes_e2e::{Host, Machine, Scenario, Testbed};

/// The links of [`link_kubeconfig`] are part of a scenario that makes a cluster anyway.
pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![Scenario::shared("support_has_no_secrets", support_has_no_secrets)]
}

/// Secrets of this cluster are not in the archive, nor are passwords from the environment and from a log.
fn support_has_no_secrets(testbed: &Testbed) -> Result<()> {
    let host = testbed.host();
    let token = host.tool(&["token", "create", "--classic"]).ok()?.text().to_owned();
    host.sh("echo 'password=MARKER' >> ~/.local/share/usernetes/default/log/kubelet.log").ok()?;
    let proxy = "http://user:MARKER@127.0.0.1:3128";
    host.tool(&["support", "report.tar.gz"])
        .env("HTTPS_PROXY", proxy)
        .limit(120)
        .ok()?
        .says(&["report.tar.gz", "left out"])?;
    host.tool(&["support", "report.tar.gz"]).output()?.exits(1)?.says(&["report.tar.gz", "support FILE"])?;
    ensure!(host.sh("stat -c %a report.tar.gz").ok()?.text() == "600", "others may read it");
    let files = host
        .sh("mkdir report && tar -xzf report.tar.gz -C report --strip-components 1 && cd report && find . -type f")
        .ok()?;
    files.says(&[
        "preflight.json",
        "status.json",
        "config.yaml",
        "cluster/events.txt",
        "node/routes.txt",
        "logs/kubelet.log",
    ])?;
    for (file, text) in [("cluster/pods.txt", "host1 "), ("node/routes.txt", "flannel.1"), ("host/system.txt", "Linux")]
    {
        host.sh(&format!("cat report/{file}")).ok()?.says(&[text])?;
    }
    let state = "~/.local/share/usernetes/default";
    let search = format!(
        "cd report; printf '%s\n' {} MARKER 'PRIVATE KEY-----$' > ../secrets
         for kubeconfig in $(grep -rl client-key-data {state} 2>/dev/null); do
           grep -ho 'client-key-data: .*' $kubeconfig | cut -c18-80 >> ../secrets
         done
         grep -rn -f ../secrets . && exit 1; wc -l < ../secrets",
        token.split('.').nth(1).unwrap_or("no secret")
    );
    let secrets: usize = host.sh(&search).ok()?.text().trim().parse()?;
    ensure!(secrets > 3, "only {secrets} secrets were searched for");
    Ok(())
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
