//! Watching for ever with credentials that change under us.

use super::Update;
use crate::{Cluster, Error, Verb};
use futures::future::ready;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use kube::runtime::watcher;
use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Objects asked for at once: a page is all that is in memory beside what we keep.
const PAGE: u32 = 50;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Watches of one kind, in small pages.
pub(crate) fn config() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

pub(crate) fn broken(what: &str, error: watcher::Error) -> Error {
    use watcher::Error::{InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(source) => Error::request(Verb::List, what)(source),
        WatchStartFailed(source) | WatchFailed(source) => Error::request(Verb::Watch, what)(source),
        WatchError(status) => Error::request(Verb::Watch, what)(kube::Error::Api(status)),
        NoResourceVersion => Error::Content { object: what.to_owned(), what: "no resourceVersion".to_owned() },
    }
}

/// When something is tried again that one object was refused, and looked at that changes without an event.
const PERIOD: Duration = Duration::from_secs(20);

/// The changes of a watch, and `None` now and then.
pub(crate) fn with_ticks<C: Send>(changes: impl Stream<Item = C> + Send) -> impl Stream<Item = Option<C>> + Send {
    let ticks = stream::unfold(ticks(), |mut ticks| async {
        ticks.tick().await;
        Some((None, ticks))
    });
    stream::select(changes.map(Some), ticks)
}

fn ticks() -> Interval {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// What the server has against one object must not keep the others waiting: it is told, and tried again at the next
/// tick. Whoever does not know us, or does not answer, ends the session.
pub(crate) fn of_one_object(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if error.status().is_some() && !error.is_unauthorized() => {
            tracing::warn!(error = &error as &dyn std::error::Error, "left for later");
            Ok(())
        }
        result => result,
    }
}

/// Runs `session` again and again, each time with the kubeconfig and the certificates as they are on disk by then: the
/// kubelet renews them, and a connection made with the old ones is refused one day (401). Loss is told only once, and
/// only where connecting anew does not help; a state only when it differs, or after a loss.
pub(crate) async fn forever<T: Clone + PartialEq + Send + 'static>(
    kubeconfig: &Path,
    report: &mut impl FnMut(Update<T>),
    session: impl Fn(&Cluster) -> BoxStream<'static, Result<T, Error>>,
) -> Infallible {
    let mut pause = FIRST_PAUSE;
    let mut lost = false;
    let mut last = None;
    loop {
        let mut states = match Cluster::connect(kubeconfig).await {
            Ok(cluster) => session(&cluster),
            Err(error) => stream::once(ready(Err(error))).boxed(),
        };
        let mut told = false;
        while let Some(state) = states.next().await {
            match state {
                Ok(state) => {
                    if std::mem::take(&mut lost) || last.as_ref() != Some(&state) {
                        last = Some(state.clone());
                        report(Update::State(state));
                    }
                    (told, pause) = (true, FIRST_PAUSE);
                }
                Err(error) if !told && !lost => {
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
    use kube::core::Status;

    #[test]
    fn who_ends_a_session() {
        let failed = |source| Error::request(Verb::Apply, "Service a/b")(source);
        let said = |code| failed(kube::Error::Api(Box::new(Status { code, ..Status::default() })));
        assert!(of_one_object(Ok(())).is_ok());
        for refused in [403, 409, 422, 500] {
            assert!(of_one_object(Err(said(refused))).is_ok(), "{refused}");
        }
        assert!(of_one_object(Err(said(401))).is_err());
        assert!(of_one_object(Err(failed(kube::Error::LinesCodecMaxLineLengthExceeded))).is_err());
    }

    #[tokio::test]
    async fn ticks_come_among_changes() {
        let mut both = std::pin::pin!(with_ticks(stream::once(ready(7)).chain(stream::pending())));
        let mut seen = Vec::new();
        for _ in 0..2 {
            seen.extend(both.next().await);
        }
        seen.sort_unstable();
        assert_eq!(seen, [None, Some(7)]);
    }
}
