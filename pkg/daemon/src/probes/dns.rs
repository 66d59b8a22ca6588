//! One DNS query over UDP from inside the node: whether CoreDNS answers through its ClusterIP.

use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, TYPE};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// Limit of one query. Short, because the first one is often lost while flannel's interface appears.
const QUERY_LIMIT: Duration = Duration::from_millis(100);

/// Sends queries until `server` answers one for the address of `name`; the caller sets the limit.
pub(crate) async fn wait_for_answer(server: SocketAddr, name: &str) -> io::Result<()> {
    // A refusal comes back at once, so a timer sets the rate.
    let mut timer = tokio::time::interval(QUERY_LIMIT);
    loop {
        timer.tick().await;
        if has_answer(server, name).await? {
            return Ok(());
        }
    }
}

/// Whether `server` answers one query for `name` with at least one address.
async fn has_answer(server: SocketAddr, name: &str) -> io::Result<bool> {
    let socket = UdpSocket::bind(if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).await?;
    let query = build_query(name)?;
    let mut buffer = [0; 1500];
    let exchange = async {
        socket.connect(server).await?;
        socket.send(&query).await?;
        socket.recv(&mut buffer).await
    };
    // A timeout, an ICMP refusal, and EPERM from kube-proxy's rules while the Service has no endpoint all end when CoreDNS
    // is ready.
    let Ok(Ok(size)) = timeout(QUERY_LIMIT, exchange).await else { return Ok(false) };
    Ok(is_answer(&buffer[..size]))
}

fn build_query(name: &str) -> io::Result<Vec<u8>> {
    let mut packet = Packet::new_query(1);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).map_err(io::Error::other)?;
    packet.questions.push(Question::new(name, TYPE::A.into(), CLASS::IN.into(), false));
    packet.build_bytes_vec().map_err(io::Error::other)
}

fn is_answer(bytes: &[u8]) -> bool {
    Packet::parse(bytes).is_ok_and(|p| p.rcode() == RCODE::NoError && !p.answers.is_empty())
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn a_refusal_is_not_an_answer() {
        let refusing = "127.0.0.1:1".parse().unwrap();
        assert!(!super::has_answer(refusing, "kubernetes.default.svc.cluster.local").await.unwrap());
        // The kernel lets nothing out to this address without SO_BROADCAST.
        let forbidden = "255.255.255.255:53".parse().unwrap();
        assert!(!super::has_answer(forbidden, "kubernetes.default.svc.cluster.local").await.unwrap());
    }

    #[test]
    fn a_query_is_not_an_answer() {
        let bytes = super::build_query("kubernetes.default.svc.cluster.local").unwrap();
        assert!(!super::is_answer(&bytes));
        assert!(!super::is_answer(b"nonsense"));
    }
}
