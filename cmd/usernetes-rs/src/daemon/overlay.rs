//! Whether packets cross the pod network: a connection to another node's end of the tunnel, by the tunnel alone.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::net::TcpSocket;
use tokio::time::timeout;

/// flannel's interface.
const TUNNEL: &str = "flannel.1";
/// How long one attempt waits: shorter than the kernel's pause before it sends the first packet again.
const PATIENCE: Duration = Duration::from_millis(200);
/// Nobody has to listen there: a refusal has crossed the tunnel twice as well. TCP's discard port.
const PORT: u16 = 9;

/// How long the other end may be silent once our own is there: it hears of us by a watch.
const SILENCE: Duration = Duration::from_secs(15);

/// Tries until the other end answers. How long our own end takes to appear is limited by the caller's patience.
pub(super) async fn wait(peer: IpAddr) -> io::Result<()> {
    // A missing interface fails at once: the pace is that of the clock.
    let mut pace = tokio::time::interval(PATIENCE);
    let mut since = None;
    loop {
        pace.tick().await;
        match answers(peer).await? {
            Some(true) => return Ok(()),
            Some(false) if since.get_or_insert_with(Instant::now).elapsed() > SILENCE => {
                let message = format!("{TUNNEL} is up, but {peer} is silent for {SILENCE:?}");
                return Err(io::Error::new(ErrorKind::TimedOut, message));
            }
            Some(false) | None => {}
        }
    }
}

/// Whether a packet went there and one came back; `None` as long as there is no tunnel. Bound to the tunnel, since without its route the packet would leave
/// for the outside, and whoever refuses it there proves nothing.
async fn answers(peer: IpAddr) -> io::Result<Option<bool>> {
    let socket = if peer.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if socket.bind_device(Some(TUNNEL.as_bytes())).is_err() {
        return Ok(None);
    }
    Ok(Some(match timeout(PATIENCE, socket.connect(SocketAddr::new(peer, PORT))).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset),
        Err(_) => false,
    }))
}
