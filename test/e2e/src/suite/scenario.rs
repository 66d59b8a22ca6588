//! What a test binary declares: its scenarios, their hosts and the cluster that they share.

use anyhow::Result;

use crate::suite::plan::Planned;
use crate::suite::report::HostKind;
use crate::suite::requirement::Requirement;
use crate::testbed::Testbed;

/// One thing that a user does, on real processes.
pub struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) needs: Vec<Requirement>,
    pub(crate) setup: Setup,
    kind: Option<HostKind>,
}

/// Where a scenario runs.
#[derive(Clone, Copy)]
pub(crate) enum Setup {
    /// Hosts of its own.
    Own(Topology, fn(&Testbed) -> Result<()>),
    /// The cluster that all scenarios of its kind in this binary share.
    Shared(fn(&Testbed) -> Result<()>),
}

/// How many hosts are on the switch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Topology {
    /// Hosts that are namespaces of this machine.
    pub hosts: usize,
    /// Hosts with a kernel and a systemd of their own.
    pub guests: usize,
}

impl Topology {
    /// So many guests and no host.
    pub const fn guests(guests: usize) -> Self {
        Self { hosts: 0, guests }
    }
}

impl From<usize> for Topology {
    fn from(hosts: usize) -> Self {
        Self { hosts, guests: 0 }
    }
}

/// The cluster that scenarios of a binary share: so many hosts, and what makes the cluster of them.
#[derive(Clone, Copy)]
pub struct SharedCluster {
    /// Its hosts.
    pub topology: Topology,
    /// Makes the cluster.
    pub create: fn(&Testbed) -> Result<()>,
}

impl Scenario {
    /// A scenario with fresh hosts.
    pub fn own(
        name: &'static str,
        topology: impl Into<Topology>,
        needs: &[Requirement],
        run: fn(&Testbed) -> Result<()>,
    ) -> Self {
        Self { name, needs: needs.to_vec(), setup: Setup::Own(topology.into(), run), kind: None }
    }

    /// A scenario on the shared cluster of hosts.
    pub fn shared(name: &'static str, run: fn(&Testbed) -> Result<()>) -> Self {
        let needs = [Requirement::Hosts, Requirement::Program, Requirement::Bundle, Requirement::Command("init")];
        Self::shared_with(name, &needs, run)
    }

    /// A scenario on the shared cluster, which needs something else than hosts and a bundle.
    pub fn shared_with(name: &'static str, needs: &[Requirement], run: fn(&Testbed) -> Result<()>) -> Self {
        Self { name, needs: needs.to_vec(), setup: Setup::Shared(run), kind: None }
    }

    /// Reports another kind of host than the topology implies.
    #[must_use]
    pub fn on(mut self, kind: HostKind) -> Self {
        self.kind = Some(kind);
        self
    }

    pub(crate) fn host_kind(&self, cluster: Option<SharedCluster>) -> HostKind {
        self.kind.unwrap_or_else(|| HostKind::of(self.topology(cluster)))
    }

    pub(crate) fn planned(&self, cluster: Option<SharedCluster>) -> Planned {
        let topology = self.topology(cluster);
        let shared = matches!(self.setup, Setup::Shared(_));
        Planned { name: self.name.to_owned(), shared, hosts: topology.hosts, guests: topology.guests }
    }

    fn topology(&self, cluster: Option<SharedCluster>) -> Topology {
        match self.setup {
            Setup::Own(topology, _) => topology,
            Setup::Shared(_) => cluster.map(|cluster| cluster.topology).unwrap_or_default(),
        }
    }
}
