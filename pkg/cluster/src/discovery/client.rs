//! Anonymous requests for `cluster-info`.

use super::{DiscoveryError, TrustError};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::client::Body;
use kube::core::{Status, WatchEvent};
use kube::{Client, Config};
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use usernetes_pki::Endpoint;
use usernetes_pki::discovery::CLUSTER_INFO;

/// Pause between two requests where a server does not allow to watch `cluster-info`, as kubeadm's does not.
const PAUSE: Duration = Duration::from_millis(500);

/// The ConfigMaps of namespace `kube-public`.
const CONFIG_MAPS: &str = "/api/v1/namespaces/kube-public/configmaps";
/// Most bytes of an answer, and of all changes of one watch: the server is not trusted yet. A ConfigMap has at most a mebibyte
/// in the store, `cluster-info` a few kilobytes.
const SIZE_LIMIT: usize = 1 << 20;

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
            Ok(answer) => {
                let (status, clock_ahead, body) = answer?;
                let map = self.parse_cluster_info(status, &body)?;
                Ok(Answer { map, clock_ahead })
            }
            Err(_) => Err(self.timed_out()),
        }
    }

    async fn get_cluster_info(&self) -> Result<(StatusCode, Option<SignedDuration>, Vec<u8>), DiscoveryError> {
        let response = self.send(&format!("{CONFIG_MAPS}/{CLUSTER_INFO}")).await?;
        let (status, clock_ahead) = (response.status(), read_clock(response.headers()));
        let body = Limited::new(response.into_body(), SIZE_LIMIT).collect().await;
        let body = body.map_err(|error| self.explain_body(error))?;
        Ok((status, clock_ahead, body.to_bytes().to_vec()))
    }

    async fn send(&self, path: &str) -> Result<Response<Body>, DiscoveryError> {
        let request = Request::get(path).body(Body::empty()).map_err(kube::Error::HttpError);
        let sent = async { self.client.send(request?).await }.await;
        sent.map_err(|error| self.explain(error))
    }

    fn explain_body(&self, error: Box<dyn std::error::Error + Send + Sync>) -> DiscoveryError {
        match error.downcast::<kube::Error>() {
            Ok(error) => self.explain(*error),
            Err(_) => self.not_kubernetes(format!("its answer is larger than {} KiB", SIZE_LIMIT >> 10)),
        }
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
        let mut version = since.metadata.resource_version.clone();
        loop {
            // kubeadm's Role allows anonymous clients to get but not to watch: then, and between two watches, we get it.
            if let Some(map) = self.watch_until(version.as_deref(), &is_done).await {
                return Ok(map);
            }
            sleep(PAUSE).await;
            let map = self.cluster_info_and_clock().await?.map;
            if is_done(&map) {
                return Ok(map);
            }
            version = map.metadata.resource_version;
        }
    }

    /// The first change that `is_done` accepts; `None` where the watch is refused or ends before.
    ///
    /// Not kube's watch, which reads lines of any length into memory.
    async fn watch_until(&self, version: Option<&str>, is_done: impl Fn(&ConfigMap) -> bool) -> Option<ConfigMap> {
        let version = version.filter(|version| version.bytes().all(|byte| byte.is_ascii_digit())).unwrap_or_default();
        let field = format!("fieldSelector=metadata.name%3D{CLUSTER_INFO}");
        let response = self.send(&format!("{CONFIG_MAPS}?watch=1&{field}&resourceVersion={version}")).await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        let mut body = Limited::new(response.into_body(), SIZE_LIMIT);
        let mut received = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            received.extend_from_slice(&frame.into_data().unwrap_or_default());
            while let Some(end) = received.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = received.drain(..=end).collect();
                match serde_json::from_slice(&line) {
                    Ok(WatchEvent::Added(map) | WatchEvent::Modified(map)) if is_done(&map) => return Some(map),
                    Ok(_) => {}
                    Err(_) => return None,
                }
            }
        }
        None
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
