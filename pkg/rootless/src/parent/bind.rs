//! Sockets of the host's network namespace for the child.

use super::port_owner;
use crate::protocol::BindFailure;
use nix::errno::Errno;
use rustix::net::listen;
use rustix::net::sockopt::set_socket_recv_buffer_size;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use usernetes_api::{PortSpec, Protocol};

/// Receive buffer in bytes, for bursts of datagrams; the kernel grants at most `net.core.rmem_max`.
const UDP_BUFFER: usize = 4 * 1024 * 1024;

/// Connections that wait to be accepted; the kernel grants at most `net.core.somaxconn`. With the standard library's 128, a
/// flood keeps the queue full, and other clients' connections time out.
const BACKLOG: i32 = 4096;

/// Makes a non-blocking socket that listens (TCP) or is bound (UDP).
pub(super) fn bind_port(spec: &PortSpec) -> Result<OwnedFd, BindFailure> {
    open_socket(spec).map_err(|error| {
        let errno = error.raw_os_error().unwrap_or(Errno::EINVAL as i32);
        let busy = errno == Errno::EADDRINUSE as i32;
        BindFailure { errno, owner: busy.then(|| port_owner::find_owner(spec)).flatten() }
    })
}

fn open_socket(spec: &PortSpec) -> io::Result<OwnedFd> {
    Ok(match spec.protocol {
        Protocol::Tcp => {
            let socket = TcpListener::bind(spec.host)?;
            listen(&socket, BACKLOG)?;
            socket.set_nonblocking(true)?;
            socket.into()
        }
        Protocol::Udp => {
            let socket = UdpSocket::bind(spec.host)?;
            socket.set_nonblocking(true)?;
            set_socket_recv_buffer_size(&socket, UDP_BUFFER)?;
            socket.into()
        }
    })
}
