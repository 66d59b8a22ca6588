//! Tokens: not shown to other users of a host, and dead for good once they are deleted.

use anyhow::{Result, bail, ensure};
use std::fs;
use std::time::Duration;
use usernetes_e2e::{Host, Machine, Testbed};

/// Row 12: another user of the host lists all processes while `join` runs, again and again.
pub(crate) fn tokens_are_not_in_the_list_of_processes(testbed: &Testbed) -> Result<()> {
    let [first, worker] = testbed.hosts() else { bail!("not two hosts") };
    worker.tool(&["reset", "--force"]).ok()?;
    let token = first.tool(&["token", "create"]).ok()?.text().to_owned();
    let classic = first.tool(&["token", "create", "--classic"]).ok()?.text().to_owned();
    let printed = first.tool(&["token", "create", "--print-join-command"]).ok()?.text().to_owned();
    ensure!(printed.ends_with(" | usernetes-rs join -"), "{printed}");

    let running = worker.tool(&["join", &token, "--bundle", "/srv/bundle"]).spawn()?;
    // The program was executed by now.
    running.line(Duration::from_secs(30), |line| line.contains("[discovery]"))?;
    let mut looks = 0;
    while !has_node(worker)? {
        ensure!(!is_listed(worker, &token)?, "the join token is in the list of processes");
        looks += 1;
    }
    running.wait(Duration::from_mins(3))?.ok()?;
    ensure!(looks > 0, "no look while it ran");
    let wrong = ["join", "198.51.100.99:6443", "--token", &classic, "--discovery-token-unsafe-skip-ca-verification"];
    let running = worker.tool(&[&["--cluster", "other"], &wrong[..]].concat()).spawn()?;
    worker.until("it runs", 10, |worker| {
        Ok(worker.processes()?.iter().any(|p| p.command.iter().any(|a| a == "other")))
    })?;
    std::thread::sleep(Duration::from_millis(300));
    ensure!(!is_listed(worker, &classic)?, "the bootstrap token is in the list of processes");
    ensure!(running.wait(Duration::from_mins(1))?.code() != Some(0), "there is no such host");
    worker.tool(&["--cluster", "other", "reset", "--force"]).ok().map(drop)
}

fn has_node(worker: &Host) -> Result<bool> {
    Ok(worker.tool(&["status"]).output()?.code() == Some(0))
}

/// As any user sees it.
fn is_listed(host: &Host, secret: &str) -> Result<bool> {
    for process in host.processes()? {
        let line = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(secret) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Row 16: `init` again, of a cluster that is complete.
pub(crate) fn deleted_tokens_stay_dead(testbed: &Testbed) -> Result<()> {
    let first = testbed.host();
    for line in first.tool(&["token", "list"]).ok()?.text().lines().skip(1) {
        let id = line.split('.').next().unwrap_or_default();
        first.tool(&["token", "delete", id]).ok()?;
    }
    let kept = first.sh("cat ~/.local/share/usernetes/default/config.yaml").ok()?;
    ensure!(!kept.text().contains("bootstrapTokens"), "{kept}");
    first.tool(&["stop"]).ok()?;
    first.tool(&["init"]).ok()?.says(&["no new token", "token create"])?;
    first.tool(&["init", "phase", "bootstrap-token"]).ok()?.says(&["no new token"])?;
    let tokens = first.tool(&["token", "list"]).ok()?;
    ensure!(tokens.text().lines().count() == 1, "{tokens}");
    first.kubectl(&["wait", "--for=condition=Ready", "node", "--all", "--timeout=120s"]).map(drop)
}
