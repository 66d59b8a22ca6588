//! Whether packets cross the pod network: a TCP connection to the tunnel address of another node, through the tunnel only.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::net::TcpSocket;
use tokio::time::timeout;

/// flannel's interface.
const TUNNEL: &str = "flannel.1";
/// Limit of one attempt; shorter than the kernel's first retransmission.
const ATTEMPT_LIMIT: Duration = Duration::from_millis(200);
/// TCP's discard port. No listener is needed: a refusal has crossed the tunnel twice as well.
const PORT: u16 = 9;

/// Longest wait for the peer once the local interface is up: the peer learns of this node by a watch.
const PEER_LIMIT: Duration = Duration::from_secs(15);

/// Tries until the peer answers. The caller limits how long the local interface may take to appear.
pub(crate) async fn wait_for_peer(peer: IpAddr) -> io::Result<()> {
    // A missing interface fails at once, so a timer sets the rate.
    let mut timer = tokio::time::interval(ATTEMPT_LIMIT);
    let mut since = None;
    loop {
        timer.tick().await;
        match has_answer(peer).await? {
            Some(true) => return Ok(()),
            Some(false) if since.get_or_insert_with(Instant::now).elapsed() > PEER_LIMIT => {
                let message = format!("{TUNNEL} is up, but {peer} has not answered for {PEER_LIMIT:?}");
                return Err(io::Error::new(ErrorKind::TimedOut, message));
            }
            Some(false) | None => {}
        }
    }
}

/// Whether a packet came back; `None` while there is no tunnel. The socket is bound to the tunnel: without its route the
/// packet would leave the node, and a refusal from there proves nothing.
async fn has_answer(peer: IpAddr) -> io::Result<Option<bool>> {
    let socket = if peer.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if socket.bind_device(Some(TUNNEL.as_bytes())).is_err() {
        return Ok(None);
    }
    Ok(Some(match timeout(ATTEMPT_LIMIT, socket.connect(SocketAddr::new(peer, PORT))).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset),
        Err(_) => false,
    }))
}
