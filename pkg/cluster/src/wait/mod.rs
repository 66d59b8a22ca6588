//! Waits: each watches, and on a time-out says what it saw last.

mod api;
mod explain;
mod limits;
mod node;
mod workload;

pub use limits::{Held, HostLimit};

use crate::{Error, Verb};
use futures::StreamExt;
use kube::runtime::watcher;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::pin::pin;
use std::time::Duration;

/// Pause after a broken watch; the watcher goes on where it stopped.
const RETRY: Duration = Duration::from_millis(100);

/// Watches one object until `seen` says that it is enough. Never ends by itself: callers set the time.
async fn until<K>(api: Api<K>, name: &str, mut seen: impl FnMut(Option<&K>) -> bool) -> Result<(), Error>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + DeserializeOwned + 'static,
{
    let mut stream = pin!(watcher::watch_object(api, name));
    loop {
        match stream.next().await {
            Some(Ok(object)) if seen(object.as_ref()) => return Ok(()),
            Some(Ok(_)) | None => {}
            Some(Err(error)) => pause_or_fail(error, &format!("{} {name}", K::kind(&()))).await?,
        }
    }
}

/// Whether to go on after an error of a watch: always, unless the server refuses us.
pub(crate) async fn pause_or_fail(error: watcher::Error, object: &str) -> Result<(), Error> {
    use watcher::Error::{InitialListFailed, WatchStartFailed};
    match error {
        InitialListFailed(source) | WatchStartFailed(source) if refused(&source) => {
            return Err(Error::request(Verb::Watch, object)(source));
        }
        _ => tokio::time::sleep(RETRY).await,
    }
    Ok(())
}

fn refused(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 401 | 403))
}
