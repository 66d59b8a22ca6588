//! Until the API server answers.

use super::until;
use crate::cause::{Cause, of};
use crate::{Cluster, Error, Verb};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::client::Body;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// Pause between two tries while it is coming up: there is nothing to watch yet.
const PAUSE: Duration = Duration::from_millis(25);
/// One try.
const TRY: Duration = Duration::from_secs(2);

impl Cluster {
    /// Waits until `/readyz` says ok.
    pub async fn wait_api(&self, limit: Duration) -> Result<(), Error> {
        self.wait_path("/readyz", limit).await
    }

    /// Waits until the API server is alive: it answers, though its hooks may still run.
    pub async fn wait_livez(&self, limit: Duration) -> Result<(), Error> {
        self.wait_path("/livez", limit).await
    }

    async fn wait_path(&self, path: &str, limit: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + limit;
        loop {
            let last_seen = match timeout(TRY, self.ask(path)).await {
                Ok(Ok(None)) => return Ok(()),
                Ok(Ok(Some(answer))) => answer,
                Ok(Err(error)) => match of(&error) {
                    Cause::Tls(_) => return Err(Error::request(Verb::Get, format!("{}{path}", self.server()))(error)),
                    Cause::Refused => "connection refused".to_owned(),
                    _ => chain(&error),
                },
                Err(_) => format!("no answer within {} s", TRY.as_secs()),
            };
            if Instant::now() + PAUSE >= deadline {
                let what = format!("{path} of {}", self.server());
                return Err(Error::Timeout { what, waited: limit, last_seen });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// `None` for ok, else what the server says.
    async fn ask(&self, path: &str) -> Result<Option<String>, kube::Error> {
        let request = http::Request::get(path).body(Body::empty()).map_err(kube::Error::HttpError)?;
        let response = self.client().send(request).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(None);
        }
        let body = response.into_body().collect_bytes().await?;
        Ok(Some(format!("{status}: {}", String::from_utf8_lossy(&body).trim())))
    }

    /// Waits for `default/default`: every pod of that namespace is refused before.
    pub async fn wait_default_service_account(&self, limit: Duration) -> Result<(), Error> {
        let api = self.namespaced::<ServiceAccount>("default");
        let there = until(api, "default", |account| account.is_some());
        timeout_at(Instant::now() + limit, there).await.unwrap_or_else(|_| {
            let last_seen = "it does not exist; the controller manager makes it".to_owned();
            Err(Error::Timeout { what: "ServiceAccount default/default".to_owned(), waited: limit, last_seen })
        })
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let more = source.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = source.source();
    }
    text
}
