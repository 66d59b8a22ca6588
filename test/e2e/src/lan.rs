//! What stands on the switch: a name server and a web server that no cluster knows of.

use anyhow::{Context, Result};
use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::thread;

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
            thread::spawn(move || greet(client));
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

/// Reads one request, answers it and closes.
fn greet(client: TcpStream) -> Result<()> {
    let mut lines = BufReader::new(client.try_clone()?).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let length = OUTSIDE_BODY.len();
    write!(&client, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{OUTSIDE_BODY}")?;
    Ok(())
}
