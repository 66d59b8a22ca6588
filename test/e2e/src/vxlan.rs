//! Datagrams as a VXLAN device would send them.

use std::net::Ipv4Addr;

/// The UDP port of a pod to which [`datagram`] sends. Nothing listens there, so the pod's kernel counts what arrives.
pub const PORT: u16 = 7777;

/// A UDP datagram from `source` to a pod, in an Ethernet frame to `mac`, in VXLAN of flannel's network 1.
pub fn datagram(mac: [u8; 6], source: Ipv4Addr, pod: Ipv4Addr, text: &[u8]) -> Vec<u8> {
    let udp = u16::try_from(8 + text.len()).expect("short");
    let mut ip = vec![0x45, 0];
    ip.extend((20 + udp).to_be_bytes());
    ip.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    ip.extend(source.octets());
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
    packet.extend(PORT.to_be_bytes());
    packet.extend(udp.to_be_bytes());
    // No checksum: UDP over IPv4 may go without.
    packet.extend([0, 0]);
    packet.extend(text);
    packet
}

/// Parses an Ethernet address.
pub fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let bytes: Vec<u8> = text.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>().ok()?;
    bytes.try_into().ok()
}

/// Datagrams to ports that nothing listens on, in the text of `/proc/net/snmp`.
pub fn refused_datagrams(snmp: &str) -> Option<u32> {
    let mut lines = snmp.lines().filter(|line| line.starts_with("Udp:")).map(str::split_whitespace);
    let (_, value) = lines.next()?.zip(lines.next()?).find(|(name, _)| *name == "NoPorts")?;
    value.parse().ok()
}
