//! The name server of a node: it answers with what the host resolves, from the host's `/etc/hosts` and by the host's resolvers.
//!
//! The child makes the sockets ([`open_sockets`]) in a network namespace of their own, so that no port of the node is taken:
//! a pod may serve DNS on every address of the node. The parent, which sees the host's files and network, serves them
//! ([`serve_names`]). Both files are read again after a change.

mod file_cache;
mod hosts;
mod message;
mod sockets;
mod upstream;

pub(crate) use sockets::open_sockets;
pub use upstream::read_search_lines;
pub(crate) use upstream::{RESOLV_CONF, ResolvConf};

use file_cache::FileCache;
use hosts::{Hosts, OwnNames};
use message::Question;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;

/// Requests that wait for an answer at the same time; further datagrams are dropped and connections are closed.
const MOST_REQUESTS: usize = 512;
/// Time that a TCP connection may be idle.
const IDLE: Duration = Duration::from_secs(10);
/// Longest DNS message.
const LONGEST: usize = 65535;
const HOSTS: &str = "/etc/hosts";

/// What answers a request: the host's files.
struct Names {
    hosts: Mutex<FileCache<Hosts>>,
    resolvers: Mutex<FileCache<ResolvConf>>,
    own: OwnNames,
    permits: Semaphore,
}

/// Serves requests on the sockets of [`open_sockets`] until the task is dropped. `host_ip` is the address that the host's
/// own names have inside, where `/etc/hosts` has a loopback address.
pub(crate) async fn serve_names(sockets: [OwnedFd; 2], host_ip: Option<IpAddr>) -> io::Result<()> {
    let [udp, tcp] = sockets;
    let udp = Arc::new(UdpSocket::from_std(set_nonblocking_udp(udp)?)?);
    let tcp = TcpListener::from_std(set_nonblocking_tcp(tcp)?)?;
    let names = Arc::new(Names {
        hosts: Mutex::new(FileCache::new(HOSTS, Hosts::parse)),
        resolvers: Mutex::new(FileCache::new(RESOLV_CONF, ResolvConf::parse)),
        own: OwnNames { hostname: usernetes_host::env::hostname().unwrap_or_default(), host_ip },
        permits: Semaphore::new(MOST_REQUESTS),
    });
    tokio::select! {
        result = serve_datagrams(udp, Arc::clone(&names)) => result,
        result = serve_connections(tcp, names) => result,
    }
}

fn set_nonblocking_udp(fd: OwnedFd) -> io::Result<std::net::UdpSocket> {
    let socket = std::net::UdpSocket::from(fd);
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn set_nonblocking_tcp(fd: OwnedFd) -> io::Result<std::net::TcpListener> {
    let socket = std::net::TcpListener::from(fd);
    socket.set_nonblocking(true)?;
    Ok(socket)
}

async fn serve_datagrams(socket: Arc<UdpSocket>, names: Arc<Names>) -> io::Result<()> {
    let mut buffer = vec![0; LONGEST];
    loop {
        // An ICMP error of an earlier answer is not the end.
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else { continue };
        let request = buffer[..length].to_vec();
        let (socket, names) = (Arc::clone(&socket), Arc::clone(&names));
        if names.permits.available_permits() == 0 {
            continue;
        }
        tokio::spawn(async move {
            if let Some(answer) = names.answer(&request, upstream::Transport::Udp).await {
                let _ = socket.send_to(&answer, client).await;
            }
        });
    }
}

async fn serve_connections(listener: TcpListener, names: Arc<Names>) -> io::Result<()> {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Too many open files, for example.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let names = Arc::clone(&names);
        tokio::spawn(async move {
            // The peer's errors and its end are the end of the connection.
            let _ = serve_connection(stream, &names).await;
        });
    }
}

async fn serve_connection(mut stream: TcpStream, names: &Names) -> io::Result<()> {
    loop {
        let request = tokio::time::timeout(IDLE, read_framed(&mut stream)).await??;
        let Some(answer) = names.answer(&request, upstream::Transport::Tcp).await else { return Ok(()) };
        write_framed(&mut stream, &answer).await?;
    }
}

/// One message of a TCP connection: its length comes first (RFC 1035, 4.2.2).
async fn read_framed(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

async fn write_framed(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await
}

impl Names {
    /// The answer to a request; `None` for what is no request, and where too many wait.
    async fn answer(&self, request: &[u8], transport: upstream::Transport) -> Option<Vec<u8>> {
        let _permit = self.permits.try_acquire().ok()?;
        let question = Question::parse(request)?;
        let hosts = self.hosts.lock().ok()?.get();
        if let Some(answer) = hosts.answer(&question, &self.own) {
            return Some(question.render_answer(request, &answer));
        }
        let resolvers = self.resolvers.lock().ok()?.get();
        let answer = upstream::forward_request(request, &resolvers, transport).await;
        Some(answer.unwrap_or_else(|| question.render_failure(request)))
    }
}
