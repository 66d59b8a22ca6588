//! One DNS question over UDP, asked from inside the node: whether CoreDNS answers through its ClusterIP.

use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, TYPE};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// How long one question waits. The first one is often lost while flannel's interface appears, so it is short.
const PATIENCE: Duration = Duration::from_millis(100);

/// Asks until `server` answers an address question for `name`; the caller's own patience is the limit.
pub(super) async fn wait(server: SocketAddr, name: &str) -> io::Result<()> {
    // A refusal comes back at once: the pace is that of the clock, not of the answers.
    let mut pace = tokio::time::interval(PATIENCE);
    loop {
        pace.tick().await;
        if answers(server, name).await? {
            return Ok(());
        }
    }
}

/// Whether `server` answers one address question for `name` with at least one address.
async fn answers(server: SocketAddr, name: &str) -> io::Result<bool> {
    let socket = UdpSocket::bind(if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).await?;
    let question = question(name)?;
    let mut buffer = [0; 1500];
    let exchange = async {
        socket.connect(server).await?;
        socket.send(&question).await?;
        socket.recv(&mut buffer).await
    };
    // No answer in time, an ICMP refusal, or a packet that kube-proxy's rules do not let out while the Service has no
    // endpoint (EPERM): all of them pass when CoreDNS is ready.
    let Ok(Ok(size)) = timeout(PATIENCE, exchange).await else { return Ok(false) };
    Ok(is_answer(&buffer[..size]))
}

fn question(name: &str) -> io::Result<Vec<u8>> {
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
    async fn a_refusal_is_no_answer_yet() {
        let refusing = "127.0.0.1:1".parse().unwrap();
        assert!(!super::answers(refusing, "kubernetes.default.svc.cluster.local").await.unwrap());
        // The kernel lets nothing out to this address without SO_BROADCAST.
        let forbidden = "255.255.255.255:53".parse().unwrap();
        assert!(!super::answers(forbidden, "kubernetes.default.svc.cluster.local").await.unwrap());
    }

    #[test]
    fn a_question_is_no_answer() {
        let bytes = super::question("kubernetes.default.svc.cluster.local").unwrap();
        assert!(!super::is_answer(&bytes));
        assert!(!super::is_answer(b"nonsense"));
    }
}
