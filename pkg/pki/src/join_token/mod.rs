//! The one string that a second host needs: `u7s1.` and base64url of
//!
//! ```text
//! length      u16, of everything
//! token       15 bytes, id and secret as one number to the base 36
//! ca          32 bytes
//! bundle      version as text, 32 bytes
//! cluster     text
//! vxlan       u16
//! endpoints   count in one byte, each family in one byte, address or text, port u16
//! checksum    CRC-32 of everything before, prefix included
//! ```
//!
//! The length tells a string that was cut off from one that was changed. CRC-32 sees every change within 32 bits with
//! certainty, so any one character; it protects from accidents, not from people, as nothing here has to.

mod wire;

use crate::{BootstrapToken, CaCertHash, Endpoint, Secret};
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::str::FromStr;
use usernetes_api::ClusterName;
use wire::{Reader, Writer};

const PREFIX: &str = "u7s1.";
const FAMILY: &str = "u7s";
const LENGTH_BYTES: usize = 2;
const CHECKSUM_BYTES: usize = 4;
/// Where a string was cut, bits may be left over that an encoder would not write.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// What a join token carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinToken {
    /// Where the API is reached: 1 to 16.
    pub endpoints: Vec<Endpoint>,
    /// Pin of the cluster's CA.
    pub ca_cert_hash: CaCertHash,
    /// Bootstrap token.
    pub token: BootstrapToken,
    /// Name of the cluster.
    pub cluster: ClusterName,
    /// UDP port of VXLAN on every host.
    pub vxlan_port: u16,
    /// What the cluster runs.
    pub bundle: BundleIdentity,
}

/// Which bundle a cluster runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleIdentity {
    /// Version of Kubernetes, such as `v1.36.3`.
    pub kubernetes_version: String,
    /// SHA-256 of its `bundle.yaml`.
    pub sha256: [u8; 32],
}

impl BundleIdentity {
    /// The SHA-256 as 64 hexadecimal digits.
    pub fn sha256_hex(&self) -> String {
        self.sha256.iter().fold(String::with_capacity(64), |text, byte| text + &format!("{byte:02x}"))
    }
}

/// Text that is no join token, or fields that make none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum JoinTokenError {
    /// Something else.
    #[error("not a join token: it would begin with {PREFIX}")]
    NotAToken,
    /// Made by a later version.
    #[error("a join token of version {0}, of which this program knows nothing")]
    UnknownVersion(u32),
    /// Its end is missing.
    #[error("the join token is cut off: {found} of {wanted} characters")]
    Truncated {
        /// Characters that are there.
        found: usize,
        /// Characters that should be.
        wanted: usize,
    },
    /// A character was changed, added or lost.
    #[error("the join token is damaged: its checksum does not fit")]
    Checksum,
    /// A field cannot be so.
    #[error("the join token has a wrong {0}")]
    Content(&'static str),
}

impl JoinTokenError {
    /// What to do about the error.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotAToken => "create one on the control-plane host: usernetes-rs token create",
            Self::UnknownVersion(_) => "use the same version of usernetes-rs on every host",
            Self::Truncated { .. } | Self::Checksum => {
                "copy the whole string, without spaces or line breaks, from usernetes-rs token create"
            }
            Self::Content(_) => "create another one on the control-plane host: usernetes-rs token create",
        };
        Some(hint.to_owned())
    }
}

