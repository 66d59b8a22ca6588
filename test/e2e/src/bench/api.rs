//! The least client of an API server: one request per connection, with a certificate that needs no RBAC.

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// A started answer: its body.
pub(super) type Body = BufReader<StreamOwned<ClientConnection, TcpStream>>;

/// The server and the credentials for it.
pub(super) struct Api {
    config: Arc<ClientConfig>,
    address: SocketAddr,
}

impl Api {
    /// From a kubeconfig with everything inside.
    pub(super) fn new(kubeconfig: &str, address: SocketAddr) -> Result<Self> {
        let ca = pem(kubeconfig, "certificate-authority-data")?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&ca) {
            roots.add(certificate?)?;
        }
        let chain = pem(kubeconfig, "client-certificate-data")?;
        let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(&pem(kubeconfig, "client-key-data")?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = builder.with_root_certificates(roots).with_client_auth_cert(chain, key)?;
        Ok(Self { config: Arc::new(config), address })
    }

    /// Asks, and comes back with the body if the answer is 200.
    pub(super) fn get(&self, path: &str) -> Result<Body> {
        let tcp = TcpStream::connect_timeout(&self.address, Duration::from_secs(1))?;
        tcp.set_read_timeout(Some(Duration::from_mins(1)))?;
        tcp.set_nodelay(true)?;
        let name = ServerName::IpAddress(self.address.ip().into());
        let mut stream = StreamOwned::new(ClientConnection::new(Arc::clone(&self.config), name)?, tcp);
        // HTTP/1.0: an answer without chunks, whose lines are lines.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address)?;
        let mut body = BufReader::new(stream);
        let mut line = String::new();
        body.read_line(&mut line)?;
        ensure!(line.split(' ').nth(1) == Some("200"), "{path}: {line}");
        loop {
            line.clear();
            match body.read_line(&mut line)? {
                0 => bail!("{path}: the answer ends in its head"),
                _ if line.trim().is_empty() => return Ok(body),
                _ => {}
            }
        }
    }
}

fn pem(kubeconfig: &str, field: &str) -> Result<Vec<u8>> {
    let values = kubeconfig.lines().filter_map(|line| line.trim().trim_start_matches("- ").split_once(": "));
    let value = values.clone().find(|(name, _)| *name == field).map(|(_, value)| value.trim_matches('"'));
    Ok(base64::engine::general_purpose::STANDARD.decode(value.with_context(|| format!("no {field}"))?)?)
}
