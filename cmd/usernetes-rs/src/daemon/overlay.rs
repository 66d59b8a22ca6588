//! Whether packets cross the pod network: a connection to another node's end of the tunnel, by the tunnel alone.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpSocket;
use tokio::time::timeout;

/// flannel's interface.
const TUNNEL: &str = "flannel.1";
/// How long one attempt waits: shorter than the kernel's pause before it sends the first packet again.
const PATIENCE: Duration = Duration::from_millis(200);
/// Nobody has to listen there: a refusal has crossed the tunnel twice as well. TCP's discard port.
const PORT: u16 = 9;

/// Tries until the other end answers; the caller's own patience is the limit.
pub(super) async fn wait(peer: IpAddr) -> io::Result<()> {
    // A missing interface fails at once: the pace is that of the clock.
    let mut pace = tokio::time::interval(PATIENCE);
    loop {
        pace.tick().await;
        if answers(peer).await? {
            return Ok(());
        }
    }
}

/// Whether a packet went there and one came back. Bound to the tunnel, since without its route the packet would leave
/// for the outside, and whoever refuses it there proves nothing.
async fn answers(peer: IpAddr) -> io::Result<bool> {
    let socket = if peer.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if socket.bind_device(Some(TUNNEL.as_bytes())).is_err() {
        return Ok(false);
    }
    match timeout(PATIENCE, socket.connect(SocketAddr::new(peer, PORT))).await {
        Ok(Ok(_)) => Ok(true),
        Ok(Err(error)) => Ok(matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset)),
        Err(_) => Ok(false),
    }
}
