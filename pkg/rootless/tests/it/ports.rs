//! Published ports, from the host's side.

use crate::harness::{Node, alive, assert_same, assert_that, free_port, published};
use libtest_mimic::Failed;
use serde_json::json;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};
use usernetes_api::{PortSpec, Protocol};
use usernetes_rootless::Forward;
use usernetes_rootless::control::ControlError;

pub(crate) const TESTS: &[(&str, crate::Test)] = &[
    ("ports::tcp_whole_and_half_closed", tcp_whole_and_half_closed),
    ("ports::tcp_many", tcp_many),
    ("ports::tcp_reset_is_passed_on", tcp_reset_is_passed_on),
    ("ports::tcp_without_a_server_inside", tcp_without_a_server_inside),
    ("ports::udp_sessions", udp_sessions),
    ("ports::udp_relay", udp_relay),
    ("ports::at_run_time", at_run_time),
    ("ports::a_controller_owns_its_ports", a_controller_owns_its_ports),
    ("ports::busy_port_names_its_owner", busy_port_names_its_owner),
    ("ports::low_port_names_the_sysctl", low_port_names_the_sysctl),
    ("ports::busy_port_at_start", busy_port_at_start),
];

pub(crate) fn with_port(kind: &str, protocol: Protocol) -> Result<(Node, PortSpec), Failed> {
    let node = Node::start()?;
    let spec = published(protocol, node.serve(kind)?)?;
    node.client()?.add_port(spec)?;
    Ok((node, spec))
}

pub(crate) fn connect(address: SocketAddr) -> Result<TcpStream, Failed> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    Ok(stream)
}

fn tcp_whole_and_half_closed() -> Result<(), Failed> {
    let (_node, spec) = with_port("tcp", Protocol::Tcp)?;
    whole_and_half_closed(connect(spec.host)?)
}

/// To an echo that adds a word after our end.
pub(crate) fn whole_and_half_closed(mut stream: TcpStream) -> Result<(), Failed> {
    let data: Vec<u8> = (0..10 * 1024 * 1024_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (mut writer, to_send) = (stream.try_clone()?, data.clone());
    let before = Instant::now();
    let sender = thread::spawn(move || writer.write_all(&to_send).and_then(|()| writer.shutdown(Shutdown::Write)));
    let mut received = Vec::new();
    stream.read_to_end(&mut received)?;
    sender.join().map_err(|_| "the sender failed")??;
    eprintln!("10 MiB there and back in {:?}", before.elapsed());
    // What comes after our end shows that the other direction was still open.
    let end = format!("END {}", data.len());
    assert_that(received.ends_with(end.as_bytes()), "the answer after the end")?;
    assert_that(received[..data.len()] == data[..], "all bytes are the same")?;
    assert_same(received.len(), data.len() + end.len())
}

fn tcp_many() -> Result<(), Failed> {
    let (_node, spec) = with_port("tcp", Protocol::Tcp)?;
    let streams: Vec<_> = (0..200).map(|_| connect(spec.host)).collect::<Result<_, _>>()?;
    for (i, mut stream) in streams.into_iter().enumerate().rev() {
        let word = format!("{i:08}");
        stream.write_all(word.as_bytes())?;
        let mut back = [0; 8];
        stream.read_exact(&mut back)?;
        assert_same(&back[..], word.as_bytes())?;
    }
    Ok(())
}

fn tcp_reset_is_passed_on() -> Result<(), Failed> {
    let (_node, spec) = with_port("reset", Protocol::Tcp)?;
    let result = connect(spec.host)?.read(&mut [0]);
    assert_same(result.err().map(|e| e.kind()), Some(ErrorKind::ConnectionReset))
}

fn tcp_without_a_server_inside() -> Result<(), Failed> {
    let node = Node::start()?;
    let spec = published(Protocol::Tcp, "198.51.100.11:9".parse()?)?;
    node.client()?.add_port(spec)?;
    let result = connect(spec.host).map(|mut stream| stream.read(&mut [0]));
    assert_same(result?.err().map(|e| e.kind()), Some(ErrorKind::ConnectionReset))
}

fn udp_sessions() -> Result<(), Failed> {
    let (_node, spec) = with_port("udp", Protocol::Udp)?;
    let clients: Vec<_> = (0..20).map(|_| client(spec.host)).collect::<Result<_, _>>()?;
    for round in 0..3 {
        for (i, client) in clients.iter().enumerate() {
            client.send(format!("{round} {i}").as_bytes())?;
        }
        for (i, client) in clients.iter().enumerate() {
            let mut buffer = [0; 100];
            let length = client.recv(&mut buffer)?;
            assert_same(&buffer[..length], format!("{round} {i}").as_bytes())?;
        }
    }
    let (large, one) = (vec![7; 60_000], &clients[0]);
    one.send(&large)?;
    let mut buffer = vec![0; 65536];
    assert_same(one.recv(&mut buffer)?, large.len())
}

fn client(address: SocketAddr) -> Result<UdpSocket, Failed> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    Ok(socket)
}

