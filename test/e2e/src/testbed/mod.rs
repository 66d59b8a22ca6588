//! Hosts on one switch.

pub(crate) mod guest;
pub(crate) mod host;
pub(crate) mod ids;
pub(crate) mod init;
pub(crate) mod lan;
pub(crate) mod machine;
pub(crate) mod namespaces;
mod questions;
pub(crate) mod switch;

use anyhow::{Context, Result};
use std::sync::{Mutex, PoisonError};

use crate::artifacts::Artifacts;
use crate::suite::scenario::Topology;
use crate::testbed::guest::Guest;
use crate::testbed::host::Host;
use crate::testbed::ids::Allocation;
use crate::testbed::machine::Machine;
use crate::testbed::namespaces::{Inside, enter};
use crate::testbed::switch::Switch;

/// Hosts on one switch. Dropping it ends and removes them all.
pub struct Testbed {
    hosts: Vec<Host>,
    guests: Vec<Guest>,
    switch: Switch,
}

impl Testbed {
    /// A testbed with the program and the bundle on every host, as far as there are any.
    pub fn new(topology: impl Into<Topology>) -> Result<Self> {
        let topology = topology.into();
        let artifacts = Artifacts::find();
        let allocation = allocation()?;
        let switch = Switch::new()?;
        let prepare = |number| {
            let host = Host::new(allocation, number, &artifacts)?;
            switch.plug(&host)?;
            Ok(host)
        };
        let hosts = (1..=topology.hosts).map(prepare).collect::<Result<_>>()?;
        let guests =
            (1..=topology.guests).map(|number| Guest::new(allocation, number, &switch)).collect::<Result<_>>()?;
        Ok(Self { hosts, guests, switch })
    }

    /// The first guest.
    pub fn guest(&self) -> &Guest {
        &self.guests[0]
    }

    /// All guests.
    pub fn guests(&self) -> &[Guest] {
        &self.guests
    }

    /// The first host.
    pub fn host(&self) -> &Host {
        &self.hosts[0]
    }

    /// All hosts.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Pulls a host's cable.
    pub fn unplug(&self, host: &Host) -> Result<()> {
        self.switch.cable(host, false)
    }

    /// Does something in the network of the switch: as a client on the LAN that is no host.
    pub fn from_switch<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        self.switch.inside(work)
    }

    /// Asks `http://address/path` as one of the switch's own addresses: the status, and the body.
    pub fn ask_as(&self, client: &str, address: &str, path: &str) -> Result<(String, String)> {
        let (client, at) = (client.parse()?, address.parse()?);
        self.from_switch(move || lan::ask(lan::connect_from(client, at)?, path))
    }

    /// Does something in the network of a host.
    pub fn from_host<T: Send>(&self, host: &Host, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        enter(host.pid(), Inside::Network, work)
    }

    /// Sets the largest packet of the whole LAN.
    pub fn mtu(&self, bytes: u32) -> Result<()> {
        for host in &self.hosts {
            host.admin(&format!("ip link set eth0 mtu {bytes}"))?;
            self.switch.mtu(host, bytes)?;
        }
        Ok(())
    }

    /// Puts a host's cable back.
    pub fn plug(&self, host: &Host) -> Result<()> {
        self.switch.cable(host, true)?;
        Ok(())
    }
}

/// The process's allocation: acquired at first use, released by [`release_all`].
static ALLOCATION: Mutex<Option<&'static Allocation>> = Mutex::new(None);

fn allocation() -> Result<&'static Allocation> {
    let mut allocation = ALLOCATION.lock().unwrap_or_else(PoisonError::into_inner);
    if allocation.is_none() {
        *allocation = Some(Box::leak(Box::new(Allocation::acquire().context("cannot allocate users for the hosts")?)));
    }
    allocation.context("no allocation")
}

/// Removes everything of this process, whatever state it is in.
pub(crate) fn release_all() -> Result<()> {
    let allocation = *ALLOCATION.lock().unwrap_or_else(PoisonError::into_inner);
    allocation.map_or(Ok(()), Allocation::clean)
}
