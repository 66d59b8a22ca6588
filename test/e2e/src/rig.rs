//! Hosts on one switch.

use anyhow::{Context, Result};
use std::sync::{Mutex, PoisonError};

use crate::guest::Guest;
use crate::host::Host;
use crate::lan;
use crate::namespaces::{Inside, enter};
use crate::network::Switch;
use crate::product::Product;
use crate::slot::Slot;
use crate::suite::Crew;

/// Hosts on one switch. Dropping it ends and removes them all.
pub struct Rig {
    hosts: Vec<Host>,
    guests: Vec<Guest>,
    switch: Switch,
}

impl Rig {
    /// A rig with the product on every host, as far as there is one.
    pub fn new(crew: impl Into<Crew>) -> Result<Self> {
        let crew = crew.into();
        let product = Product::find();
        let slot = slot()?;
        let switch = Switch::new()?;
        let furnish = |number| {
            let host = Host::new(slot, number, &product)?;
            switch.plug(&host)?;
            Ok(host)
        };
        let hosts = (1..=crew.hosts).map(furnish).collect::<Result<_>>()?;
        let guests = (1..=crew.guests).map(|number| Guest::new(slot, number, &switch)).collect::<Result<_>>()?;
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

    /// Does something in the network of the switch: as somebody on the LAN who is no host.
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

/// The process's slot: taken at first use, given back by [`give_back`].
static SLOT: Mutex<Option<&'static Slot>> = Mutex::new(None);

fn slot() -> Result<&'static Slot> {
    let mut slot = SLOT.lock().unwrap_or_else(PoisonError::into_inner);
    if slot.is_none() {
        *slot = Some(Box::leak(Box::new(Slot::take().context("cannot take a slot for the hosts")?)));
    }
    slot.context("no slot")
}

/// Removes everything of this process, whatever state it is in.
pub(crate) fn give_back() -> Result<()> {
    let slot = *SLOT.lock().unwrap_or_else(PoisonError::into_inner);
    slot.map_or(Ok(()), Slot::clean)
}
