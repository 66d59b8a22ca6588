//! Detached JWS over `cluster-info`, byte for byte as `k8s.io/cluster-bootstrap/token/jws` makes them.

use crate::BootstrapToken;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// Signature of `content` with the token: `<header>..<mac>`, the part between left out.
pub fn sign(content: &str, token: &BootstrapToken) -> String {
    // Verifiers compare whole strings, so the header's bytes count: these keys, this order, no space.
    let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"HS256","kid":"{}"}}"#, token.id()));
    let payload = URL_SAFE_NO_PAD.encode(content);
    let mut mac =
        Hmac::<Sha256>::new_from_slice(token.secret().expose().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{header}.{payload}").as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{header}..{signature}")
}

/// Whether `signature` is what [`sign`] gives.
pub fn signature_is_valid(signature: &str, content: &str, token: &BootstrapToken) -> bool {
    sign(content, token).as_bytes().ct_eq(signature.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `ComputeDetachedSignature` of k8s.io/cluster-bootstrap v0.36.3 gives for the same input.
    const OF_GO: [(&str, &str); 3] = [
        ("", "eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9..MO2tlCpY1xB334qWeOe_XEv9c6DIMRNmKJZImOzY17k"),
        (
            "apiVersion: v1\nkind: Config\n",
            "eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9..vH_kT4yiol-nrAWgjfCYqvum5wsKETXe0S7OOp1VgnE",
        ),
        ("ünïcode\0", "eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9..iVkoaHAWxuoXkMVepOfWYErvgqhmNiCbgxmvttgFodY"),
    ];

    #[test]
    fn the_same_bytes_as_kubernetes() {
        let token = "abcdef.0123456789abcdef".parse().unwrap();
        for (content, signature) in OF_GO {
            assert_eq!(sign(content, &token), signature);
            assert!(signature_is_valid(signature, content, &token));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let token = "abcdef.0123456789abcdef".parse().unwrap();
        let signature = sign("content", &token);
        assert!(!signature_is_valid(&signature, "content ", &token));
        assert!(!signature_is_valid(&signature[..signature.len() - 1], "content", &token));
        assert!(!signature_is_valid(&signature, "content", &"abcdef.0123456789abcdee".parse().unwrap()));
        assert!(!signature_is_valid("", "content", &token));
    }
}
