//! HOST_IP changes, as by DHCP.

use anyhow::{Context, Result};
use usernetes_e2e::{Host, Machine, SWITCH, Testbed};

use crate::{ready, token, wait, works_on};

/// One address goes, another comes, and the default route with it.
fn change(host: &Host, from: &str, to: &str) -> Result<()> {
    host.admin(&format!(
        "ip address del {from}/24 dev eth0; ip address add {to}/24 dev eth0; ip route add default via {SWITCH}"
    ))
    .map(drop)
}

fn has_address(testbed: &Testbed, worker: &Host, address: &str) -> Result<()> {
    let field = format!("jsonpath={{.status.addresses[?(@.type==\"InternalIP\")].address}}={address}");
    wait(testbed.host(), &format!("node/{}", worker.name()), &field)?;
    ready(testbed.host(), &worker.name(), "True")?;
    worker.until("status is well", 60, |worker| Ok(worker.tool(&["status"]).output()?.code() == Some(0)))?;
    worker.tool(&["status"]).ok()?.says(&[address]).map(drop)
}

/// The address was detected, so the node switches to the new one, and back when the old one returns.
pub(crate) fn worker_gets_another_address(testbed: &Testbed) -> Result<()> {
    const OTHER: &str = "198.51.100.23";
    let worker = testbed.hosts().last().context("no worker")?;
    let first = testbed.host();
    change(worker, &worker.address(), OTHER)?;
    has_address(testbed, worker, OTHER)?;
    works_on(testbed, &worker.name(), "moved")?;
    worker.sh("cat ~/.local/share/usernetes/default/log/daemon.log").ok()?.says(&[&worker.address(), OTHER])?;
    let events = ["get", "events", "--field-selector", "reason=HostAddressLost", "-o", "json"];
    first.kubectl(&events)?.says(&[&worker.name(), &worker.address(), "no longer"])?;
    change(worker, OTHER, &worker.address())?;
    has_address(testbed, worker, &worker.address())?;
    works_on(testbed, &worker.name(), "moved-back")
}

/// An address from the configuration is not replaced by a detected one.
pub(crate) fn worker_is_given_an_address(testbed: &Testbed) -> Result<()> {
    const CHOSEN: &str = "198.51.100.33";
    let worker = testbed.hosts().last().context("no worker")?;
    let own = worker.address();
    worker.tool(&["start", "--host-ip", CHOSEN]).output()?.exits(1)?.says(&["the node is running"])?;
    worker.tool(&["stop"]).ok()?;
    worker.tool(&["start", "--host-ip", "198.51.100.99"]).output()?.exits(2)?.says(&["198.51.100.99", &own])?;
    change(worker, &own, CHOSEN)?;
    worker.tool(&["start", "--wait", "--host-ip", CHOSEN]).ok()?.says(&["is Ready"])?;
    has_address(testbed, worker, CHOSEN)?;
    works_on(testbed, &worker.name(), "chosen")?;

    change(worker, CHOSEN, &own)?;
    let hint = format!("start --host-ip {own}");
    worker.tool(&["status"]).output()?.exits(1)?.says(&[CHOSEN, "no longer", &hint])?;
    worker.until("the log says it", 30, |worker| {
        Ok(worker.sh("cat ~/.local/share/usernetes/default/log/daemon.log").ok()?.stdout.contains(&hint))
    })?;
    worker.tool(&["stop"]).ok()?;
    worker.tool(&["start"]).output()?.exits(1)?.says(&[CHOSEN, "no longer", &hint])?;
    worker.silent()?;
    worker.tool(&["start", "--wait", "--host-ip", &own]).ok()?;
    has_address(testbed, worker, &own)?;
    works_on(testbed, &worker.name(), "chosen-back")
}

