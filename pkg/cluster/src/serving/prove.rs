//! Whether the kubelet of a Node is at an address: a TLS handshake, in which it proves that it has the key of a serving
//! certificate that was issued for this Node.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Longest time for one handshake.
const LIMIT: Duration = Duration::from_secs(2);

/// A certificate that a kubelet has shown.
pub(super) struct ShownCertificate(CertificateDer<'static>);

impl ShownCertificate {
    /// Whether it was issued for the kubelet of this Node.
    pub(super) fn is_of_node(&self, node: &str) -> bool {
        usernetes_pki::subject_of(&self.0).is_some_and(|subject| {
            subject.common_names == [format!("system:node:{node}")] && subject.organizations == [super::SYSTEM_NODES]
        })
    }

    /// Whether the API server accepts it at this address.
    pub(super) fn is_for_address(&self, kubelet: SocketAddr) -> bool {
        let parsed = ParsedCertificate::try_from(&self.0);
        parsed.is_ok_and(|parsed| rustls::client::verify_server_name(&parsed, &ServerName::from(kubelet.ip())).is_ok())
    }
}

/// The certificate of the server at `kubelet`, if `ca` has issued it and the server has its key.
pub(super) async fn connect(kubelet: SocketAddr, ca: &Path) -> io::Result<ShownCertificate> {
    let config = client_config(ca)?;
    let handshake = async {
        let stream = TcpStream::connect(kubelet).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::from(kubelet.ip()), stream).await
    };
    let stream = timeout(LIMIT, handshake).await??;
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    shown.map(|der| ShownCertificate(der.clone().into_owned())).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn client_config(ca: &Path) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(io::Error::other)? {
        roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let verifier = Arc::new(IssuedByCa { roots, provider });
    let builder = builder.map_err(io::Error::other)?;
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// Accepts every certificate of a CA: names are compared afterwards, with those of the Node and not of the address.
#[derive(Debug)]
struct IssuedByCa {
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for IssuedByCa {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let parsed = ParsedCertificate::try_from(end_entity).map_err(|_| CertificateError::BadEncoding)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
