//! How a host that has only a token comes to trust a cluster, as `kubeadm join` does.
//!
//! Anonymous `cluster-info` without verifying TLS, signature and pin verified, the same once more over TLS verified by
//! the CA found. Nothing secret is sent in either: the token only serves to verify.

mod error;
mod fetch;

pub use error::DiscoverError;
pub use usernetes_pki::DiscoveryError as TrustError;

use fetch::Door;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::timeout;
use usernetes_pki::discovery::{ClusterInfo, KUBECONFIG_KEY, confirm, signature_key, verify};
use usernetes_pki::{BootstrapToken, CaCertHash, Endpoint};

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For one answer of an endpoint.
    pub answer: Duration,
    /// For the signature of a token that has none: kubeadm's own clusters sign some seconds after a token is made,
    /// ours at once.
    pub signature: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { answer: Duration::from_secs(10), signature: Duration::ZERO }
    }
}

/// A cluster that is trusted now.
#[derive(Clone, Debug)]
pub struct Discovered {
    /// Its URL, its CA.
    pub info: ClusterInfo,
    /// The endpoint that answered.
    pub endpoint: Endpoint,
    /// What our clock is ahead of the server's, in whole seconds; `None` if the server told no time.
    pub clock_ahead: Option<SignedDuration>,
}

/// What a server said after it had proved itself.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The kubeconfig of its `cluster-info`.
    pub kubeconfig: String,
    /// As in [`Discovered`].
    pub clock_ahead: Option<SignedDuration>,
}

/// Asks all endpoints at once; the first that proves to be the cluster wins.
///
/// No `pins` means that any CA is believed, which the user must have asked for.
pub async fn discover(
    endpoints: &[Endpoint],
    token: &BootstrapToken,
    pins: &[CaCertHash],
    limits: &Limits,
) -> Result<Discovered, DiscoverError> {
    let mut attempts: FuturesUnordered<_> = endpoints.iter().map(|e| discover_at(e, token, pins, limits)).collect();
    let mut worst = DiscoverError::NoEndpoint;
    while let Some(result) = attempts.next().await {
        match result {
            Ok(found) => return Ok(found),
            Err(error) if error.weight() > worst.weight() => worst = error,
            Err(_) => {}
        }
    }
    Err(worst)
}

async fn discover_at(
    endpoint: &Endpoint,
    token: &BootstrapToken,
    pins: &[CaCertHash],
    limits: &Limits,
) -> Result<Discovered, DiscoverError> {
    let door = Door::unverified(endpoint, limits.answer)?;
    let (data, clock_ahead) = signed(&door, token, limits.signature).await?;
    let trust = |source| DiscoverError::Trust { endpoint: endpoint.clone(), source };
    let info = verify(&data, token, pins).map_err(trust)?;
    let again = fetch_verified(&info.server, &info.ca_pem, limits.answer, clock_ahead).await?;
    confirm(&info, &again.kubeconfig).map_err(trust)?;
    Ok(Discovered { info, endpoint: endpoint.clone(), clock_ahead })
}

/// Asks a server that proves to hold a certificate of that CA. `clock_ahead` is what an earlier answer told, to explain a
/// certificate that is not valid now.
pub async fn fetch_verified(
    server: &str,
    ca_pem: &str,
    answer: Duration,
    clock_ahead: Option<SignedDuration>,
) -> Result<Verified, DiscoverError> {
    let endpoint: Endpoint = server.parse()?;
    let answer = Door::verified(&endpoint, ca_pem, answer, clock_ahead)?.cluster_info_and_clock().await?;
    let none = DiscoverError::Trust { endpoint, source: TrustError::NoKubeconfig };
    let kubeconfig = answer.map.data.unwrap_or_default().remove(KUBECONFIG_KEY).ok_or(none)?;
    Ok(Verified { kubeconfig, clock_ahead: answer.clock_ahead })
}

type Signed = (BTreeMap<String, String>, Option<SignedDuration>);

/// `cluster-info`, if need be once it carries the token's signature.
async fn signed(door: &Door, token: &BootstrapToken, patience: Duration) -> Result<Signed, DiscoverError> {
    let key = signature_key(token.id());
    let answer = door.cluster_info_and_clock().await?;
    let is_signed = |map: &ConfigMap| map.data.as_ref().is_some_and(|data| data.contains_key(&key));
    if is_signed(&answer.map) || patience.is_zero() {
        return Ok((answer.map.data.unwrap_or_default(), answer.clock_ahead));
    }
    // Running out of patience is no error of its own: verifying says that the signature is missing.
    let later = timeout(patience, door.cluster_info_when(&answer.map, is_signed)).await;
    let map = later.unwrap_or(Ok(answer.map))?;
    Ok((map.data.unwrap_or_default(), answer.clock_ahead))
}
