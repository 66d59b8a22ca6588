//! Packets of other sizes than Ethernet's usual one.

use anyhow::{Context, Result, ensure};
use usernetes_e2e::{Machine, Namespace, Testbed};

use crate::one_on_every_node;
use crate::traffic::carry;

/// What VXLAN over IPv4 adds to a packet.
const VXLAN: u32 = 50;
/// Stalls show long before its end.
pub(crate) const SOME: &str = "yes \"$(seq 1 700)\" | head -c 67108864";

/// The same nodes, stopped and started on a LAN of another size.
pub(crate) fn changes(testbed: &Testbed, mtu: u32) -> Result<()> {
    for host in testbed.hosts() {
        host.tool(&["stop"]).ok()?;
    }
    testbed.mtu(mtu)?;
    for host in testbed.hosts() {
        host.tool(&["start"]).ok()?;
    }
    for host in testbed.hosts() {
        let node = format!("node/{}", host.name());
        testbed.host().kubectl(&["wait", "--for=condition=Ready", &node, "--timeout=60s"])?;
    }
    holds(testbed, mtu)
}

/// Pods have what the LAN leaves them, and much passes between them in both directions.
pub(crate) fn holds(testbed: &Testbed, mtu: u32) -> Result<()> {
    let namespace = Namespace::new(testbed.host(), &format!("mtu-{mtu}"))?;
    let pods = one_on_every_node(&namespace)?;
    let [(one, _), (other, _)] = &pods[..] else { anyhow::bail!("not two pods: {pods:?}") };
    for pod in [one, other] {
        let own = namespace.sh(pod, "cat /sys/class/net/eth0/mtu")?;
        ensure!(own == (mtu - VXLAN).to_string(), "a pod has MTU {own} on a LAN of {mtu}");
    }
    let expected = namespace.sh(one, &format!("{SOME} | sha256sum"))?;
    for (from, to) in [(one, other), (other, one)] {
        let received = carry(&namespace, from, to, SOME, 60).with_context(|| format!("MTU {mtu}"))?;
        ensure!(received == expected, "MTU {mtu}: sent {expected}, received {received}");
    }
    Ok(())
}
