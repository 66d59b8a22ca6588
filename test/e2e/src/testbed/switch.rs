//! The switch between the hosts: a bridge in a network of its own, with the outside world behind it.

use anyhow::{Context, Result, ensure};
use std::io::{Read, Write};
use std::process::{Child, Command};

use crate::testbed::host::Host;
use crate::testbed::init::SERVE;
use crate::testbed::machine::Machine;
use crate::testbed::namespaces::{Inside, enter, spawn_init};
use crate::{CLIENTS, OUTSIDE, SWITCH};

/// The switch; dropping it takes every cable with it.
pub(crate) struct Switch(Child);

impl Switch {
    /// A switch with its gateway address, a name server and a web server.
    pub(crate) fn new() -> Result<Self> {
        let mut switch = Self(spawn_init()?);
        switch.ip("link set lo up")?;
        switch.ip("link add br0 type bridge")?;
        switch.ip(&format!("addr add {SWITCH}/24 dev br0"))?;
        for address in [OUTSIDE].iter().chain(&CLIENTS) {
            switch.ip(&format!("addr add {address}/32 dev br0"))?;
        }
        switch.ip("link set br0 up")?;
        let stdin = switch.0.stdin.as_mut().context("the switch ends")?;
        writeln!(stdin, "{SERVE}")?;
        let mut answer = [0; 6];
        switch
            .0
            .stdout
            .as_mut()
            .context("the switch ends")?
            .read_exact(&mut answer)
            .context("the switch cannot serve")?;
        ensure!(&answer == b"ready\n", "the switch answers {answer:?}");
        Ok(switch)
    }

    /// Plugs a host in, with its address and its default route.
    pub(crate) fn plug(&self, host: &Host) -> Result<()> {
        let port = host.name();
        self.ip(&format!("link add {port} type veth peer name eth0 netns {}", host.pid()))?;
        self.ip(&format!("link set {port} master br0 up"))?;
        host.admin(&format!(
            "ip addr add {}/24 dev eth0; ip link set eth0 up; ip route add default via {SWITCH}",
            host.address()
        ))?;
        Ok(())
    }

    /// A socket for the card of a guest: whatever is sent to the interface `name` is on the switch.
    pub(crate) fn socket(&self, name: &str) -> Result<()> {
        self.ip(&format!("link add {name} type veth peer name {name}-port"))?;
        self.ip(&format!("link set {name}-port master br0 up"))?;
        self.ip(&format!("link set {name} up"))
    }

    /// Its first process: what is started beside it ends with it.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Pulls the cable of a host, or plugs it in again.
    pub(crate) fn cable(&self, host: &Host, plugged: bool) -> Result<()> {
        self.ip(&format!("link set {} {}", host.name(), if plugged { "up" } else { "down" }))
    }

    /// The largest packet on a host's cable.
    pub(crate) fn mtu(&self, host: &Host, bytes: u32) -> Result<()> {
        self.ip(&format!("link set {} mtu {bytes}", host.name()))
    }

    /// Does something in the switch's own network.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        enter(self.0.id(), Inside::Network, work)
    }

    fn ip(&self, arguments: &str) -> Result<()> {
        let mut command = Command::new("ip");
        command.args(arguments.split(' '));
        let output = enter(self.0.id(), Inside::Network, move || Ok(command.output()?))?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "ip {arguments}: {error}");
        Ok(())
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
