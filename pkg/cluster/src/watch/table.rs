//! The rows of a watch: of each object only what its controller needs.
//!
//! kube's `reflector` and its `Store` are not used here. A `Store` keeps the objects themselves, each behind an `Arc` and all
//! behind a lock for readers in other tasks; a table keeps projections of them (some addresses, some ports), has one owner,
//! and is read only after a complete list. `WatchStreamExt::default_backoff` retries on the same client, whose certificate
//! may have been renewed meanwhile, so an error ends the stream here and [`super::reconnect`] makes a new client.

use super::page_config;
use crate::{Cluster, Error, Verb};
use futures::future::ready;
use futures::{Stream, StreamExt, stream};
use kube::core::{ApiResource, Object};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// Rows by `namespace/name`.
pub(crate) type Rows<T> = BTreeMap<String, T>;

/// A change of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change<T> {
    /// A new list begins.
    Restart,
    /// The list is complete.
    Complete,
    /// The row of an object; `None` where the object is gone or of no interest.
    Set(String, Option<T>),
}

impl<T> Change<T> {
    fn from_event<K: ResourceExt>(event: Event<K>, project: impl Fn(&K) -> Option<T>) -> Self {
        match event {
            Event::Init => Self::Restart,
            Event::InitDone => Self::Complete,
            Event::Apply(object) | Event::InitApply(object) => Self::Set(row_key(&object), project(&object)),
            Event::Delete(object) => Self::Set(row_key(&object), None),
        }
    }
}

fn row_key<K: ResourceExt>(object: &K) -> String {
    format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any())
}

/// Watches one kind and projects its objects to rows. `kind` names the objects in errors.
pub(crate) fn watch_changes<K, T>(
    api: Api<K>,
    config: watcher::Config,
    kind: &'static str,
    project: impl Fn(&K) -> Option<T>,
) -> impl Stream<Item = Result<Change<T>, Error>>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    watcher(api, config).map(move |event| match event {
        Ok(event) => Ok(Change::from_event(event, &project)),
        Err(error) => Err(watch_error(kind, error)),
    })
}

/// Watches the pods of a node, with the parts of spec and status that the caller reads. A kubelet may watch those of its node.
pub(crate) fn watch_node_pods<S, U, T, F>(
    cluster: &Cluster,
    node: &str,
    project: F,
) -> impl Stream<Item = Result<Change<T>, Error>> + use<S, U, T, F>
where
    S: Clone,
    U: Clone,
    Object<S, U>: Resource<DynamicType = ApiResource> + Clone + Debug + DeserializeOwned + Send + 'static,
    F: Fn(&Object<S, U>) -> Option<T>,
{
    let resource = ApiResource::erase::<k8s_openapi::api::core::v1::Pod>(&());
    let of_node = page_config().fields(&format!("spec.nodeName={node}"));
    watch_changes(Api::all_with(cluster.client(), &resource), of_node, "Pods of this node", project)
}

/// A watcher's error as ours, with the verb that failed.
fn watch_error(kind: &str, error: watcher::Error) -> Error {
    use watcher::Error::{InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(source) => Error::request(Verb::List, kind)(source),
        WatchStartFailed(source) | WatchFailed(source) => Error::request(Verb::Watch, kind)(source),
        WatchError(status) => Error::request(Verb::Watch, kind)(kube::Error::Api(status)),
        NoResourceVersion => Error::Content { object: kind.to_owned(), what: "no resourceVersion".to_owned() },
    }
}

/// The rows of all objects of a kind.
pub(crate) struct Table<T> {
    pub(crate) rows: Rows<T>,
    /// Whether a list was complete since the last restart.
    pub(crate) complete: bool,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: Rows::new(), complete: false }
    }
}

impl<T> Table<T> {
    pub(crate) fn apply_change(&mut self, change: Change<T>) {
        match change {
            Change::Restart => *self = Self::default(),
            Change::Complete => self.complete = true,
            Change::Set(key, Some(row)) => drop(self.rows.insert(key, row)),
            Change::Set(key, None) => drop(self.rows.remove(&key)),
        }
    }
}

enum Input<A, B> {
    First(Change<A>),
    Second(Change<B>),
    Tick,
}

/// What `read` makes of two tables, after each change of either and at each tick, once both are complete.
pub(crate) fn join_tables<A, B, S>(
    first: impl Stream<Item = Result<Change<A>, Error>> + Send,
    second: impl Stream<Item = Result<Change<B>, Error>> + Send,
    ticks: impl Stream<Item = ()> + Send,
    read: impl Fn(&Rows<A>, &Rows<B>) -> S + Send,
) -> impl Stream<Item = Result<S, Error>> + Send
where
    A: Send,
    S: Send,
    B: Send,
{
    let first = first.map(|change| change.map(Input::First));
    let second = second.map(|change| change.map(Input::Second));
    let inputs = stream::select(stream::select(first, second), ticks.map(|()| Ok(Input::Tick)));
    let mut tables = (Table::default(), Table::default());
    inputs.filter_map(move |input| {
        let state = input.map(|input| {
            match input {
                Input::First(change) => tables.0.apply_change(change),
                Input::Second(change) => tables.1.apply_change(change),
                Input::Tick => {}
            }
            (tables.0.complete && tables.1.complete).then(|| read(&tables.0.rows, &tables.1.rows))
        });
        ready(state.transpose())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set<T>(key: &str, row: Option<T>) -> Change<T> {
        Change::Set(key.to_owned(), row)
    }

    #[test]
    fn a_restart_forgets_what_is_gone() {
        let mut table = Table::default();
        for change in [Change::Restart, set("a", Some(1)), set("b", Some(2)), Change::Complete, set("b", None)] {
            table.apply_change(change);
        }
        assert!(table.complete);
        assert_eq!(table.rows, BTreeMap::from([("a".to_owned(), 1)]));
        table.apply_change(Change::Restart);
        assert!(!table.complete && table.rows.is_empty());
    }

    #[tokio::test]
    async fn two_tables_are_read_once_both_are_complete() {
        let first = stream::iter([Change::Restart, set("a", Some(1)), Change::Complete].map(Ok));
        let second = stream::iter([Change::Restart, Change::Complete, set("b", Some(2))].map(Ok));
        let sum = |first: &Rows<i32>, second: &Rows<i32>| first.values().chain(second.values()).sum::<i32>();
        let states: Vec<_> = join_tables(first, second, stream::empty(), sum).map(Result::ok).collect().await;
        assert_eq!(states.last(), Some(&Some(3)));
        let ticked = join_tables(
            stream::iter([Ok(Change::<i32>::Complete)]),
            stream::iter([Ok(Change::Complete)]),
            stream::iter([(), (), ()]),
            sum,
        );
        assert!(ticked.count().await >= 2, "a tick reads the tables again");
    }
}
