//! Waits for the API server to answer.

use super::wait_until;
use crate::cause::Cause;
use crate::{Cluster, Error, Verb};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::client::Body;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};
use usernetes_api::join_causes;

/// Pause between two attempts: a server that is starting has nothing to watch.
const PAUSE: Duration = Duration::from_millis(25);
/// Limit of one attempt.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(2);

impl Cluster {
    /// Waits until `/readyz` answers ok.
    pub async fn wait_api(&self, limit: Duration) -> Result<(), Error> {
        self.wait_path("/readyz", limit).await
    }

    /// Waits until `/livez` answers ok: the server is alive, though its start hooks may still run.
    pub async fn wait_livez(&self, limit: Duration) -> Result<(), Error> {
        self.wait_path("/livez", limit).await
    }

    async fn wait_path(&self, path: &str, limit: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + limit;
        loop {
            let last_seen = match timeout(ATTEMPT_LIMIT, self.check_health(path)).await {
                Ok(Ok(None)) => return Ok(()),
                Ok(Ok(Some(answer))) => answer,
                Ok(Err(error)) => match Cause::find(&error) {
                    Cause::Tls(_) => return Err(Error::request(Verb::Get, format!("{}{path}", self.server()))(error)),
                    Cause::Refused => "connection refused".to_owned(),
                    _ => join_causes(&error),
                },
                Err(_) => format!("no answer within {} s", ATTEMPT_LIMIT.as_secs()),
            };
            if Instant::now() + PAUSE >= deadline {
                let what = format!("{path} of {}", self.server());
                return Err(Error::Timeout { what, waited: limit, last_seen });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// `None` for ok, else status and body of the answer.
    async fn check_health(&self, path: &str) -> Result<Option<String>, kube::Error> {
        let request = http::Request::get(path).body(Body::empty()).map_err(kube::Error::HttpError)?;
        let response = self.client().send(request).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(None);
        }
        let body = response.into_body().collect_bytes().await?;
        Ok(Some(format!("{status}: {}", String::from_utf8_lossy(&body).trim())))
    }

    /// Waits for ServiceAccount `default/default`, without which pods of that namespace are refused.
    pub async fn wait_default_service_account(&self, limit: Duration) -> Result<(), Error> {
        let api = self.namespaced::<ServiceAccount>("default");
        let exists = wait_until(api, "default", |account| account.is_some());
        timeout_at(Instant::now() + limit, exists).await.unwrap_or_else(|_| {
            let last_seen = "it does not exist; kube-controller-manager creates it".to_owned();
            Err(Error::Timeout { what: "ServiceAccount default/default".to_owned(), waited: limit, last_seen })
        })
    }
}
