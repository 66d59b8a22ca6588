//! What a host sees in its network.

use anyhow::{Result, ensure};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::testbed::host::Host;
use crate::testbed::lan;
use crate::testbed::namespaces::{Inside, enter};

impl Host {
    /// Fetches `http://address/` from inside the host, once.
    pub fn fetch(&self, address: &str) -> Result<String> {
        let (status, body) = self.ask(address, "/")?;
        ensure!(status == "200", "{address} answers {status}: {body}");
        Ok(body)
    }

    /// Asks `http://address/path` from inside the host, once: the status, and the body.
    pub fn ask(&self, address: &str, path: &str) -> Result<(String, String)> {
        let at: SocketAddr = address.parse()?;
        enter(self.pid(), Inside::Network, move || {
            lan::ask(TcpStream::connect_timeout(&at, Duration::from_secs(5))?, path)
        })
    }

    /// Asks the name server at an address for an IPv4 address, once, over UDP.
    pub fn look_up(&self, server: &str, name: &str) -> Result<String> {
        let at: SocketAddr = server.parse()?;
        enter(self.pid(), Inside::Network, move || lan::look_up(at, name, Duration::from_secs(2)))
    }

    /// Whether something accepts TCP connections at the address, asked from inside the host.
    pub fn reaches(&self, address: &str) -> Result<bool> {
        let at: SocketAddr = address.parse()?;
        let connect = move || Ok(TcpStream::connect_timeout(&at, Duration::from_secs(2)).is_ok());
        enter(self.pid(), Inside::Network, connect)
    }

    /// A listening socket inside the host's network, held by this test: a port that is taken.
    pub fn listen(&self, address: &str) -> Result<TcpListener> {
        let at: SocketAddr = address.parse()?;
        enter(self.pid(), Inside::Network, move || Ok(TcpListener::bind(at)?))
    }
}
