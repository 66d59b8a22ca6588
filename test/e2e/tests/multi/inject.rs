//! Packets for the pod network from a host outside of the cluster.

use anyhow::{Context, Result, ensure};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use usernetes_e2e::{IMAGE, Machine, Namespace, Testbed, vxlan};

/// From each sender.
const DATAGRAMS: u32 = 10;

/// The datagrams are the same from every sender: only the sender's address decides.
pub(crate) fn strangers_cannot_send_into_the_pod_network(testbed: &Testbed) -> Result<()> {
    let [first, target, ..] = testbed.hosts() else { anyhow::bail!("not two hosts") };
    let namespace = Namespace::new(first, "inject")?;
    namespace.apply(&format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: ear}}
spec:
  nodeSelector: {{kubernetes.io/hostname: {}}}
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: {IMAGE}
    imagePullPolicy: IfNotPresent
    command: [sh, -c, 'sleep 36000']
",
        target.name()
    ))?;
    namespace.ready(&["pod/ear"])?;
    let pod: Ipv4Addr = namespace.field("pod/ear", ".status.podIP")?.parse()?;
    let mac = target.tool(&["shell", "--", "cat", "/sys/class/net/flannel.1/address"]).ok()?;
    let mac = vxlan::parse_mac(mac.text()).context("no Ethernet address")?;
    let to: SocketAddr = format!("{}:8472", target.address()).parse()?;
    let send = || {
        let packet = vxlan::datagram(mac, [10, 244, 0, 0].into(), pod, b"hello");
        move || {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            (0..DATAGRAMS).try_for_each(|_| socket.send_to(&packet, to).map(drop))?;
            Ok(())
        }
    };
    // One queue for both: when the second ten have arrived, the first ten have had their turn.
    testbed.from_switch(send())?;
    testbed.from_host(first, send())?;
    let arrived = || vxlan::refused_datagrams(&namespace.sh("ear", "cat /proc/net/snmp")?).context("no counter");
    first.until("what a member sends arrives", 10, |_| Ok(arrived()? >= DATAGRAMS))?;
    ensure!(arrived()? == DATAGRAMS, "{} datagrams arrived, {DATAGRAMS} of them from a member", arrived()?);
    Ok(())
}
