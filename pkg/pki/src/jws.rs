//! Detached JWS over `cluster-info`, byte for byte as `k8s.io/cluster-bootstrap/token/jws` makes them.

use crate::BootstrapToken;

/// Signature of `content` with the token: `<header>..<mac>`.
pub fn sign(content: &str, token: &BootstrapToken) -> String {
    let _ = (content, token);
    unimplemented!()
}

/// Whether `signature` is what [`sign`] gives.
pub fn signature_is_valid(signature: &str, content: &str, token: &BootstrapToken) -> bool {
    let _ = (signature, content, token);
    unimplemented!()
}
