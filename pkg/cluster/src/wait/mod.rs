//! Waits: each watches, and names the last state when it times out.

mod api;
mod explain;
mod limits;
mod node;
mod workload;

pub use limits::{BlockedPod, HostLimit};

use crate::{Error, Verb};
use futures::StreamExt;
use kube::runtime::watcher;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::pin::pin;
use std::time::Duration;

/// Pause after a broken watch; the watcher resumes where it stopped.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Watches one object until `is_done` returns true. Has no limit of its own: callers set one.
async fn wait_until<K>(api: Api<K>, name: &str, mut is_done: impl FnMut(Option<&K>) -> bool) -> Result<(), Error>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + DeserializeOwned + 'static,
{
    let mut stream = pin!(watcher::watch_object(api, name));
    loop {
        match stream.next().await {
            Some(Ok(object)) if is_done(object.as_ref()) => return Ok(()),
            Some(Ok(_)) | None => {}
            Some(Err(error)) => pause_or_fail(error, &format!("{} {name}", K::kind(&()))).await?,
        }
    }
}

/// Pauses after an error of a watch, or returns it where the server refuses these credentials.
pub(crate) async fn pause_or_fail(error: watcher::Error, object: &str) -> Result<(), Error> {
    use watcher::Error::{InitialListFailed, WatchStartFailed};
    match error {
        InitialListFailed(source) | WatchStartFailed(source) if is_refusal(&source) => {
            return Err(Error::request(Verb::Watch, object)(source));
        }
        _ => tokio::time::sleep(RETRY_PAUSE).await,
    }
    Ok(())
}

fn is_refusal(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 401 | 403))
}