fn udp_relay() -> Result<(), Failed> {
    let host = free_port(Protocol::Udp)?;
    let inside: SocketAddr = "198.51.100.11:8472".parse()?;
    let spec = PortSpec { protocol: Protocol::Udp, host, node: inside };
    let node = Node::start_with(|s, _| s.ports = vec![Forward::relay(spec)])?;
    // Several senders arrive by one socket: the receiver sees one source.
    let mut receiver =
        usernetes_rootless::enter_command(node.child_pid, RECEIVER).stdout(std::process::Stdio::piped()).spawn()?;
    let mut output = std::io::BufReader::new(receiver.stdout.take().ok_or("no output")?);
    let mut line = String::new();
    std::io::BufRead::read_line(&mut output, &mut line)?;
    let peers = json!({ "own": ["10.244.0.0/24"], "peers": { "127.0.0.1": ["10.244.1.0/24"] } });
    node.client()?.request(json!({ "relayPeers": peers }))?;
    let stranger = UdpSocket::bind("127.0.0.2:0")?;
    for _ in 0..50 {
        stranger.send_to(&vxlan([10, 244, 1, 7], "stranger"), host)?;
        client(host)?.send(&vxlan([198, 51, 100, 12], "stranger"))?;
        client(host)?.send(&vxlan([10, 244, 1, 7], "peer"))?;
    }
    line.clear();
    std::io::BufRead::read_line(&mut output, &mut line)?;
    receiver.wait()?;
    assert_same(line.trim(), "50 datagrams from 1 source")
}

/// A packet in VXLAN that ends with `text`.
fn vxlan(source: [u8; 4], text: &str) -> Vec<u8> {
    let mut datagram = vec![8, 0, 0, 0, 0, 0, 1, 0];
    datagram.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]);
    datagram.extend([0x45, 0, 0, 20 + u8::try_from(text.len()).expect("short"), 0, 0, 0, 0, 64, 17, 0, 0]);
    datagram.extend(source);
    datagram.extend([10, 244, 0, 9]);
    datagram.extend(text.as_bytes());
    datagram
}

const RECEIVER: [&str; 3] = [
    "perl",
    "-e",
    "use IO::Socket::INET; $|=1; my $s=IO::Socket::INET->new(LocalAddr=>'198.51.100.11',LocalPort=>8472,Proto=>'udp') or die; \
     print \"up\\n\"; my %from; for (1..50) { my $d; $from{$s->recv($d,100)}=1; die unless $d =~ /peer$/ } printf \"50 datagrams from %d source\\n\", scalar keys %from;",
];

