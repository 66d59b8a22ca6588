//! Packets for pods that no pod has sent.

use anyhow::{Context as _, Result, bail, ensure};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread::sleep;
use std::time::Duration;
use usernetes_e2e::{Host, Machine, Namespace, SWITCH, Testbed, pod, vxlan};

/// Datagrams of each sender.
const DATAGRAMS: u32 = 10;

/// A pod on the first host that counts what arrives at a port, and how to send there.
struct Target<'a> {
    namespace: Namespace<'a>,
    pod: Ipv4Addr,
    mac: [u8; 6],
    relay: SocketAddr,
}

impl<'a> Target<'a> {
    fn new(first: &'a Host, name: &str) -> Result<Self> {
        let namespace = Namespace::new(first, name)?;
        namespace.apply(&pod("ear", "exec httpd -f -p 8080 -h /etc", &format!("  nodeName: {}", first.name())))?;
        namespace.ready(&["pod/ear"])?;
        let address = namespace.field("pod/ear", ".status.podIP")?.parse()?;
        let mac = first.tool(&["shell", "--", "cat", "/sys/class/net/flannel.1/address"]).ok()?;
        let mac = vxlan::parse_mac(mac.text()).context("no Ethernet address")?;
        let relay = format!("{}:8472", first.address()).parse()?;
        Ok(Self { namespace, pod: address, mac, relay })
    }

    /// Sends datagrams whose inner packets come from `source`, by a socket with the address `from`.
    fn send(&self, from: &str, source: Ipv4Addr) -> impl FnOnce() -> Result<()> + Send + use<> {
        let from = format!("{from}:0");
        let datagram = vxlan::datagram(self.mac, source, self.pod, b"hello");
        let relay = self.relay;
        move || {
            let socket = UdpSocket::bind(from)?;
            (0..DATAGRAMS).try_for_each(|_| socket.send_to(&datagram, relay).map(drop))?;
            Ok(())
        }
    }

    fn arrived(&self) -> Result<u32> {
        vxlan::refused_datagrams(&self.namespace.sh("ear", "cat /proc/net/snmp")?).context("no counter NoPorts")
    }
}

fn pod_network(first: &Host, node: &str) -> Result<Ipv4Addr> {
    let network = first.kubectl(&["get", "node", node, "-o", "jsonpath={.spec.podCIDR}"])?;
    let (address, _) = network.text().split_once('/').context("no network")?;
    Ok(address.parse()?)
}

fn next(network: Ipv4Addr, number: u32) -> Ipv4Addr {
    (u32::from(network) + number).into()
}

/// A user of a member host got answers from any pod by an inner address of his own.
pub(crate) fn forged_packets_reach_no_pod(testbed: &Testbed) -> Result<()> {
    let [first, worker] = testbed.hosts() else { bail!("not two hosts") };
    let target = Target::new(first, "forged")?;
    let theirs = pod_network(first, &worker.name())?;
    let own = pod_network(first, &first.name())?;
    let foreign = [
        worker.address().parse()?,
        first.address().parse()?,
        SWITCH.parse()?,
        next(own, 77),
        Ipv4Addr::new(10, 244, 200, 7),
        Ipv4Addr::new(10, 96, 0, 10),
        Ipv4Addr::LOCALHOST,
    ];
    for source in foreign {
        testbed.from_host(worker, target.send("0.0.0.0", source))?;
    }
    // One queue for all: when these have arrived, those before have had their turn.
    testbed.from_host(worker, target.send("0.0.0.0", next(theirs, 7)))?;
    first.until("packets of the sender's pods arrive", 10, |_| Ok(target.arrived()? >= DATAGRAMS))?;
    ensure!(target.arrived()? == DATAGRAMS, "{} datagrams arrived, {DATAGRAMS} of a pod", target.arrived()?);
    // Pods and processes of a node reach a pod of another one, with the addresses that they have.
    for node in [first, worker] {
        let ask =
            ["shell", "--", "curl", "-s", "--fail", "--max-time", "10", &format!("http://{}:8080/passwd", target.pod)];
        node.tool(&ask).ok().with_context(|| format!("from the node {}", node.name()))?;
    }
    target.namespace.apply(&pod("mouth", "sleep 36000", &format!("  nodeName: {}", worker.name())))?;
    target.namespace.ready(&["pod/mouth"])?;
    target.namespace.sh("mouth", &format!("ping -c 1 -w 5 {}", target.pod)).map(drop)
}

/// A worker's annotation opened every relay to any address, also to users of the host of that relay.
pub(crate) fn annotations_open_no_relay(testbed: &Testbed) -> Result<()> {
    let [first, worker] = testbed.hosts() else { bail!("not two hosts") };
    let target = Target::new(first, "annotated")?;
    let theirs = next(pod_network(first, &worker.name())?, 7);
    let many = (1..=8).map(|n| format!("203.0.113.{n}")).collect::<Vec<_>>().join(",");
    let annotate = |name: &str, value: &str| {
        first.kubectl(&["annotate", "node", &worker.name(), "--overwrite", &format!("usernetes.rs/{name}{value}")])
    };
    for name in ["egress-addresses", "sources"] {
        annotate(name, &format!("=127.0.0.1,10.96.0.1,{many},{SWITCH}"))?;
        // There is nothing to wait for: nothing is to change.
        sleep(Duration::from_secs(3));
        testbed.from_host(first, target.send("127.0.0.1", theirs))?;
        testbed.from_switch(target.send(SWITCH, theirs))?;
        annotate(name, "-")?;
    }
    // The relay has other peers than before for the switch's address alone, and only with packets of that peer's pods.
    annotate("egress-addresses", &format!("={SWITCH}"))?;
    first.until("the address counts", 30, |_| {
        testbed.from_switch(target.send(SWITCH, SWITCH.parse()?))?;
        testbed.from_switch(target.send(SWITCH, theirs))?;
        sleep(Duration::from_millis(200));
        Ok(target.arrived()? > 0)
    })?;
    let arrived = target.arrived()?;
    annotate("egress-addresses", "-")?;
    ensure!(arrived <= DATAGRAMS, "{arrived} datagrams arrived, {DATAGRAMS} of a pod");
    Ok(())
}
