//! The cluster under test, made as its users make one.

use anyhow::{Context as _, Result};
use std::path::Path;
use std::thread;
use usernetes_e2e::{Host, Rig};

/// Where hosts see the suite.
pub(crate) const TOOLS: &str = "/srv/conformance";

/// `init` on the first host, `join` on the others at the same time, then the images on all of them.
pub(crate) fn raise(nodes: u8, tools: &Path) -> Result<Rig> {
    let rig = Rig::new(usize::from(nodes)).context("cannot make the hosts")?;
    let [first, workers @ ..] = rig.hosts() else { anyhow::bail!("no hosts") };
    first.init::<&str>(&[]).ok()?;
    let token = first.tool(&["token", "create"]).ok()?.text().to_owned();
    at_once(workers, |host| host.tool(&["join", "--bundle", "/srv/bundle", &token]).ok().map(drop))?;
    at_once(rig.hosts(), |host| give_images(host, tools))?;
    first.kubectl(&["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=120s"])?;
    Ok(rig)
}

fn give_images(host: &Host, tools: &Path) -> Result<()> {
    let mount = format!("mkdir {TOOLS}; mount --bind '{}' {TOOLS}; mount -o remount,bind,ro {TOOLS}", tools.display());
    host.admin(&mount)?;
    host.tool(&["images", "import", &format!("{TOOLS}/conformance.tar")]).ok().map(drop)
}

fn at_once(hosts: &[Host], work: impl Fn(&Host) -> Result<()> + Sync) -> Result<()> {
    thread::scope(|scope| {
        let threads: Vec<_> = hosts.iter().map(|host| scope.spawn(|| work(host))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().ok().context("a thread panicked")?)
    })
}