fn at_run_time() -> Result<(), Failed> {
    let (node, spec) = with_port("tcp", Protocol::Tcp)?;
    let mut client = node.client()?;
    assert_same(client.ports()?.iter().map(|p| p.forward.spec).collect::<Vec<_>>(), vec![spec])?;
    client.add_port(spec)?;
    let mut open = connect(spec.host)?;
    client.remove_port(spec)?;
    // The port is free at once, and its connections have ended.
    drop(TcpListener::bind(spec.host)?);
    assert_that(matches!(open.read(&mut [0]), Ok(0) | Err(_)), "an open connection ends")?;
    assert_that(client.ports()?.is_empty(), "no port is left")?;
    let again = client.remove_port(spec).err().ok_or("it was removed twice")?;
    assert_same(again.to_string(), format!("{spec} is not published"))?;
    client.add_port(spec)?;
    connect(spec.host).map(drop)
}

fn a_controller_owns_its_ports() -> Result<(), Failed> {
    let (node, mine) = with_port("tcp", Protocol::Tcp)?;
    let busy = TcpListener::bind("127.0.0.1:0")?;
    let taken = PortSpec { host: busy.local_addr()?, ..mine };
    let (first, second) = (published(Protocol::Tcp, mine.node)?, published(Protocol::Udp, mine.node)?);
    let reconcile = |specs: &[PortSpec]| {
        let wanted: Vec<_> = specs.iter().map(|spec| Forward::session(*spec)).collect();
        node.ask(json!({ "reconcile": wanted }))
    };
    let failures = reconcile(&[first, taken, mine])?;
    assert_same(failures.as_array().map(Vec::len), Some(2))?;
    assert_same(&failures.to_string().contains("already published by control"), &true)?;
    connect(first.host)?;
    // The same address of the host with another target takes effect in one step.
    assert_same(reconcile(&[second])?, json!([]))?;
    client(second.host)?.send(b"x")?;
    let second = PortSpec { node: "198.51.100.11:9".parse()?, ..second };
    assert_same(reconcile(&[second])?, json!([]))?;
    let mut left: Vec<_> = node.client()?.ports()?.into_iter().map(|p| (p.owner, p.forward.spec)).collect();
    left.sort();
    assert_same(left, vec![("control".to_owned(), mine), ("test".to_owned(), second)])?;
    let refused = node.client()?.remove_port(second).err().ok_or("removed")?;
    assert_that(refused.to_string().ends_with("is already published by test"), &refused.to_string())
}

fn busy_port_names_its_owner() -> Result<(), Failed> {
    let node = Node::start()?;
    let busy = TcpListener::bind("127.0.0.1:0")?;
    let spec = PortSpec { protocol: Protocol::Tcp, host: busy.local_addr()?, node: "198.51.100.11:1".parse()? };
    let error = node.client()?.add_port(spec).err().ok_or("it was published")?;
    let expected = format!("port {} (tcp) is in use by process {} (", spec.host, std::process::id());
    assert_that(error.to_string().starts_with(&expected), &error.to_string())?;
    drop(busy);
    node.client()?.add_port(spec)?;
    assert_that(alive(node.child_pid), "the child goes on")
}

fn low_port_names_the_sysctl() -> Result<(), Failed> {
    let start: u16 = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start")?.trim().parse()?;
    if start <= 80 {
        return Ok(());
    }
    let node = Node::start()?;
    let host = "127.0.0.1:80".parse()?;
    let error =
        node.client()?.add_port(PortSpec { protocol: Protocol::Tcp, host, node: host }).err().ok_or("published")?;
    let ControlError::Refused { message, hint } = error else { return Err(error.into()) };
    assert_that(message.contains("net.ipv4.ip_unprivileged_port_start"), &message)?;
    assert_same(hint.as_deref(), Some("sudo sysctl -w net.ipv4.ip_unprivileged_port_start=80"))
}

fn busy_port_at_start() -> Result<(), Failed> {
    let busy = UdpSocket::bind("127.0.0.1:0")?;
    let host = busy.local_addr()?;
    let spec = PortSpec { protocol: Protocol::Udp, host, node: "198.51.100.11:8472".parse()? };
    let started = Node::start_with(|s, _| s.ports = vec![Forward::relay(spec)]);
    let message = started.err().ok_or("it started")?.message().unwrap_or_default().to_owned();
    assert_that(message.contains(&format!("port {host} (udp) is in use by process {}", std::process::id())), &message)
}
