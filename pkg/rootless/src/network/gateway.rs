//! Watches whether the network driver carries packets: one that hangs keeps its process, and the node has no network.
//!
//! Every driver answers echo requests (RFC 792) to the gateway of the tap by itself, whatever the host's network is like.

use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// Interval of requests.
const PERIOD: Duration = Duration::from_secs(5);
/// Consecutive requests without an answer after which the driver hangs. A restart ends every connection of the node, so
/// that a busy driver or host is not enough.
const LOST: u32 = 6;
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;

/// Returns when the gateway has not answered for half a minute. A request that this process cannot send does not count.
pub(crate) async fn wait_for_silence(gateway: Ipv4Addr) {
    let mut lost = 0;
    let mut sequence: u16 = 0;
    while lost < LOST {
        sequence = sequence.wrapping_add(1);
        let end = Instant::now() + PERIOD;
        match echo(gateway, sequence, end).await {
            Ok(true) => {
                lost = 0;
                sleep_until(end).await;
            }
            Ok(false) => lost += 1,
            Err(error) => {
                tracing::debug!(%error, "cannot ask the gateway of the tap");
                sleep(PERIOD).await;
            }
        }
    }
}

/// Whether the answer to one request comes in time.
async fn echo(gateway: Ipv4Addr, sequence: u16, end: Instant) -> io::Result<bool> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET, SocketType::RAW, flags, Some(ipproto::ICMP))?;
    rustix::net::connect(&socket, &SocketAddr::from((gateway, 0)))?;
    // Only for its send and receive: the socket has no ports.
    let socket = UdpSocket::from_std(socket.into())?;
    socket.send(&echo_request(sequence)).await?;
    let mut packet = [0; 128];
    loop {
        match timeout_at(end, socket.recv(&mut packet)).await {
            Ok(received) => {
                if is_reply(&packet[..received?], sequence) {
                    return Ok(true);
                }
            }
            Err(_) => return Ok(false),
        }
    }
}

/// An echo request without data. Its identifier is that of this module: no other process of the node sends raw ones.
fn echo_request(sequence: u16) -> [u8; 8] {
    const IDENTIFIER: u16 = 0x7573;
    let sum = u32::from(u16::from(ECHO_REQUEST) << 8) + u32::from(IDENTIFIER) + u32::from(sequence);
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(u16::MAX);
    let [id, number, check] = [IDENTIFIER, sequence, checksum].map(u16::to_be_bytes);
    [ECHO_REQUEST, 0, check[0], check[1], id[0], id[1], number[0], number[1]]
}

/// Whether an IPv4 packet is the reply to [`echo_request`].
fn is_reply(packet: &[u8], sequence: u16) -> bool {
    let header = packet.first().map_or(0, |first| usize::from(first & 0xf) * 4);
    let request = echo_request(sequence);
    packet.get(header..header + 8).is_some_and(|icmp| icmp[0] == ECHO_REPLY && icmp[4..] == request[4..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requests_and_replies() {
        let request = echo_request(3);
        let words = request.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
        assert_eq!(words.sum::<u32>() % 0xffff, 0, "its checksum");
        let mut packet = vec![0x45; 20];
        packet.extend(request);
        assert!(!is_reply(&packet, 3), "a request");
        packet[20] = ECHO_REPLY;
        assert!(is_reply(&packet, 3));
        assert!(!is_reply(&packet, 4), "of an earlier request");
    }

    proptest! {
        #[test]
        fn any_packet_is_read(packet: Vec<u8>, sequence: u16) {
            let _ = is_reply(&packet, sequence);
        }
    }
}
