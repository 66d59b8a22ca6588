//! Addresses of clients, as seen inside.

use crate::harness::{NODE, Node, assert_same, assert_that, published};
use crate::host::{CLIENTS, OWN_ADDRESS};
use libtest_mimic::Failed;
use rustix::net::{AddressFamily, SocketType, socket};
use serde_json::json;
use std::io::{ErrorKind, Read as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};
use usernetes_api::{PortSpec, Protocol};
use usernetes_rootless::{Forward, OwnPorts};

/// These need addresses of the host.
pub(crate) const WITH_PEER: &[(&str, crate::Test)] = &[
    ("client_addresses::are_seen", are_seen),
    ("client_addresses::are_seen_by_udp", are_seen_by_udp),
    ("client_addresses::are_refused", are_refused),
    ("client_addresses::without_nft", without_nft),
    ("client_addresses::move_much", move_much),
    ("client_addresses::own_ports_are_not_diverted", own_ports_are_not_diverted),
];

/// A node with the distribution's nft, and a port of the host that leads to `node`.
fn open(protocol: Protocol, kind: &str) -> Result<(Node, SocketAddr), Failed> {
    let node = Node::start_with(|spec, _| spec.nft = Some("/usr/sbin/nft".into()))?;
    let inside = node.serve(kind)?;
    let host = publish(&node, protocol, inside)?;
    Ok((node, host))
}

fn publish(node: &Node, protocol: Protocol, inside: SocketAddr) -> Result<SocketAddr, Failed> {
    let port = published(protocol, inside)?.host.port();
    let host = SocketAddr::new(OWN_ADDRESS.parse()?, port);
    let wanted = [Forward::transparent(PortSpec { protocol, host, node: inside })];
    assert_same(node.ask(json!({ "reconcile": wanted }))?, json!([]))?;
    Ok(host)
}

/// Connects from one of the host's addresses.
fn connect(from: &str, to: SocketAddr) -> Result<TcpStream, Failed> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    rustix::net::bind(&socket, &SocketAddr::new(from.parse()?, 0))?;
    rustix::net::connect(&socket, &to)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    Ok(stream)
}

fn asked(from: &str, to: SocketAddr) -> Result<String, Failed> {
    let mut answer = String::new();
    connect(from, to)?.read_to_string(&mut answer)?;
    Ok(answer)
}

fn are_seen() -> Result<(), Failed> {
    let (node, host) = open(Protocol::Tcp, "peer-address")?;
    for client in CLIENTS {
        assert_same(asked(client, host)?.as_str(), client)?;
    }
    // The host's own address is the node's own as well.
    assert_same(asked(OWN_ADDRESS, host)?, NODE.to_string())?;
    let rules = node.sh("ip rule show")?;
    assert_that(rules.contains("fwmark 0x200000/0x200000"), &rules)
}

fn are_seen_by_udp() -> Result<(), Failed> {
    let (_node, host) = open(Protocol::Udp, "udp-peer-address")?;
    for _ in 0..2 {
        for (client, seen) in [(CLIENTS[0], CLIENTS[0]), (CLIENTS[1], CLIENTS[1]), (OWN_ADDRESS, OWN_ADDRESS)] {
            let socket = UdpSocket::bind((client.parse::<IpAddr>()?, 0))?;
            socket.set_read_timeout(Some(Duration::from_secs(10)))?;
            socket.connect(host)?;
            socket.send(b"x")?;
            let mut buffer = [0; 99];
            let length = socket.recv(&mut buffer)?;
            assert_same(std::str::from_utf8(&buffer[..length])?, seen)?;
        }
    }
    Ok(())
}

/// A connection is refused at once, both without a listener and by a rule like kube-proxy's.
fn are_refused() -> Result<(), Failed> {
    let node = Node::start_with(|spec, _| spec.nft = Some("/usr/sbin/nft".into()))?;
    let refuse = "add table ip t; add chain ip t refuse { type filter hook input priority 0; }; \
                  add rule ip t refuse tcp dport 10 reject";
    assert_same(node.ask(json!({ "spawn": ["/usr/sbin/nft", refuse] }))?, json!("exit code 0"))?;
    for inside in [9, 10] {
        let host = publish(&node, Protocol::Tcp, SocketAddr::new(NODE, inside))?;
        let before = Instant::now();
        let error = connect(CLIENTS[0], host)?.read(&mut [0]).err().map(|e| e.kind());
        assert_same(error, Some(ErrorKind::ConnectionReset))?;
        assert_that(before.elapsed() < Duration::from_secs(2), &format!("port {inside} after {:?}", before.elapsed()))?;
    }
    Ok(())
}

fn without_nft() -> Result<(), Failed> {
    let node = Node::start_with(|spec, _| spec.nft = Some("/bin/false".into()))?;
    let inside = node.serve("peer-address")?;
    let host = publish(&node, Protocol::Tcp, inside)?;
    assert_same(asked(CLIENTS[0], host)?, NODE.to_string())
}

fn move_much() -> Result<(), Failed> {
    let (_node, host) = open(Protocol::Tcp, "tcp")?;
    let stream = connect(CLIENTS[0], host)?;
    crate::ports::whole_and_half_closed(stream)
}

/// A rule like those of kube-proxy and portmap takes every port but the node's own.
fn own_ports_are_not_diverted() -> Result<(), Failed> {
    const OWN: u16 = 6443;
    let own_ports = OwnPorts { ports: [(Protocol::Tcp, OWN)].into(), services: "10.96.0.0/12".parse()? };
    let node = Node::start_with(|spec, _| {
        spec.nft = Some("/usr/sbin/nft".into());
        spec.own_ports = Some(own_ports);
    })?;
    let taker = node.serve("tcp")?.port();
    node.ask(json!({ "serve": "peer-address", "address": NODE, "port": OWN }))?;
    let divert = format!(
        "add table ip t; add chain ip t divert {{ type nat hook output priority -100; }}; \
         add rule ip t divert tcp dport {{ {OWN}, {} }} dnat to {NODE}:{taker}",
        OWN + 1
    );
    assert_same(node.ask(json!({ "spawn": ["/usr/sbin/nft", divert] }))?, json!("exit code 0"))?;
    let other = publish(&node, Protocol::Tcp, SocketAddr::new(NODE, OWN + 1))?;
    let stream = connect(CLIENTS[0], other)?;
    stream.shutdown(Shutdown::Write)?;
    assert_same(std::io::read_to_string(stream)?.as_str(), "END 0")?;
    let own = publish(&node, Protocol::Tcp, SocketAddr::new(NODE, OWN))?;
    assert_same(asked(CLIENTS[0], own)?.as_str(), CLIENTS[0])
}
