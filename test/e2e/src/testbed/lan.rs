//! What stands on the switch: a name server and a web server that no cluster knows of.

use anyhow::{Context, Result, bail};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};
use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, Question, RCODE, ResourceRecord, TYPE};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use crate::{OUTSIDE, OUTSIDE_BODY, OUTSIDE_NAME, SWITCH};

/// Listens, then answers on threads for as long as the process lives.
pub(crate) fn serve() -> Result<()> {
    let names = UdpSocket::bind((SWITCH, 53)).context("name server")?;
    let web = TcpListener::bind((OUTSIDE, 8080)).context("web server")?;
    thread::spawn(move || {
        let mut query = [0; 1500];
        while let Ok((length, asker)) = names.recv_from(&mut query) {
            if let Some(reply) = answer(&query[..length]) {
                let _ = names.send_to(&reply, asker);
            }
        }
    });
    thread::spawn(move || {
        for client in web.incoming().flatten() {
            thread::spawn(move || greet(&client));
        }
    });
    Ok(())
}

/// One address for [`OUTSIDE_NAME`]; every other name does not exist.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let query = Packet::parse(query).ok()?;
    let question = query.questions.first()?;
    let mut reply = Packet::new_reply(query.id());
    reply.set_flags(PacketFlag::RECURSION_AVAILABLE | PacketFlag::RECURSION_DESIRED);
    reply.questions.push(question.clone());
    if !question.qname.to_string().eq_ignore_ascii_case(OUTSIDE_NAME) {
        *reply.rcode_mut() = RCODE::NameError;
    } else if question.qtype == QTYPE::TYPE(TYPE::A) {
        let address = OUTSIDE.parse::<Ipv4Addr>().ok()?.into();
        let record = ResourceRecord::new(question.qname.clone(), CLASS::IN, 30, RData::A(A { address }));
        reply.answers.push(record);
    }
    reply.build_bytes_vec_compressed().ok()
}

/// Asks a name server for the address of a name, once.
pub(crate) fn look_up(server: SocketAddr, name: &str, patience: Duration) -> Result<String> {
    let mut query = Packet::new_query(4711);
    query.set_flags(PacketFlag::RECURSION_DESIRED);
    query.questions.push(Question::new(Name::new(name)?, TYPE::A.into(), CLASS::IN.into(), false));
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_read_timeout(Some(patience))?;
    socket.send_to(&query.build_bytes_vec()?, server)?;
    let mut reply = [0; 1500];
    let length = socket.recv(&mut reply)?;
    let reply = Packet::parse(&reply[..length])?;
    match reply.answers.first().map(|answer| &answer.rdata) {
        Some(RData::A(a)) => Ok(Ipv4Addr::from(a.address).to_string()),
        other => bail!("{server} answers {other:?}"),
    }
}

/// Connects from one of several addresses.
pub(crate) fn connect_from(client: Ipv4Addr, at: SocketAddrV4) -> Result<TcpStream> {
    let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    bind(socket.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(client, 0)))?;
    connect(socket.as_raw_fd(), &SockaddrIn::from(at))?;
    Ok(socket.into())
}

/// Asks a web server for a path: the status, and the body.
pub(crate) fn ask(mut stream: TcpStream, path: &str) -> Result<(String, String)> {
    stream.set_read_timeout(Some(Duration::from_secs(15)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", stream.peer_addr()?)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { bail!("no HTTP: {answer:?}") };
    let status = head.split(' ').nth(1).with_context(|| format!("no status: {head}"))?;
    Ok((status.to_owned(), body.to_owned()))
}

/// Reads one request, answers it and closes.
fn greet(client: &TcpStream) -> Result<()> {
    let mut lines = BufReader::new(client.try_clone()?).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let length = OUTSIDE_BODY.len();
    let mut client = client;
    write!(client, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{OUTSIDE_BODY}")?;
    Ok(())
}
