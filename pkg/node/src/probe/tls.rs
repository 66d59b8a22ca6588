//! TLS connections to health endpoints. The server is verified by the cluster's CA, unless it generates its certificate.

use super::Trust;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(super) async fn connect_tls(stream: TcpStream, server: IpAddr, trust: &Trust) -> io::Result<TlsStream<TcpStream>> {
    // Files are read for each connection: certificates may have been renewed.
    let config = client_config(trust).map_err(io::Error::other)?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::IpAddress(server.into()), stream).await
}

/// Why the TLS configuration could not be built.
#[derive(Debug, thiserror::Error)]
enum ConfigError {
    #[error("cannot read a certificate or key")]
    Pem(#[from] rustls::pki_types::pem::Error),
    #[error("cannot use a certificate or key")]
    Tls(#[from] rustls::Error),
}

/// Whether a connection failed before it was tried: the certificates to trust or to present cannot be used.
pub(super) fn is_config_error(error: &io::Error) -> bool {
    let Some(wrapped) = error.get_ref() else { return false };
    wrapped.is::<ConfigError>()
}

/// Whether a handshake failed because of the time: the certificate is expired or not yet valid.
pub(super) fn is_period_error(error: &io::Error) -> bool {
    use rustls::CertificateError as Bad;
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(
        tls,
        Some(rustls::Error::InvalidCertificate(
            Bad::Expired | Bad::ExpiredContext { .. } | Bad::NotValidYet | Bad::NotValidYetContext { .. }
        ))
    )
}

fn client_config(trust: &Trust) -> Result<ClientConfig, ConfigError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    match trust {
        Trust::SelfSigned => {
            let verifier = Arc::new(AnyCertificate(provider));
            Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
        }
        Trust::Ca { ca, certificate, key } => {
            let mut roots = RootCertStore::empty();
            for ca in CertificateDer::pem_file_iter(ca)? {
                roots.add(ca?)?;
            }
            let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
            let key = PrivateKeyDer::from_pem_file(key)?;
            Ok(builder.with_root_certificates(roots).with_client_auth_cert(chain, key)?)
        }
    }
}

/// A verifier that accepts every certificate whose key the server has.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
