//! From three bare hosts to a cluster, and back.

use anyhow::{Result, bail, ensure};
use usernetes_e2e::{Host, Machine, Output, Testbed};

use crate::{homelab, ssh};

pub(crate) fn of_a_homelab(testbed: &Testbed) -> Result<()> {
    let [hosts @ .., laptop] = testbed.hosts() else { bail!("no hosts") };
    for host in hosts {
        ssh::prepare(host, laptop)?;
        ssh::start(host)?;
    }
    ssh::bring_scripts(laptop, &inventory(hosts))?;
    // No directory in /run/user: as on a host without a session.
    hosts[1].admin("rmdir /run/user/*")?;
    dry_run(hosts, laptop)?;
    unfit_host(hosts, laptop)?;
    up(hosts, laptop)?;
    upgrade(hosts, laptop)?;
    down(hosts, laptop)
}

fn inventory(hosts: &[Host]) -> String {
    let line =
        |host: &Host, words: &str| format!("{} ssh={}@{}:22 {words}\n", host.name(), host.user(), host.address());
    let words = ["role=control-plane", "labels=disk=ssd,example.org/room=cellar", "taints=shed=cold:PreferNoSchedule"];
    hosts.iter().zip(words).map(|(host, words)| line(host, words)).collect()
}

/// All files of the users, with sizes and times, and whether anything of theirs runs.
fn footprint(hosts: &[Host]) -> Result<String> {
    hosts.iter().map(|host| Ok(host.sh("find ~ -printf '%p %s %T@\\n' | sort").ok()?.stdout)).collect()
}

fn dry_run(hosts: &[Host], laptop: &Host) -> Result<()> {
    let before = footprint(hosts)?;
    let said = homelab(laptop, "up", &["--dry-run"])?.exits(0)?;
    said.says(&["would run", "bundle import", " init ", " join ", "kubectl label --overwrite node host2 disk=ssd"])?;
    hosts.iter().try_for_each(Host::silent)?;
    ensure!(footprint(hosts)? == before, "the dry run touched a host");
    Ok(())
}

/// Nothing is changed anywhere when one host cannot be a node.
fn unfit_host(hosts: &[Host], laptop: &Host) -> Result<()> {
    hosts[1].admin("mv /etc/subuid /etc/subuid.away; : > /etc/subuid")?;
    let said = homelab(laptop, "up", &[])?.exits(2)?;
    said.says(&["host2 |", "subordinate", "1 of 3 hosts failed", "nothing was changed"])?;
    hosts[1].admin("mv /etc/subuid.away /etc/subuid")?;
    for host in hosts {
        host.silent()?;
        let left = host.sh("find ~/.local ~/.cache -type f 2>/dev/null || true").ok()?;
        ensure!(left.text().is_empty(), "{}: {left}", host.name());
    }
    Ok(())
}

/// First without one of the hosts, then with it, then with nothing to do.
fn up(hosts: &[Host], laptop: &Host) -> Result<()> {
    let [first, second, third] = hosts else { bail!("not three hosts") };
    third.admin("kill $(cat /run/sshd.pid)")?;
    let said = homelab(laptop, "up", &[])?.exits(1)?;
    no_secret(&said)?;
    said.says(&["host1 | Ready", "host2 | Ready", "1 of 3 hosts failed", "host3 | not reached"])?;
    nodes(first, "host1 host2")?;

    ssh::start(third)?;
    let said = homelab(laptop, "up", &[])?.exits(0)?;
    no_secret(&said)?;
    said.says(&["host1 | node: is there", "host2 | node: is there", "host3 | Ready"])?;
    nodes(first, "host1 host2 host3")?;
    let labels = first.kubectl(&["get", "nodes", "-l", "disk=ssd,example.org/room=cellar", "-o", "name"])?;
    ensure!(labels.text() == "node/host2", "{labels}");
    first.kubectl(&["get", "node", "host3", "-o", "jsonpath={.spec.taints}"])?.says(&["shed", "PreferNoSchedule"])?;

    let tokens = first.tool(&["token", "list"]).ok()?.stdout;
    let said = homelab(laptop, "up", &[])?.exits(0)?;
    ensure!(!said.stdout.contains("labeled") && !said.stdout.contains("tainted"), "not idle: {said}");
    ensure!(first.tool(&["token", "list"]).ok()?.stdout == tokens, "a token was made for nobody");
    second.tool(&["status"]).ok()?;
    homelab(laptop, "status", &[])?.exits(0)?.says(&["HOST", "host3", "worker", "yes", "Ready", &third.address()])?;
    Ok(())
}

/// The token goes to standard input: neither shown nor an argument of anything.
fn no_secret(said: &Output) -> Result<()> {
    ensure!(!format!("{said}").contains("u7s1."), "a token is shown: {said}");
    Ok(())
}

fn nodes(first: &Host, names: &str) -> Result<()> {
    let nodes = first.kubectl(&["get", "nodes", "-o", "jsonpath={.items[*].metadata.name}"])?;
    ensure!(nodes.text() == names, "{nodes}");
    Ok(())
}

fn upgrade(hosts: &[Host], laptop: &Host) -> Result<()> {
    // Another program with the same abilities: what is behind an executable does not matter to it.
    laptop.sh("cp /usr/local/bin/usernetes-rs ~/newer; printf newer >> ~/newer").ok()?;
    let newer = format!("{}/newer", laptop.home());
    let arguments = ["--bin", newer.as_str()];
    let said = homelab(laptop, "upgrade", &[&arguments[..], &["--dry-run"]].concat())?.exits(0)?;
    said.says(&["host1 | would run", "stop && "])?;
    homelab(laptop, "upgrade", &arguments)?.exits(0)?.says(&["node host1 is Ready", "node host3 is Ready"])?;
    let wanted = laptop.sh("sha256sum < ~/newer").ok()?.stdout;
    for host in hosts {
        let runs = host.sh("sha256sum < ~/.local/share/usernetes/default/bin/usernetes-rs").ok()?.stdout;
        ensure!(runs == wanted, "{} runs another program", host.name());
    }
    let again = homelab(laptop, "upgrade", &arguments)?.exits(0)?;
    again.says(&["host1 | node: runs this program", "host3 | node: runs this program"])?;
    homelab(laptop, "status", &[])?.exits(0).map(drop)
}

fn down(hosts: &[Host], laptop: &Host) -> Result<()> {
    homelab(laptop, "down", &["--only", "host3", "--yes"])?.exits(0)?;
    nodes(&hosts[0], "host1 host2")?;
    homelab(laptop, "down", &["--dry-run"])?.exits(0)?.says(&["host2 | would run", "reset --force --drain"])?;
    hosts[1].admin("kill $(cat /run/sshd.pid)")?;
    homelab(laptop, "down", &["--yes"])?.exits(1)?.says(&["host2 | not reached", "host1 | kept"])?;
    ssh::start(&hosts[1])?;
    homelab(laptop, "down", &["--yes"])?.exits(0)?.says(&["host3 | node: none"])?;
    hosts.iter().try_for_each(Host::silent)?;
    homelab(laptop, "down", &["--yes"])?.exits(0)?;
    homelab(laptop, "status", &[])?.exits(1)?.says(&["host1", "none"]).map(drop)
}