/// Everything names it, so it is only said what to do; once it is back, all goes on.
pub(crate) fn control_plane_loses_its_address(testbed: &Testbed) -> Result<()> {
    let first = testbed.host();
    let own = first.address();
    change(first, &own, "198.51.100.21")?;
    let hint = format!("ip address add {own}");
    first.tool(&["status"]).output()?.exits(1)?.says(&[&own, "no longer", &hint, "kubeadm-config"])?;
    first.until("the log says it", 30, |first| {
        Ok(first.sh("cat ~/.local/share/usernetes/default/log/daemon.log").ok()?.stdout.contains(&hint))
    })?;
    first.tool(&["start", "--host-ip", "198.51.100.21"]).output()?.exits(1)?.says(&["reset"])?;
    change(first, "198.51.100.21", &own)?;
    first.until("all is well again", 120, |first| Ok(first.tool(&["status"]).output()?.code() == Some(0)))?;
    for host in testbed.hosts() {
        ready(first, &host.name(), "True")?;
    }
    let events = ["get", "events", "--field-selector", "reason=HostAddressLost", "-o", "json"];
    first.kubectl(&events)?.says(&[&first.name(), &hint])?;
    works_on(testbed, "host2", "address-back")
}

/// Our own hint beside the address that took its place: HOST_IP is there, and the host sends from the other one. So does
/// a host whose second address is configured.
pub(crate) fn host_ip_is_a_second_address(testbed: &Testbed) -> Result<()> {
    const FIRST: &str = "198.51.100.57";
    const SECOND: &str = "198.51.100.34";
    let (first, worker) = (testbed.host(), testbed.hosts().last().context("no worker")?);
    let own = first.address();
    change(first, &own, FIRST)?;
    first.until("the loss is seen", 30, |first| {
        Ok(first.sh("cat ~/.local/share/usernetes/default/log/daemon.log").ok()?.stdout.contains("no longer"))
    })?;
    first.admin(&format!("ip address add {own}/24 dev eth0"))?;
    first.sh(&format!("ip route get {}", worker.address())).ok()?.says(&[&format!("src {FIRST}")])?;
    first.until("all is well again", 120, |first| Ok(first.tool(&["status"]).output()?.code() == Some(0)))?;
    works_on(testbed, &worker.name(), "second")?;
    sends_from(first, first, FIRST)?;
    // Before the node begins to start, too.
    first.tool(&["stop"]).ok()?;
    first.tool(&["start", "--wait"]).ok()?;
    works_on(testbed, &worker.name(), "second-again")?;
    // The second one goes with the first.
    change(first, FIRST, &own)?;
    sends_from(first, first, "")?;
    works_on(testbed, &worker.name(), "first-again")?;

    worker.tool(&["reset", "--force"]).ok()?;
    worker.admin(&format!("ip address add {SECOND}/24 dev eth0"))?;
    // A join tries the pod network, too.
    worker.tool(&["join", "--bundle", "/srv/bundle", "--host-ip", SECOND, "-"]).input(token(first)?).ok()?;
    has_address(testbed, worker, SECOND)?;
    works_on(testbed, &worker.name(), "chosen-second")?;
    sends_from(first, worker, &worker.address())?;
    worker.tool(&["stop"]).ok()?;
    worker.tool(&["start", "--wait", "--host-ip", &worker.address()]).ok()?;
    worker.admin(&format!("ip address del {SECOND}/24 dev eth0"))?;
    has_address(testbed, worker, &worker.address())?;
    sends_from(first, worker, "")?;
    works_on(testbed, &worker.name(), "chosen-first")
}

/// The Node says which other addresses its packets come from.
fn sends_from(first: &Host, host: &Host, addresses: &str) -> Result<()> {
    let field = r"jsonpath={.metadata.annotations.usernetes\.rs/egress-addresses}";
    first.until("the Node names its egress addresses", 60, |first| {
        let said = first.tool(&["kubectl", "get", "node", &host.name(), "-o", field]).output()?;
        Ok(said.code() == Some(0) && said.stdout.trim() == addresses)
    })
}
