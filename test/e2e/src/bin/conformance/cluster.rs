//! The cluster under test, made as its users make one.

use anyhow::{Context as _, Result};
use std::path::Path;
use std::thread;
use usernetes_e2e::{At, Testbed, Topology};

/// Where hosts see the suite.
pub(crate) const TOOLS: &str = "/srv/conformance";
/// What an administrator configures for a user who needs every controller; systemd's default lacks cpuset and io.
const DELEGATE: &str = "loginctl enable-linger alice; mkdir -p /etc/systemd/system/user@.service.d
    printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' > /etc/systemd/system/user@.service.d/delegate.conf
    systemctl daemon-reload; systemctl restart user@1000.service";

/// The machines of a testbed, whatever their kind.
pub(crate) fn machines(testbed: &Testbed) -> Vec<At<'_>> {
    testbed.hosts().iter().map(At::from).chain(testbed.guests().iter().map(At::from)).collect()
}

/// `init` on the first host, `join` on the others at the same time, then the images on all of them.
pub(crate) fn create_cluster(topology: Topology, tools: &Path) -> Result<Testbed> {
    let testbed = Testbed::new(topology).context("cannot make the hosts")?;
    let all = machines(&testbed);
    let [first, workers @ ..] = &all[..] else { anyhow::bail!("no hosts") };
    at_once(&all, |machine| prepare(machine, tools))?;
    first.tool(&["init", "--bundle", "/srv/bundle"]).ok()?;
    let token = first.tool(&["token", "create"]).ok()?.text().to_owned();
    at_once(workers, |host| host.tool(&["join", "--bundle", "/srv/bundle", &token]).ok().map(drop))?;
    let images = format!("{TOOLS}/conformance.tar");
    at_once(&all, |host| host.tool(&["images", "import", &images]).ok().map(drop))?;
    first.tool(&["kubectl", "wait", "--for=condition=Ready", "nodes", "--all", "--timeout=120s"]).ok()?;
    Ok(testbed)
}

fn prepare(machine: At<'_>, tools: &Path) -> Result<()> {
    let tools = tools.display();
    let script = match machine {
        At::Host(_) => format!("mkdir {TOOLS}; mount --bind '{tools}' {TOOLS}; mount -o remount,bind,ro {TOOLS}"),
        At::Guest(_) => format!("mkdir -p {TOOLS}; mount -t hostfs -o ro,hostfs={tools} none {TOOLS}\n{DELEGATE}"),
    };
    machine.sh(&script).root().ok().map(drop)
}

fn at_once(machines: &[At<'_>], work: impl Fn(At<'_>) -> Result<()> + Sync) -> Result<()> {
    thread::scope(|scope| {
        let threads: Vec<_> = machines.iter().map(|machine| scope.spawn(|| work(*machine))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().ok().context("a thread panicked")?)
    })
}
