//! One anonymous look at `cluster-info`.

use super::DiscoverError;
use crate::cause::{self, Cause};
use crate::kubeadm::KUBE_PUBLIC;
use futures::StreamExt;
use http::{HeaderMap, Request, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::WatchParams;
use kube::client::Body;
use kube::core::{Status, WatchEvent};
use kube::{Api, Client, Config};
use rustls::CertificateError;
use serde::de::DeserializeOwned;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use usernetes_pki::Endpoint;
use usernetes_pki::discovery::CLUSTER_INFO;

/// Pause where a server lets nobody watch `cluster-info`: kubeadm's own.
const PAUSE: Duration = Duration::from_millis(500);
/// A difference that certificates' own slack covers.
const SMALL_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// A way to one API server, without credentials.
pub(super) struct Door {
    client: Client,
    endpoint: Endpoint,
    answer: Duration,
    /// From an earlier answer.
    clock_ahead: Option<SignedDuration>,
}

pub(super) struct Answer {
    pub(super) map: ConfigMap,
    pub(super) clock_ahead: Option<SignedDuration>,
}

impl Door {
    /// TLS with whoever answers.
    pub(super) fn unverified(endpoint: &Endpoint, answer: Duration) -> Result<Self, DiscoverError> {
        Self::new(endpoint, answer, None, |config| {
            config.accept_invalid_certs = true;
            // None would be the host's, and an error on a host that has none.
            config.root_cert = Some(Vec::new());
        })
    }

    /// TLS with who has a certificate of that CA for that name.
    pub(super) fn verified(
        endpoint: &Endpoint,
        ca_pem: &str,
        answer: Duration,
        clock_ahead: Option<SignedDuration>,
    ) -> Result<Self, DiscoverError> {
        let trust = |source| DiscoverError::Trust { endpoint: endpoint.clone(), source };
        let certificates = certificates(ca_pem).ok_or(usernetes_pki::DiscoveryError::Certificate).map_err(trust)?;
        Self::new(endpoint, answer, clock_ahead, |config| config.root_cert = Some(certificates))
    }

    fn new(
        endpoint: &Endpoint,
        answer: Duration,
        clock_ahead: Option<SignedDuration>,
        configure: impl FnOnce(&mut Config),
    ) -> Result<Self, DiscoverError> {
        let url = endpoint.url().parse().map_err(|_| usernetes_pki::EndpointError(endpoint.to_string()))?;
        let mut config = Config::new(url);
        config.connect_timeout = Some(answer);
        config.default_retry = false;
        configure(&mut config);
        let client = Client::try_from(config)
            .map_err(|source| DiscoverError::Client { endpoint: endpoint.clone(), source: Box::new(source) })?;
        Ok(Self { client, endpoint: endpoint.clone(), answer, clock_ahead })
    }

    pub(super) async fn cluster_info_and_clock(&self) -> Result<Answer, DiscoverError> {
        match timeout(self.answer, self.get()).await {
            Ok(Ok((status, clock_ahead, body))) => {
                let map = self.read(status, &body)?;
                Ok(Answer { map, clock_ahead })
            }
            Ok(Err(error)) => Err(self.explain(error)),
            Err(_) => Err(self.timed_out()),
        }
    }

    async fn get(&self) -> Result<(StatusCode, Option<SignedDuration>, Vec<u8>), kube::Error> {
        let path = format!("/api/v1/namespaces/{KUBE_PUBLIC}/configmaps/{CLUSTER_INFO}");
        let request = Request::get(path).body(Body::empty()).map_err(kube::Error::HttpError)?;
        let response = self.client.send(request).await?;
        let (status, clock_ahead) = (response.status(), clock_ahead(response.headers()));
        Ok((status, clock_ahead, response.into_body().collect_bytes().await?.to_vec()))
    }

    fn read(&self, status: StatusCode, body: &[u8]) -> Result<ConfigMap, DiscoverError> {
        if status.is_success() {
            return self.parse(status, body);
        }
        let said: Status = self.parse(status, body)?;
        let what = format!("{status}: {}", said.message);
        Err(DiscoverError::NoClusterInfo { endpoint: self.endpoint.clone(), what })
    }

    fn parse<T: DeserializeOwned>(&self, status: StatusCode, body: &[u8]) -> Result<T, DiscoverError> {
        let not = |_| self.not_kubernetes(format!("it answers {status} with something that is no Kubernetes object"));
        serde_json::from_slice(body).map_err(not)
    }

    /// Waits for a later form of `cluster-info`.
    pub(super) async fn cluster_info_when(
        &self,
        since: &ConfigMap,
        wanted: impl Fn(&ConfigMap) -> bool,
    ) -> Result<ConfigMap, DiscoverError> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), KUBE_PUBLIC);
        let params = WatchParams::default().fields(&format!("metadata.name={CLUSTER_INFO}"));
        let mut version = since.metadata.resource_version.clone().unwrap_or_default();
        loop {
            // kubeadm's Role lets strangers get, not watch; then, and between two watches, we look again.
            if let Ok(changes) = api.watch(&params, &version).await {
                let mut changes = pin!(changes);
                while let Some(Ok(WatchEvent::Added(map) | WatchEvent::Modified(map))) = changes.next().await {
                    if wanted(&map) {
                        return Ok(map);
                    }
                }
            }
            sleep(PAUSE).await;
            let map = self.cluster_info_and_clock().await?.map;
            if wanted(&map) {
                return Ok(map);
            }
            version = map.metadata.resource_version.unwrap_or_default();
        }
    }

    fn explain(&self, error: kube::Error) -> DiscoverError {
        let endpoint = self.endpoint.clone();
        match cause::of(&error) {
            Cause::Refused => DiscoverError::Refused { endpoint },
            Cause::TimedOut => self.timed_out(),
            Cause::Unreachable => DiscoverError::Unreachable { endpoint, source: Box::new(error) },
            Cause::Reset => self.not_kubernetes("it hangs up".to_owned()),
            Cause::Tls(tls) => self.explain_tls(tls),
            // The connection stands or falls with name resolution here; whatever else hyper meets is not HTTP.
            Cause::Other if is_connect(&error) => DiscoverError::Unreachable { endpoint, source: Box::new(error) },
            Cause::Other => self.not_kubernetes("it does not speak HTTP".to_owned()),
        }
    }

    fn explain_tls(&self, tls: rustls::Error) -> DiscoverError {
        let endpoint = self.endpoint.clone();
        match tls {
            rustls::Error::InvalidCertificate(
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
            ) => DiscoverError::ClockSkew { endpoint, clock_ahead: self.clock_ahead },
            rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
                match self.clock_ahead {
                    Some(by) if by > SMALL_SKEW => DiscoverError::ClockSkew { endpoint, clock_ahead: Some(by) },
                    _ => DiscoverError::CertificateExpired { endpoint },
                }
            }
            tls @ rustls::Error::InvalidCertificate(_) => DiscoverError::Tls { endpoint, source: Box::new(tls) },
            other => self.not_kubernetes(format!("it does not speak TLS as we do ({other})")),
        }
    }

    fn timed_out(&self) -> DiscoverError {
        DiscoverError::TimedOut { endpoint: self.endpoint.clone(), waited: self.answer }
    }

    fn not_kubernetes(&self, what: String) -> DiscoverError {
        DiscoverError::NotKubernetes { endpoint: self.endpoint.clone(), what }
    }
}

