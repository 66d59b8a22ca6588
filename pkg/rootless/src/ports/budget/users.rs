//! Users of the host behind connections: they share its addresses, but not a share of connections.
//!
//! The kernel names the uid of a socket by its addresses (`sock_diag(7)`). The netlink socket is one of the host's network
//! namespace, made by the parent: with one of its own, this process would see its own namespace.

use nix::errno::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};

/// Type of requests and answers.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
/// Length of the header of netlink.
const HEADER: usize = 16;
/// Length of a request.
const REQUEST: u32 = 72;
/// Places in an answer: state of the socket, and the uid of its owner.
const STATE: usize = HEADER + 1;
const UID: usize = HEADER + 64;
const ESTABLISHED: u8 = 1;
/// Answers to earlier requests that are skipped.
const MAX_STALE: usize = 8;

/// Finds the users of sockets in the host's network namespace.
pub(super) struct Users {
    socket: OwnedFd,
    sequence: AtomicU32,
}

/// A netlink socket for [`Users`], of this process's network namespace.
pub(crate) fn open_users_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(netlink::SOCK_DIAG))?)
}

impl Users {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self { socket, sequence: AtomicU32::new(0) }
    }

    /// Uid of the user whose socket `client` is connected to `server`; `None` for clients on other hosts.
    pub(super) fn find_user(&self, client: SocketAddr, server: SocketAddr) -> Option<u32> {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        send(&self.socket, &encode_request(sequence, client, server)?, SendFlags::DONTWAIT).ok()?;
        // The kernel has answered when the request is sent.
        (0..MAX_STALE).find_map(|_| match self.receive() {
            Ok(answer) => (read_u32(&answer, 8) == Some(sequence)).then(|| parse_user(&answer)),
            Err(Errno::EINTR) => None,
            Err(_) => Some(None),
        })?
    }

    fn receive(&self) -> Result<Vec<u8>, Errno> {
        let mut answer = vec![0; 512];
        let received = recv(&self.socket, &mut answer[..], RecvFlags::DONTWAIT);
        let (length, _) = received.map_err(|error| Errno::from_raw(error.raw_os_error()))?;
        answer.truncate(length);
        Ok(answer)
    }
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2` for exactly one TCP socket.
fn encode_request(sequence: u32, client: SocketAddr, server: SocketAddr) -> Option<Vec<u8>> {
    const TCP: u8 = 6;
    const ANY_COOKIE: [u8; 8] = [0xff; 8];
    let (client_ip, server_ip) = (client.ip().to_canonical(), server.ip().to_canonical());
    let family = match (client_ip, server_ip) {
        (IpAddr::V4(_), IpAddr::V4(_)) => AddressFamily::INET,
        (IpAddr::V6(_), IpAddr::V6(_)) => AddressFamily::INET6,
        _ => return None,
    };
    let mut request = Vec::new();
    request.extend(REQUEST.to_ne_bytes());
    request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend(NLM_F_REQUEST.to_ne_bytes());
    request.extend(sequence.to_ne_bytes());
    request.extend(0_u32.to_ne_bytes());
    request.extend([u8::try_from(family.as_raw()).ok()?, TCP, 0, 0]);
    request.extend(u32::MAX.to_ne_bytes());
    request.extend(client.port().to_be_bytes());
    request.extend(server.port().to_be_bytes());
    request.extend(encode_address(client_ip));
    request.extend(encode_address(server_ip));
    request.extend(0_u32.to_ne_bytes());
    request.extend(ANY_COOKIE);
    Some(request)
}

fn encode_address(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&v4.octets());
            bytes
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// Reads the uid of `struct inet_diag_msg`. A socket that is closed has no user.
fn parse_user(answer: &[u8]) -> Option<u32> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    (kind == SOCK_DIAG_BY_FAMILY && *answer.get(STATE)? == ESTABLISHED).then(|| read_u32(answer, UID))?
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn the_user_of_a_client_on_this_host_is_found() {
        let users = Users::new(open_users_socket().expect("a socket"));
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let server = listener.local_addr().expect("an address");
            let stream = TcpStream::connect(server).expect("connected");
            let client = stream.local_addr().expect("an address");
            assert_eq!(users.find_user(client, server), Some(nix::unistd::getuid().as_raw()));
            assert_eq!(users.find_user(SocketAddr::new(client.ip(), 1), server), None);
        }
        let elsewhere = "198.51.100.7:40000".parse().expect("an address");
        assert_eq!(users.find_user(elsewhere, "198.51.100.11:80".parse().expect("an address")), None);
    }

    proptest! {
        #[test]
        fn no_answer_panics(answer in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_user(&answer);
        }
    }
}
