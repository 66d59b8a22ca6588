//! Every command of the README and the guides runs, or is listed with the reason why not.

mod page;
mod reviewed;

use anyhow::{Context, Result, bail, ensure};
use std::process::ExitCode;
use usernetes_e2e::{Host, IMAGE, Machine, Requirement, Scenario, Testbed, main as suite};

use reviewed::{How, REVIEWED, how};

const NEEDS: [Requirement; 4] =
    [Requirement::Hosts, Requirement::Program, Requirement::Bundle, Requirement::Command("init")];
/// Pages whose commands run in a scenario of their own. The commands of all other pages are listed.
const PLAYED: [&str; 4] = ["README", "several-machines", "day-two", "networking"];
/// Time that a command may take on a loaded machine, in seconds.
const LIMIT: u64 = 300;

fn main() -> ExitCode {
    let scenarios = vec![
        Scenario::own("every_command_is_run_or_listed", 0, &[Requirement::Hosts], every_command_is_run_or_listed),
        Scenario::own("readme", 1, &NEEDS, readme),
        Scenario::own("several_machines", 2, &NEEDS, several_machines),
        Scenario::own("day_two", 2, &NEEDS, day_two),
        Scenario::own("networking", 1, &NEEDS, networking),
    ];
    suite("docs", scenarios, None)
}

fn every_command_is_run_or_listed(_: &Testbed) -> Result<()> {
    for name in page::names()?.iter().filter(|name| !PLAYED.contains(&name.as_str())) {
        for command in page::commands(name)? {
            let listed = matches!(how(name, &command.section, &command.text), How::Not(reason) if !reason.is_empty());
            ensure!(listed, "{name}, {}: no scenario runs `{}`", command.section, command.text);
        }
    }
    for (name, section, text, _) in REVIEWED {
        let commands = page::commands(name)?;
        let there = commands.iter().any(|command| command.section == section && command.text == text);
        ensure!(there, "{name}, {section}: `{text}` is listed, but not on the page");
    }
    Ok(())
}

/// Runs the commands of a page in order. Placeholders are replaced by values of the same name.
fn play(page: &str, hosts: &[Host], values: &[(&str, &str)]) -> Result<()> {
    let mut variables = String::new();
    for command in page::commands(page)? {
        let (host, script) = match how(page, &command.section, &command.text) {
            How::Not(_) => continue,
            How::Script(script) => (hosts.first(), script),
            How::Worker(script) => (hosts.get(1), script),
        };
        let host = host.context("no such host")?;
        let script =
            values.iter().fold(script.replace("{}", &command.text), |text, (name, value)| text.replace(name, value));
        let here = || format!("{page}, {}: {}", command.section, command.text);
        // The variables come from the running cluster, so only a command that uses them gets them.
        let before = if command.text.contains('$') { variables.as_str() } else { "" };
        host.sh(&format!("{before}\n{script}")).limit(LIMIT).ok().with_context(here)?;
        // A variable that a later line uses.
        if command.text.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_lowercase())) {
            variables.push_str(&script);
            variables.push('\n');
        }
    }
    Ok(())
}

fn readme(testbed: &Testbed) -> Result<()> {
    play("README", testbed.hosts(), &[("BUNDLE", "/srv/bundle")])?;
    testbed.host().silent()
}

fn several_machines(testbed: &Testbed) -> Result<()> {
    let [first, worker] = testbed.hosts() else { bail!("not two hosts") };
    first.init::<&str>(&[]).ok()?;
    let token = text(first, &["token", "create"])?;
    let classic = text(first, &["token", "create", "--classic"])?;
    let spare = text(first, &["token", "create", "--classic"])?;
    let endpoint = format!("{}:6443", first.address());
    let file = first.kubectl(&[
        "-n",
        "kube-public",
        "get",
        "configmap",
        "cluster-info",
        "-o",
        "jsonpath={.data.kubeconfig}",
    ])?;
    let file = worker.write("discovery.conf", &file.stdout)?;
    let values = [
        ("u7s1.AG8BUVOE…", token.as_str()),
        ("abcdef.0123456789abcdef", &classic),
        ("token delete abcdef", &format!("token delete {spare}")),
        ("HOST:6443", &endpoint),
        ("sha256:…", &pin(first)?),
        ("FILE", &file),
    ];
    play("several-machines", testbed.hosts(), &values)?;
    first.kubectl(&["wait", "--for=condition=Ready", "node/host2", "--timeout=60s"]).map(drop)
}

fn day_two(testbed: &Testbed) -> Result<()> {
    let [first, worker] = testbed.hosts() else { bail!("not two hosts") };
    first.init::<&str>(&[]).ok()?;
    let token = text(first, &["token", "create"])?;
    worker.tool(&["join", &token, "--bundle-from-peer"]).ok()?;
    // As after a change of the host's address: both are there.
    worker.admin("ip address add 198.51.100.31/24 dev eth0")?;
    let values = [
        ("u7s1.AG8BUVOE…", token.as_str()),
        ("FILE", "/srv/bundle/images/busybox.tar"),
        ("IMAGE", IMAGE),
        ("NAME", "host2"),
    ];
    play("day-two", testbed.hosts(), &values)?;
    worker.silent()
}

fn networking(testbed: &Testbed) -> Result<()> {
    testbed.host().init::<&str>(&[]).ok()?;
    play("networking", testbed.hosts(), &[])
}

fn text(host: &Host, arguments: &[&str]) -> Result<String> {
    Ok(host.tool(arguments).ok()?.text().to_owned())
}

/// The pin of the cluster's CA, as kubeadm's documentation makes it.
fn pin(host: &Host) -> Result<String> {
    let script = "openssl x509 -pubkey -noout -in ~/.local/share/usernetes/default/node/etc/kubernetes/pki/ca.crt |
        openssl pkey -pubin -outform der | sha256sum | cut -d' ' -f1";
    Ok(format!("sha256:{}", host.sh(script).ok()?.text()))
}
