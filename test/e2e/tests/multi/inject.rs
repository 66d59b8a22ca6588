//! Packets for the pod network from a host outside of the cluster.

use anyhow::{Context, Result, ensure};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use usernetes_e2e::{IMAGE, Machine, Namespace, Testbed};

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
    let mac: Vec<u8> = mac.text().split(':').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>()?;
    let mac: [u8; 6] = mac.try_into().ok().context("no address of six bytes")?;
    let to: SocketAddr = format!("{}:8472", target.address()).parse()?;
    let send = || {
        let packet = vxlan(mac, pod, b"hello");
        move || {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            (0..DATAGRAMS).try_for_each(|_| socket.send_to(&packet, to).map(drop))?;
            Ok(())
        }
    };
    // One queue for both: when the second ten have arrived, the first ten have had their turn.
    testbed.from_switch(send())?;
    testbed.from_host(first, send())?;
    let arrived = || refused_datagrams(&namespace.sh("ear", "cat /proc/net/snmp")?);
    first.until("what a member sends arrives", 10, |_| Ok(arrived()? >= DATAGRAMS))?;
    ensure!(arrived()? == DATAGRAMS, "{} datagrams arrived, {DATAGRAMS} of them from a member", arrived()?);
    Ok(())
}

/// Datagrams for a port without a socket: the kernel counts them.
fn refused_datagrams(snmp: &str) -> Result<u32> {
    let mut lines = snmp.lines().filter(|line| line.starts_with("Udp:")).map(str::split_whitespace);
    let (names, values) = (lines.next().context("no names")?, lines.next().context("no values")?);
    let (_, value) = names.zip(values).find(|(name, _)| *name == "NoPorts").context("no counter NoPorts")?;
    Ok(value.parse()?)
}

/// A UDP datagram to port 7777 of a pod, in an Ethernet frame, in VXLAN of flannel's network 1.
fn vxlan(mac: [u8; 6], pod: Ipv4Addr, text: &[u8]) -> Vec<u8> {
    let udp = u16::try_from(8 + text.len()).expect("short");
    let mut ip = vec![0x45, 0];
    ip.extend((20 + udp).to_be_bytes());
    ip.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    ip.extend(Ipv4Addr::new(10, 244, 0, 0).octets());
    ip.extend(pod.octets());
    let sum: u32 = ip.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).expect("folded");
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());

    let mut packet = vec![8, 0, 0, 0, 0, 0, 1, 0];
    packet.extend(mac);
    packet.extend([2, 0, 0, 0, 0, 1, 8, 0]);
    packet.extend(ip);
    packet.extend(9999_u16.to_be_bytes());
    packet.extend(7777_u16.to_be_bytes());
    packet.extend(udp.to_be_bytes());
    // No checksum: UDP over IPv4 may go without.
    packet.extend([0, 0]);
    packet.extend(text);
    packet
}
