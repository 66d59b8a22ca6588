//! The ports of this host, as they change.

use super::objects::{Pod, PodPorts, Service, ServicePorts, pod_resource, service_resource};
use super::session::{broken, config, forever};
use super::{Policy, Update, Wanted, wanted};
use crate::{Cluster, Error};
use futures::future::ready;
use futures::{Stream, StreamExt, stream};
use kube::runtime::watcher::{Event, watcher};
use kube::{Api, ResourceExt};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;

/// A change of one table.
pub(crate) enum Change<T> {
    /// Everything is sent anew.
    Restart,
    /// Everything was sent.
    Complete,
    /// This object is so, or has nothing for us.
    Set(String, Option<T>),
}

impl<T> Change<T> {
    pub(crate) fn of<K: ResourceExt>(event: Event<K>, cut: impl Fn(&K) -> Option<T>) -> Self {
        match event {
            Event::Init => Self::Restart,
            Event::InitDone => Self::Complete,
            Event::Apply(object) | Event::InitApply(object) => Self::Set(key(&object), cut(&object)),
            Event::Delete(object) => Self::Set(key(&object), None),
        }
    }
}

fn key<K: ResourceExt>(object: &K) -> String {
    format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any())
}

/// What was kept of all objects of a kind.
pub(crate) struct Table<T> {
    pub(crate) rows: BTreeMap<String, T>,
    pub(crate) complete: bool,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), complete: false }
    }
}

impl<T> Table<T> {
    pub(crate) fn change(&mut self, change: Change<T>) {
        match change {
            Change::Restart => *self = Self::default(),
            Change::Complete => self.complete = true,
            Change::Set(key, Some(row)) => drop(self.rows.insert(key, row)),
            Change::Set(key, None) => drop(self.rows.remove(&key)),
        }
    }
}

enum Seen {
    Service(Change<ServicePorts>),
    Pod(Change<PodPorts>),
}

/// Reports what this host has to publish, at once and after every change. Never ends; drop it to stop.
///
/// `kubeconfig` is the kubelet's: it may list Services and the pods of its own node.
pub async fn follow(
    kubeconfig: &Path,
    node: &str,
    policy: &Policy,
    mut report: impl FnMut(Update<Wanted>),
) -> Infallible {
    forever(kubeconfig, &mut report, |cluster| {
        let changes = stream::select(watch_services(cluster), watch_pods(cluster, node));
        states(changes, policy.clone()).boxed()
    })
    .await
}

/// What is wanted after each change, as soon as everything was heard of once.
fn states(
    changes: impl Stream<Item = Result<Seen, Error>> + Send,
    policy: Policy,
) -> impl Stream<Item = Result<Wanted, Error>> + Send {
    let (mut services, mut pods) = (Table::default(), Table::default());
    changes.filter_map(move |change| {
        let change = change.map(|change| match change {
            Seen::Service(change) => services.change(change),
            Seen::Pod(change) => pods.change(change),
        });
        let state = || wanted(services.rows.values(), pods.rows.values(), &policy);
        ready(change.map(|()| (services.complete && pods.complete).then(state)).transpose())
    })
}

fn watch_services(cluster: &Cluster) -> impl Stream<Item = Result<Seen, Error>> + use<> {
    let api: Api<Service> = Api::all_with(cluster.client(), &service_resource());
    watcher(api, config()).map(|event| match event {
        Ok(event) => Ok(Seen::Service(Change::of(event, ServicePorts::of))),
        Err(error) => Err(broken("Services", error)),
    })
}

fn watch_pods(cluster: &Cluster, node: &str) -> impl Stream<Item = Result<Seen, Error>> + use<> {
    let api: Api<Pod> = Api::all_with(cluster.client(), &pod_resource());
    watcher(api, config().fields(&format!("spec.nodeName={node}"))).map(|event| match event {
        Ok(event) => Ok(Seen::Pod(Change::of(event, PodPorts::of))),
        Err(error) => Err(broken("Pods of this node", error)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_forgets_what_is_gone() {
        let mut table = Table::default();
        for change in
            [Change::Restart, Change::Set("a".into(), Some(1)), Change::Set("b".into(), Some(2)), Change::Complete]
        {
            table.change(change);
        }
        table.change(Change::Set("b".into(), None));
        assert!(table.complete);
        assert_eq!(table.rows, BTreeMap::from([("a".to_owned(), 1)]));
        table.change(Change::Restart);
        assert!(!table.complete && table.rows.is_empty());
    }
}
