//! What a joining node asks for its kubelet's certificate with.

use crate::issue::Subject;
use crate::spec::Sans;
use crate::{PkiError, Secret, keys};
use rcgen::CertificateParams;
use usernetes_api::EncryptionAlgorithm;

/// A new key, and the request for a certificate of it: subject and kind of key are those of the kubelet's own request.
///
/// Mirrors `requestNodeCertificate` of `pkg/kubelet/certificate/bootstrap/bootstrap.go`.
#[derive(Debug)]
pub struct KubeletRequest {
    /// The request, PEM.
    pub pem: String,
    /// The key, PEM.
    pub key_pem: Secret,
}

impl KubeletRequest {
    /// For the kubelet of a node.
    ///
    /// # Errors
    /// The library that makes keys failed.
    pub fn new(node_name: &str) -> Result<Self, PkiError> {
        Self::make(node_name).map_err(|source| PkiError::Make { name: "the kubelet's certificate request", source })
    }

    fn make(node_name: &str) -> Result<Self, rcgen::Error> {
        let key = keys::generate(EncryptionAlgorithm::EcdsaP256)?;
        let subject = Subject::new(&format!("system:node:{node_name}"), Some("system:nodes"), &[], Sans::default());
        let mut params = CertificateParams::default();
        params.distinguished_name = subject.name;
        let pem = params.serialize_request(&key)?.pem()?;
        Ok(Self { pem, key_pem: Secret::new(key.serialize_pem()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CertificateRequest;

    #[test]
    fn asks_for_what_the_signer_approves() {
        let request = KubeletRequest::new("host2").unwrap();
        let asked = CertificateRequest::parse(request.pem.as_bytes()).unwrap();
        assert_eq!(asked.common_names, ["system:node:host2"]);
        assert_eq!(asked.organizations, ["system:nodes"]);
        // The signer refuses client certificates with names.
        assert!(asked.names.is_empty() && asked.addresses.is_empty() && !asked.more);
        assert!(request.key_pem.expose().starts_with("-----BEGIN PRIVATE KEY-----"));
    }
}
