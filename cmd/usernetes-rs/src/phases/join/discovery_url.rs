//! A discovery file that lies on a web server, as kubeadm takes it: over HTTPS, by the certificates that this host trusts.
//!
//! What is in it decides which cluster is trusted, so plain HTTP is refused, by validation and in a redirect.

use crate::errors::Hinted;
use anyhow::Result;
use reqwest::{Client, Response};
use std::time::Duration;

/// A server that is silent for so long is gone.
const SILENCE: Duration = Duration::from_secs(10);
/// A kubeconfig has a few kilobytes.
const LONGEST: usize = 1 << 20;

/// Fetches the file.
pub(super) async fn fetch(url: &str) -> Result<String> {
    let cannot = |error: reqwest::Error| {
        let cure = format!(
            "see whether the server answers and its certificate is trusted here (SSL_CERT_FILE=CA.pem trusts another \
             CA); or fetch it by hand: curl -fo discovery.conf {url}; then --discovery-file discovery.conf"
        );
        // The URL stands in the message already.
        Hinted::new(format!("cannot fetch the discovery file {url}"), cure).because(error.without_url())
    };
    let client = Client::builder().https_only(true).connect_timeout(SILENCE).read_timeout(SILENCE).build();
    let response = client.map_err(cannot)?.get(url).send().await.and_then(Response::error_for_status);
    let mut response = response.map_err(cannot)?;
    let mut text = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(cannot)? {
        text.extend_from_slice(&chunk);
        if text.len() > LONGEST {
            let message = format!("{url} is no discovery file: it has more than {} KiB", LONGEST >> 10);
            return Err(Hinted::new(message, "give the URL of a kubeconfig").into());
        }
    }
    String::from_utf8(text).map_err(|_| {
        Hinted::new(format!("{url} is no discovery file: it is no text"), "give the URL of a kubeconfig").into()
    })
}
