//! Events: how something that concerns an object reaches the person who made it (`kubectl describe`).

use crate::client::MANAGER;
use crate::{Cluster, Error, Verb};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Involved {
    /// Such as `v1`.
    pub api_version: &'static str,
    /// Such as `Service`.
    pub kind: &'static str,
    /// Its namespace, empty where it has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

impl Cluster {
    /// Warns at an object. The same warning again raises the count of the first one.
    pub async fn event(&self, about: &Involved, host: &str, reason: &str, message: &str) -> Result<(), Error> {
        let api = self.namespaced::<Event>(place(about));
        let event = event(about, host, reason, message);
        let name = event.metadata.name.clone().unwrap_or_default();
        let object = format!("Event {}/{name}", place(about));
        match api.create(&PostParams::default(), &event).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                // A kubelet may patch events, not get them: the answer to the first patch tells the count.
                let patch = async |fields| api.patch(&name, &PatchParams::default(), &Patch::Merge(fields)).await;
                let old = patch(json!({ "lastTimestamp": event.last_timestamp })).await;
                let count = old.map_err(Error::request(Verb::Apply, &*object))?.count.unwrap_or(1) + 1;
                patch(json!({ "count": count })).await.map(drop).map_err(Error::request(Verb::Apply, object))
            }
            result => result.map(drop).map_err(Error::request(Verb::Create, object)),
        }
    }
}

/// Where its events lie: those of objects without a namespace in this one, by agreement.
fn place(about: &Involved) -> &str {
    if about.namespace.is_empty() { "default" } else { &about.namespace }
}

fn event(about: &Involved, host: &str, reason: &str, message: &str) -> Event {
    let now = Some(Time(Timestamp::now()));
    let mut hasher = DefaultHasher::new();
    (&about.uid, host, reason, message).hash(&mut hasher);
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{}.{:016x}", about.name, hasher.finish())),
            namespace: Some(place(about).to_owned()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some(about.api_version.to_owned()),
            kind: Some(about.kind.to_owned()),
            namespace: Some(about.namespace.clone()).filter(|namespace| !namespace.is_empty()),
            name: Some(about.name.clone()),
            uid: Some(about.uid.clone()),
            ..ObjectReference::default()
        },
        type_: Some("Warning".to_owned()),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        source: Some(EventSource { component: Some(MANAGER.to_owned()), host: Some(host.to_owned()) }),
        first_timestamp: now.clone(),
        last_timestamp: now,
        count: Some(1),
        ..Event::default()
    }
}
