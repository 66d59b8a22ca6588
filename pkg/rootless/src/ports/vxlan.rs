//! The addresses of the packet in a VXLAN datagram (RFC 7348).

use std::net::Ipv4Addr;

/// Length of the VXLAN header.
const VXLAN: usize = 8;
/// Flag of the VXLAN header: the network identifier is valid.
const HAS_NETWORK: u8 = 0x08;
/// Length of an Ethernet header without tags.
const ETHERNET: usize = 14;
/// Type of a frame with an IPv4 packet.
const IPV4: [u8; 2] = [0x08, 0x00];
/// Shortest IPv4 header.
const SHORTEST: usize = 20;

/// Source and destination of an IPv4 packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inner {
    pub(super) source: Ipv4Addr,
    pub(super) destination: Ipv4Addr,
}

/// Reads the addresses of the inner packet; `None` unless the datagram is a whole untagged IPv4 packet in VXLAN.
///
/// flannel's neighbours are set by hand, so ARP is never sent between nodes; and it carries IPv4 only.
pub(super) fn parse_inner(datagram: &[u8]) -> Option<Inner> {
    let (header, frame) = datagram.split_at_checked(VXLAN)?;
    let (ethernet, packet) = frame.split_at_checked(ETHERNET)?;
    if header[0] & HAS_NETWORK == 0 || ethernet[12..] != IPV4 || packet.len() < SHORTEST || packet[0] >> 4 != 4 {
        return None;
    }
    let header_length = usize::from(packet[0] & 0x0f) * 4;
    let length = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    if header_length < SHORTEST || length < header_length || length > packet.len() {
        return None;
    }
    Some(Inner { source: read_address(&packet[12..16])?, destination: read_address(&packet[16..20])? })
}

fn read_address(bytes: &[u8]) -> Option<Ipv4Addr> {
    Some(<[u8; 4]>::try_from(bytes).ok()?.into())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A VXLAN datagram of this length, at least 51 bytes; its last byte is `mark`.
    pub(in super::super) fn datagram(inner: Inner, length: usize, mark: u8) -> Vec<u8> {
        let total = u16::try_from(length - VXLAN - ETHERNET).expect("short");
        let mut datagram = vec![HAS_NETWORK, 0, 0, 0, 0, 0, 1, 0];
        datagram.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
        datagram.extend(IPV4);
        datagram.extend([0x45, 0]);
        datagram.extend(total.to_be_bytes());
        datagram.extend([0, 0, 0, 0, 64, 17, 0, 0]);
        datagram.extend(inner.source.octets());
        datagram.extend(inner.destination.octets());
        datagram.resize(length - 1, 0);
        datagram.push(mark);
        datagram
    }

    fn inner() -> Inner {
        Inner { source: [10, 244, 1, 7].into(), destination: [10, 244, 0, 9].into() }
    }

    #[test]
    fn a_whole_packet_is_read() {
        let datagram = datagram(inner(), 100, 7);
        assert_eq!(parse_inner(&datagram), Some(inner()));
        // Padding of the frame.
        assert_eq!(parse_inner(&[datagram, vec![0; 6]].concat()), Some(inner()));
    }

    #[test]
    fn anything_else_is_refused() {
        let whole = datagram(inner(), 60, 7);
        for length in 0..whole.len() {
            assert_eq!(parse_inner(&whole[..length]), None, "{length}");
        }
        for (place, value) in [(0, 0), (20, 0x81), (21, 6), (22, 0x65), (22, 0x44), (25, 10), (25, 60)] {
            let mut changed = whole.clone();
            changed[place] = value;
            assert_eq!(parse_inner(&changed), None, "{place}: {value}");
        }
    }

    proptest! {
        #[test]
        fn no_datagram_panics(datagram in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse_inner(&datagram);
        }

        #[test]
        fn addresses_are_those_of_the_header(source: [u8; 4], destination: [u8; 4], options in 0_u8..=10, payload in 0_usize..40) {
            let inner = Inner { source: source.into(), destination: destination.into() };
            let header = 20 + usize::from(options) * 4;
            let mut datagram = datagram(inner, VXLAN + ETHERNET + header + payload + 1, 0);
            datagram[VXLAN + ETHERNET] = 0x45 + options;
            prop_assert_eq!(parse_inner(&datagram), Some(inner));
        }
    }
}
