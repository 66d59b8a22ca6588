//! Discovery of a cluster by a host that has only a token, as `kubeadm join` does it.
//!
//! `cluster-info` is read anonymously without verifying TLS; its signature and the pin of its CA are verified; then it is read
//! once more over TLS verified by that CA, and both have to agree. No request carries a secret: the token only verifies.
//! [`mod@file`] fetches a discovery file from a web server instead.

mod client;
mod error;
mod explain;
pub mod file;

pub use error::DiscoveryError;
pub use file::DiscoveryFileError;
pub use usernetes_pki::TrustError;

use client::DiscoveryClient;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::timeout;
use usernetes_pki::discovery::{ClusterInfo, KUBECONFIG_KEY, confirm, signature_key, verify};
use usernetes_pki::{BootstrapToken, CaCertHash, Endpoint};

/// Limits of the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest time for one answer of an endpoint.
    pub answer: Duration,
    /// Longest time until `cluster-info` is signed with the token: in kubeadm's clusters the controller manager signs some
    /// seconds after a token was created, in ours the signature is there at once.
    pub signature: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { answer: Duration::from_secs(10), signature: Duration::ZERO }
    }
}

/// A trusted cluster.
#[derive(Clone, Debug)]
pub struct Discovered {
    /// URL and CA of the API server.
    pub info: ClusterInfo,
    /// The endpoint that answered.
    pub endpoint: Endpoint,
    /// How far this host's clock is ahead of the server's, in whole seconds; `None` if the server sent no date.
    pub clock_ahead: Option<SignedDuration>,
}

/// The answer of a server whose certificate is verified.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The kubeconfig in its `cluster-info`.
    pub kubeconfig: String,
    /// As in [`Discovered`].
    pub clock_ahead: Option<SignedDuration>,
}

/// Discovers the cluster at all endpoints concurrently and returns the first that is trusted.
///
/// Without `pins` any CA is trusted, which the user must have asked for. If every endpoint fails, the error that tells most is
/// returned.
pub async fn discover(
    endpoints: &[Endpoint],
    token: &BootstrapToken,
    pins: &[CaCertHash],
    limits: &Limits,
) -> Result<Discovered, DiscoveryError> {
    let mut attempts: FuturesUnordered<_> = endpoints.iter().map(|e| discover_at(e, token, pins, limits)).collect();
    let mut worst = DiscoveryError::NoEndpoint;
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
) -> Result<Discovered, DiscoveryError> {
    let client = DiscoveryClient::unverified(endpoint, limits.answer)?;
    let (data, clock_ahead) = wait_signed(&client, token, limits.signature).await?;
    let info = verify(&data, token, pins).map_err(|source| DiscoveryError::untrusted(endpoint, source))?;
    let verified = fetch_verified(&info.server, &info.ca_pem, limits.answer, clock_ahead).await?;
    confirm(&info, &verified.kubeconfig).map_err(|source| DiscoveryError::untrusted(endpoint, source))?;
    Ok(Discovered { info, endpoint: endpoint.clone(), clock_ahead })
}

/// Reads `cluster-info` from a server whose certificate is verified by a CA. `clock_ahead`, known from an earlier answer,
/// explains a certificate that is not valid at this time.
pub async fn fetch_verified(
    server: &str,
    ca_pem: &str,
    answer: Duration,
    clock_ahead: Option<SignedDuration>,
) -> Result<Verified, DiscoveryError> {
    let endpoint: Endpoint = server.parse()?;
    let answer = DiscoveryClient::verified(&endpoint, ca_pem, answer, clock_ahead)?.cluster_info_and_clock().await?;
    let kubeconfig = answer.map.data.unwrap_or_default().remove(KUBECONFIG_KEY);
    let kubeconfig = kubeconfig.ok_or_else(|| DiscoveryError::untrusted(&endpoint, TrustError::NoKubeconfig))?;
    Ok(Verified { kubeconfig, clock_ahead: answer.clock_ahead })
}

type SignedData = (BTreeMap<String, String>, Option<SignedDuration>);

/// The data of `cluster-info`, once it has the token's signature or the limit is reached.
async fn wait_signed(
    client: &DiscoveryClient,
    token: &BootstrapToken,
    limit: Duration,
) -> Result<SignedData, DiscoveryError> {
    let key = signature_key(token.id());
    let answer = client.cluster_info_and_clock().await?;
    let is_signed = |map: &ConfigMap| map.data.as_ref().is_some_and(|data| data.contains_key(&key));
    if is_signed(&answer.map) || limit.is_zero() {
        return Ok((answer.map.data.unwrap_or_default(), answer.clock_ahead));
    }
    // Not an error at the limit: verification reports the missing signature.
    let later = timeout(limit, client.cluster_info_when(&answer.map, is_signed)).await;
    let map = later.unwrap_or(Ok(answer.map))?;
    Ok((map.data.unwrap_or_default(), answer.clock_ahead))
}
