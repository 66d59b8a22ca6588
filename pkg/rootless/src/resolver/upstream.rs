//! The host's resolvers: its `/etc/resolv.conf`, and requests that are forwarded to them.

use super::message::is_conclusive;
use super::{read_framed, write_framed};
use futures::stream::{FuturesUnordered, StreamExt as _};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout, timeout_at};

/// The host's file, or the link to it.
pub(crate) const RESOLV_CONF: &str = "/etc/resolv.conf";
const PORT: u16 = 53;
/// As many as the resolvers of C libraries use.
const MOST_RESOLVERS: usize = 3;
/// Head start of a resolver before the next one is asked as well.
const HEAD_START: Duration = Duration::from_secs(1);
/// Time for an answer: clients repeat a request after five seconds.
const LIMIT: Duration = Duration::from_millis(4500);

/// Protocol of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// A `resolv.conf`, as resolv.conf(5) describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResolvConf {
    /// Name servers, the first three.
    pub(crate) servers: Vec<SocketAddr>,
    /// Lines `search` and `options` for the node's own file.
    pub(crate) search: Vec<String>,
    /// Whether requests go by TCP only.
    uses_tcp: bool,
}

/// The lines of the host's `resolv.conf` that the node's has as well: search domains and options.
pub fn read_search_lines() -> Vec<String> {
    ResolvConf::parse(&usernetes_host::fs::read_of_system(RESOLV_CONF).unwrap_or_default()).search
}

impl ResolvConf {
    pub(crate) fn parse(text: &str) -> Self {
        let mut conf = Self::default();
        let [mut domains, mut options] = [Vec::new(), Vec::new()];
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => conf.servers.extend(words.next().and_then(parse_server)),
                // The last one counts, and the domain `.` is no domain.
                Some("search" | "domain") => domains = words.filter(|domain| *domain != ".").collect(),
                Some("options") => options.extend(words),
                _ => {}
            }
        }
        conf.servers.truncate(MOST_RESOLVERS);
        conf.uses_tcp = options.contains(&"use-vc");
        for (key, words) in [("search", domains), ("options", options)] {
            if !words.is_empty() {
                conf.search.push(format!("{key} {}", words.join(" ")));
            }
        }
        conf
    }

    /// Those of the file, or this host as in C libraries.
    fn servers(&self) -> &[SocketAddr] {
        const OWN: &[SocketAddr] = &[SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT)];
        if self.servers.is_empty() { OWN } else { &self.servers }
    }
}

/// An address, with the interface of a link-local one: `fe80::1%eth0`.
fn parse_server(word: &str) -> Option<SocketAddr> {
    let Some((address, interface)) = word.split_once('%') else {
        return Some(SocketAddr::new(word.parse().ok()?, PORT));
    };
    let scope = nix::net::if_::if_nametoindex(interface).or_else(|errno| interface.parse().map_err(|_| errno)).ok()?;
    let address: Ipv6Addr = address.parse().ok()?;
    Some(SocketAddrV6::new(address, PORT, 0, scope).into())
}

/// The first conclusive answer of the host's resolvers; else an inconclusive one; `None` if none answers in time.
pub(super) async fn forward_request(request: &[u8], conf: &ResolvConf, transport: Transport) -> Option<Vec<u8>> {
    let transport = if conf.uses_tcp { Transport::Tcp } else { transport };
    let end = Instant::now() + LIMIT;
    let mut asked = FuturesUnordered::new();
    let mut others = conf.servers().iter();
    let mut inconclusive = None;
    loop {
        if let Some(&server) = others.next() {
            asked.push(exchange(server, request, transport));
        } else if asked.is_empty() {
            return inconclusive;
        }
        let until = if others.len() > 0 { end.min(Instant::now() + HEAD_START) } else { end };
        match timeout_at(until, asked.next()).await {
            Ok(Some(Ok(answer))) if is_conclusive(&answer) => return Some(answer),
            Ok(Some(answer)) => inconclusive = answer.ok().or(inconclusive),
            Err(_) if until == end => return inconclusive,
            Ok(None) | Err(_) => {}
        }
    }
}

async fn exchange(server: SocketAddr, request: &[u8], transport: Transport) -> io::Result<Vec<u8>> {
    match transport {
        Transport::Udp => exchange_datagrams(server, request).await,
        Transport::Tcp => timeout(LIMIT, exchange_framed(server, request)).await?,
    }
}

/// By a socket of its own: the kernel chooses a port that cannot be guessed, and hands over the server's datagrams only.
async fn exchange_datagrams(server: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(request).await?;
    let mut answer = vec![0; super::LONGEST];
    loop {
        let length = socket.recv(&mut answer).await?;
        if length > 2 && answer[..2] == request[..2] {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

async fn exchange_framed(server: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    write_framed(&mut stream, request).await?;
    read_framed(&mut stream).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_hosts() {
        let text = "# by hand\nnameserver 192.0.2.1\nnameserver\t2001:db8::53\nnameserver nonsense\nsearch a.example\n\
            domain lab.example\nsearch . lab.example b.example\noptions edns0 trust-ad\noptions ndots:2\n\
            nameserver 192.0.2.3\nnameserver 192.0.2.4\n";
        let conf = ResolvConf::parse(text);
        let servers: Vec<_> = conf.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["192.0.2.1:53", "[2001:db8::53]:53", "192.0.2.3:53"]);
        assert_eq!(conf.search, ["search lab.example b.example", "options edns0 trust-ad ndots:2"]);
        assert_eq!(ResolvConf::parse("search .\n"), ResolvConf::default());
        assert_eq!(ResolvConf::parse("").servers()[0].to_string(), "127.0.0.1:53");
        assert!(ResolvConf::parse("options use-vc\n").uses_tcp);
        let scoped = ResolvConf::parse("nameserver fe80::1%lo\nnameserver fe80::1%none\n").servers;
        assert_eq!(scoped.iter().map(ToString::to_string).collect::<Vec<_>>(), ["[fe80::1%1]:53"]);
    }
}
