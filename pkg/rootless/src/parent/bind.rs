//! Sockets of the host's network namespace, made for the child.

use super::port_owner;
use crate::protocol::BindFailure;
use nix::errno::Errno;
use rustix::net::sockopt::set_socket_recv_buffer_size;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use usernetes_api::{PortSpec, Protocol};

/// Wanted for bursts of datagrams; the kernel gives at most `net.core.rmem_max`.
const UDP_BUFFER: usize = 4 * 1024 * 1024;

/// A listening or bound socket that does not block.
pub(super) fn bind(spec: &PortSpec) -> Result<OwnedFd, BindFailure> {
    make(spec).map_err(|error| {
        let errno = error.raw_os_error().unwrap_or(Errno::EINVAL as i32);
        let busy = errno == Errno::EADDRINUSE as i32;
        BindFailure { errno, owner: busy.then(|| port_owner::find(spec)).flatten() }
    })
}

fn make(spec: &PortSpec) -> io::Result<OwnedFd> {
    Ok(match spec.protocol {
        Protocol::Tcp => {
            let socket = TcpListener::bind(spec.host)?;
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
