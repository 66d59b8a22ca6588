//! The join token: one string with which another host joins.

use crate::session::Session;
use anyhow::{Context as _, Result};
use usernetes_api::Config;
use usernetes_api::constants::PKI_DIR;
use usernetes_host::fs;
use usernetes_node::bundle;
use usernetes_pki::{BootstrapToken, BundleIdentity, CaCertHash, Endpoint, JoinToken, Secret};

/// The join token of this control plane with the secret of `token`.
pub(crate) fn make_join_token(session: &Session, config: &Config, token: &BootstrapToken) -> Result<JoinToken> {
    let ca = fs::read(session.paths().node(PKI_DIR).join("ca.crt"))?;
    let bundle = bundle::find_bundle(config, session.paths())?;
    let (host, port) = config.control_plane_endpoint();
    Ok(JoinToken {
        endpoints: vec![Endpoint { host, port }],
        ca_cert_hash: CaCertHash::of_pem(&ca)?,
        token: token.clone(),
        cluster: session.paths().cluster.clone(),
        vxlan_port: config.rootless.ports.vxlan,
        bundle: BundleIdentity {
            kubernetes_version: bundle.manifest().kubernetes_version.clone(),
            sha256: parse_sha256(bundle.digest())?,
        },
    })
}

/// The command that joins with this token. Standard input and not an argument: every user of a host can list the arguments
/// of its processes, and `echo` is no process.
pub(crate) fn format_join_command(join_token: &Secret) -> String {
    format!("echo {} | usernetes-rs join -", join_token.expose())
}

fn parse_sha256(hex: &str) -> Result<[u8; 32]> {
    let digits = (0..32).map(|i| hex.get(2 * i..2 * i + 2).and_then(|two| u8::from_str_radix(two, 16).ok()));
    let bytes: Option<Vec<u8>> = digits.collect();
    bytes.and_then(|bytes| bytes.try_into().ok()).context("the digest of the bundle is not a SHA-256")
}