fn is_connect(error: &kube::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.to_string().contains("dns error") {
            return true;
        }
        next = error.source();
    }
    false
}

/// DER of every certificate of a PEM text.
fn certificates(pem: &str) -> Option<Vec<Vec<u8>>> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let all = all.ok().filter(|all| !all.is_empty())?;
    Some(all.into_iter().map(|certificate| certificate.to_vec()).collect())
}

fn clock_ahead(headers: &HeaderMap) -> Option<SignedDuration> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    let server = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok()?;
    Some(SignedDuration::from_secs(Timestamp::now().as_second() - server.as_second()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::Error::InvalidCertificate;

    /// What a failed handshake is called, with a clock so many minutes ahead of the server's.
    fn called(error: rustls::Error, minutes_ahead: i64) -> String {
        let endpoint = Endpoint { host: "198.51.100.11".to_owned(), port: 6443 };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let _inside = runtime.enter();
        let mut door = Door::unverified(&endpoint, Duration::ZERO).expect("a client");
        door.clock_ahead = Some(SignedDuration::from_mins(minutes_ahead));
        door.explain_tls(error).to_string()
    }

    #[test]
    fn clocks_and_certificates() {
        let early = InvalidCertificate(CertificateError::NotValidYet);
        let late = || InvalidCertificate(CertificateError::Expired);
        insta::assert_snapshot!(called(early, -25 * 60), @"the certificate of 198.51.100.11:6443 is not valid at this host's time (this host's clock is 25h behind the server's)");
        insta::assert_snapshot!(called(late(), 400 * 24 * 60), @"the certificate of 198.51.100.11:6443 is not valid at this host's time (this host's clock is 9600h ahead of the server's)");
        insta::assert_snapshot!(called(late(), 1), @"the certificate of 198.51.100.11:6443 has expired");
        insta::assert_snapshot!(called(InvalidCertificate(CertificateError::UnknownIssuer), 0), @"cannot verify 198.51.100.11:6443 by the CA in cluster-info: another server, or somebody in between");
    }

    #[test]
    fn date_header() {
        let mut headers = HeaderMap::new();
        assert_eq!(clock_ahead(&headers), None);
        headers.insert(header::DATE, header::HeaderValue::from_static("Mon, 01 Jan 2024 00:00:00 GMT"));
        assert!(clock_ahead(&headers).is_some_and(|by| by > SignedDuration::from_hours(24)));
        headers.insert(header::DATE, header::HeaderValue::from_static("yesterday"));
        assert_eq!(clock_ahead(&headers), None);
    }
}
