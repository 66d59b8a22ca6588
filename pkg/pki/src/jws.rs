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
