//! Anonymous requests for `cluster-info`.

use super::{DiscoveryError, TrustError};
use crate::kubeadm::KUBE_PUBLIC;
use futures::StreamExt;
use http::{HeaderMap, Request, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::WatchParams;
use kube::client::Body;
use kube::core::{Status, WatchEvent};
use kube::{Api, Client, Config};
use serde::de::DeserializeOwned;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use usernetes_pki::Endpoint;
use usernetes_pki::discovery::CLUSTER_INFO;

/// Pause between two requests where a server does not allow to watch `cluster-info`, as kubeadm's does not.
const PAUSE: Duration = Duration::from_millis(500);

/// A client of one API server, without credentials.
pub(super) struct DiscoveryClient {
    client: Client,
    pub(super) endpoint: Endpoint,
    answer: Duration,
    /// How far our clock is ahead, from an earlier answer.
    pub(super) clock_ahead: Option<SignedDuration>,
}

pub(super) struct Answer {
    pub(super) map: ConfigMap,
    pub(super) clock_ahead: Option<SignedDuration>,
}

impl DiscoveryClient {
    /// A client that does not verify the server.
    pub(super) fn unverified(endpoint: &Endpoint, answer: Duration) -> Result<Self, DiscoveryError> {
        Self::new(endpoint, answer, None, |config| {
            config.accept_invalid_certs = true;
            // With None the host's would be loaded, which fails on a host that has none.
            config.root_cert = Some(Vec::new());
        })
    }

    /// A client that verifies the server by a CA.
    pub(super) fn verified(
        endpoint: &Endpoint,
        ca_pem: &str,
        answer: Duration,
        clock_ahead: Option<SignedDuration>,
    ) -> Result<Self, DiscoveryError> {
        let certificates =
            parse_certificates(ca_pem).ok_or_else(|| DiscoveryError::untrusted(endpoint, TrustError::Certificate))?;
        Self::new(endpoint, answer, clock_ahead, |config| config.root_cert = Some(certificates))
    }

    fn new(
        endpoint: &Endpoint,
        answer: Duration,
        clock_ahead: Option<SignedDuration>,
        configure: impl FnOnce(&mut Config),
    ) -> Result<Self, DiscoveryError> {
        let url = endpoint.url().parse().map_err(|_| usernetes_pki::EndpointSyntaxError(endpoint.to_string()))?;
        let mut config = Config::new(url);
        config.connect_timeout = Some(answer);
        config.default_retry = false;
        configure(&mut config);
        let client = Client::try_from(config)
            .map_err(|source| DiscoveryError::Client { endpoint: endpoint.clone(), source: Box::new(source) })?;
        Ok(Self { client, endpoint: endpoint.clone(), answer, clock_ahead })
    }

    pub(super) async fn cluster_info_and_clock(&self) -> Result<Answer, DiscoveryError> {
        match timeout(self.answer, self.get_cluster_info()).await {
            Ok(Ok((status, clock_ahead, body))) => {
                let map = self.parse_cluster_info(status, &body)?;
                Ok(Answer { map, clock_ahead })
            }
            Ok(Err(error)) => Err(self.explain(error)),
            Err(_) => Err(self.timed_out()),
        }
    }

    async fn get_cluster_info(&self) -> Result<(StatusCode, Option<SignedDuration>, Vec<u8>), kube::Error> {
        let path = format!("/api/v1/namespaces/{KUBE_PUBLIC}/configmaps/{CLUSTER_INFO}");
        let request = Request::get(path).body(Body::empty()).map_err(kube::Error::HttpError)?;
        let response = self.client.send(request).await?;
        let status = response.status();
        let clock_ahead = read_clock(response.headers());
        Ok((status, clock_ahead, response.into_body().collect_bytes().await?.to_vec()))
    }

    fn parse_cluster_info(&self, status: StatusCode, body: &[u8]) -> Result<ConfigMap, DiscoveryError> {
        if status.is_success() {
            return self.parse_body(status, body);
        }
        let answer: Status = self.parse_body(status, body)?;
        let what = format!("{status}: {}", answer.message);
        Err(DiscoveryError::NoClusterInfo { endpoint: self.endpoint.clone(), what })
    }

    fn parse_body<T: DeserializeOwned>(&self, status: StatusCode, body: &[u8]) -> Result<T, DiscoveryError> {
        serde_json::from_slice(body)
            .map_err(|_| self.not_kubernetes(format!("it answers {status} without a Kubernetes object")))
    }

    /// Waits for a later version of `cluster-info` that `is_done` accepts.
    pub(super) async fn cluster_info_when(
        &self,
        since: &ConfigMap,
        is_done: impl Fn(&ConfigMap) -> bool,
    ) -> Result<ConfigMap, DiscoveryError> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), KUBE_PUBLIC);
        let params = WatchParams::default().fields(&format!("metadata.name={CLUSTER_INFO}"));
        let mut version = since.metadata.resource_version.clone().unwrap_or_default();
        loop {
            // kubeadm's Role allows anonymous clients to get but not to watch: then, and between two watches, we get it.
            if let Ok(changes) = api.watch(&params, &version).await {
                let mut changes = pin!(changes);
                while let Some(Ok(WatchEvent::Added(map) | WatchEvent::Modified(map))) = changes.next().await {
                    if is_done(&map) {
                        return Ok(map);
                    }
                }
            }
            sleep(PAUSE).await;
            let map = self.cluster_info_and_clock().await?.map;
            if is_done(&map) {
                return Ok(map);
            }
            version = map.metadata.resource_version.unwrap_or_default();
        }
    }

    pub(super) fn timed_out(&self) -> DiscoveryError {
        DiscoveryError::TimedOut { endpoint: self.endpoint.clone(), waited: self.answer }
    }

    pub(super) fn not_kubernetes(&self, what: String) -> DiscoveryError {
        DiscoveryError::NotKubernetes { endpoint: self.endpoint.clone(), what }
    }
}

/// Every certificate of a PEM text, as DER.
fn parse_certificates(pem: &str) -> Option<Vec<Vec<u8>>> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let all = all.ok().filter(|all| !all.is_empty())?;
    Some(all.into_iter().map(|certificate| certificate.to_vec()).collect())
}

fn read_clock(headers: &HeaderMap) -> Option<SignedDuration> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    let server = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok()?;
    Some(SignedDuration::from_secs(Timestamp::now().as_second() - server.as_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_header() {
        let mut headers = HeaderMap::new();
        assert_eq!(read_clock(&headers), None);
        headers.insert(header::DATE, header::HeaderValue::from_static("Mon, 01 Jan 2024 00:00:00 GMT"));
        assert!(read_clock(&headers).is_some_and(|by| by > SignedDuration::from_hours(24)));
        headers.insert(header::DATE, header::HeaderValue::from_static("yesterday"));
        assert_eq!(read_clock(&headers), None);
    }
}
