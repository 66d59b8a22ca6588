//! Connections that are replaced for as long as the node runs, since the kubelet renews its credentials under us.

use super::Update;
use crate::{Cluster, Error};
use futures::future::ready;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use kube::runtime::watcher;
use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Objects in one page of a list: a page is all that is in memory beside the rows.
const PAGE_SIZE: u32 = 50;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Time between two attempts at an object that the server refused, and between two looks at what changes without an event.
const TICK_PERIOD: Duration = Duration::from_secs(20);

/// A watch in small pages.
pub(crate) fn page_config() -> watcher::Config {
    watcher::Config::default().page_size(PAGE_SIZE)
}

/// One tick at once, then one each [`TICK_PERIOD`].
pub(crate) fn ticks() -> impl Stream<Item = ()> + Send {
    let mut ticks = interval(TICK_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::unfold(ticks, |mut ticks| async {
        ticks.tick().await;
        Some(((), ticks))
    })
}

/// Logs an error that concerns one object, so that it does not hold up the others; the next tick tries again.
///
/// Errors that concern the connection are returned and end it: no answer, or credentials that the server does not accept.
pub(crate) fn skip_object_error(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if error.status().is_some() && !error.is_unauthorized() => {
            tracing::warn!(error = &error as &dyn std::error::Error, "object skipped until the next attempt");
            Ok(())
        }
        result => result,
    }
}

/// Runs `session` again and again, each time with a new client.
///
/// The kubeconfig and the certificates that it names are read anew for each: the kubelet renews them, and a connection made
/// with the old ones is refused one day (401). A loss is reported once, and only where a new connection does not help; a
/// state only when it differs, or after a loss.
pub(crate) async fn watch_reconnecting<'a, T: Clone + PartialEq + Send + 'a>(
    kubeconfig: &Path,
    report: &mut impl FnMut(Update<T>),
    session: impl Fn(Cluster) -> BoxStream<'a, Result<T, Error>>,
) -> Infallible {
    let mut pause = FIRST_PAUSE;
    let mut lost = false;
    let mut last = None;
    loop {
        let mut states = match Cluster::connect(kubeconfig).await {
            Ok(cluster) => session(cluster),
            Err(error) => stream::once(ready(Err(error))).boxed(),
        };
        let mut connected = false;
        while let Some(state) = states.next().await {
            match state {
                Ok(state) => {
                    if std::mem::take(&mut lost) || last.as_ref() != Some(&state) {
                        last = Some(state.clone());
                        report(Update::State(state));
                    }
                    connected = true;
                    pause = FIRST_PAUSE;
                }
                Err(error) if !connected && !lost => {
                    lost = true;
                    report(Update::Lost(error));
                    break;
                }
                Err(_) => break,
            }
        }
        drop(states);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verb;
    use kube::core::Status;

    fn failed_with(source: kube::Error) -> Result<(), Error> {
        Err(Error::request(Verb::Apply, "Service a/b")(source))
    }

    fn refused_with(code: u16) -> Result<(), Error> {
        failed_with(kube::Error::Api(Box::new(Status { code, ..Status::default() })))
    }

    #[test]
    fn only_errors_of_the_connection_end_it() {
        assert!(skip_object_error(Ok(())).is_ok());
        for code in [403, 409, 422, 500] {
            assert!(skip_object_error(refused_with(code)).is_ok(), "{code}");
        }
        assert!(skip_object_error(refused_with(401)).is_err());
        assert!(skip_object_error(failed_with(kube::Error::LinesCodecMaxLineLengthExceeded)).is_err());
    }

    #[tokio::test]
    async fn the_first_tick_comes_at_once() {
        let mut ticks = std::pin::pin!(ticks());
        assert_eq!(ticks.next().await, Some(()));
        let second = tokio::time::timeout(Duration::from_millis(10), ticks.next()).await;
        assert!(second.is_err(), "the second one comes a period later");
    }
}