impl JoinToken {
    /// The string; as secret as the bootstrap token in it.
    pub fn encode(&self) -> Result<Secret, JoinTokenError> {
        let count = u8::try_from(self.endpoints.len()).ok().filter(|n| (1..=16).contains(n));
        if self.bundle.kubernetes_version.len() > 255 {
            return Err(JoinTokenError::Content("Kubernetes version"));
        }
        let mut writer = Writer(vec![0; LENGTH_BYTES]);
        writer.write_token(&self.token).write_bytes(&self.ca_cert_hash.0);
        writer.write_text(&self.bundle.kubernetes_version).write_bytes(&self.bundle.sha256);
        writer.write_text(&self.cluster.to_string()).write_bytes(&self.vxlan_port.to_be_bytes());
        writer.write_bytes(&[count.ok_or(JoinTokenError::Content("number of endpoints"))?]);
        for endpoint in &self.endpoints {
            writer.write_endpoint(endpoint)?;
        }

        let mut bytes = writer.0;
        let length = u16::try_from(bytes.len() + CHECKSUM_BYTES).expect("16 endpoints of at most 258 bytes fit");
        bytes[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
        bytes.extend(checksum(&bytes).to_be_bytes());
        Ok(Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }
}

impl FromStr for JoinToken {
    type Err = JoinTokenError;

    fn from_str(text: &str) -> Result<Self, JoinTokenError> {
        let bytes = decode_fields(text.trim())?;
        let mut reader = Reader(&bytes);
        let token = reader.read_token()?;
        let ca_cert_hash = CaCertHash(reader.read_array("CA pin")?);
        let kubernetes_version = reader.read_text("Kubernetes version")?.to_owned();
        let bundle = BundleIdentity { kubernetes_version, sha256: reader.read_array("bundle checksum")? };
        let cluster = reader.read_text("cluster name")?.parse().map_err(|_| JoinTokenError::Content("cluster name"))?;
        let vxlan_port = reader.read_u16("VXLAN port")?;
        let count = reader.read_u8("number of endpoints")?;
        let endpoints: Vec<_> = (0..count).map(|_| reader.read_endpoint()).collect::<Result<_, _>>()?;
        if !(1..=16).contains(&count) || !reader.0.is_empty() {
            return Err(JoinTokenError::Content("number of endpoints"));
        }
        Ok(Self { endpoints, ca_cert_hash, token, cluster, vxlan_port, bundle })
    }
}

/// The fields of a string that is whole.
fn decode_fields(text: &str) -> Result<Vec<u8>, JoinTokenError> {
    let payload = strip_prefix(text)?;
    let strict = URL_SAFE_NO_PAD.decode(payload);
    // One character more than a multiple of four holds no whole byte.
    let usable = if payload.len() % 4 == 1 { payload.len() - 1 } else { payload.len() };
    let seen = match &strict {
        Ok(bytes) => bytes.clone(),
        Err(_) => LENIENT.decode(&payload.as_bytes()[..usable]).map_err(|_| JoinTokenError::Checksum)?,
    };
    let wanted = match seen.first_chunk() {
        Some(length) => encoded_length(u16::from_be_bytes(*length).into()),
        None => encoded_length(LENGTH_BYTES + CHECKSUM_BYTES),
    };
    if text.len() < wanted {
        return Err(JoinTokenError::Truncated { found: text.len(), wanted });
    }
    let mut bytes = strict.map_err(|_| JoinTokenError::Checksum)?;
    let end = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(JoinTokenError::Checksum)?;
    let expected = bytes.split_off(end);
    if text.len() != wanted || expected != checksum(&bytes).to_be_bytes() {
        return Err(JoinTokenError::Checksum);
    }
    Ok(bytes.split_off(LENGTH_BYTES))
}

/// The text behind the prefix of join tokens.
fn strip_prefix(text: &str) -> Result<&str, JoinTokenError> {
    if let Some(payload) = text.strip_prefix(PREFIX) {
        return Ok(payload);
    }
    let version = text.strip_prefix(FAMILY).and_then(|rest| rest.split_once('.')).and_then(|(v, _)| v.parse().ok());
    Err(version.map_or(JoinTokenError::NotAToken, JoinTokenError::UnknownVersion))
}

/// Length of the string that carries so many bytes.
fn encoded_length(bytes: usize) -> usize {
    PREFIX.len() + (bytes * 4).div_ceil(3)
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(PREFIX.as_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

#[cfg(test)]
mod tests;
